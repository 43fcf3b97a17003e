# ruff: noqa: PLR2004 - the suite is tests: counts of what was done a line above
"""Slots, and the jobs that they are given."""

from __future__ import annotations

import pytest

from taskq.ports import Ending, EndingKind, JobStarted, SlotLost, SlotReady
from taskq_testing.conformance.pool.rig import BUSY_S, Driver


class SlotSuite:
    """What runs, in which order, and how many slots there are."""

    def test_each_slot_is_ready_before_it_is_used(self, driver: Driver) -> None:
        """As many ``SlotReady`` come as slots were asked for, each for another slot."""
        slots = driver.start(driver.rig.slots)

        assert len(set(slots)) == driver.rig.slots == len(driver.of(SlotReady))

    def test_each_job_ends_once(self, driver: Driver) -> None:
        """What is submitted comes back once each, with what the runner made of it."""
        slots = driver.start(driver.rig.slots)
        tokens = [
            token
            for round_ in range(20)
            for slot in slots
            for token in driver.give(slot, f"say {round_}-{slot}", "say again")
        ]

        endings = driver.until_ended(tokens)
        assert sorted(ending.token for ending in endings) == sorted(tokens)
        assert {ending.kind for ending in endings} == {EndingKind.SUCCEEDED}
        assert endings[0].summary.startswith("0-")

    def test_a_slot_keeps_its_order(self, driver: Driver) -> None:
        """A slot runs one job after the other, in the order in which it got them."""
        [slot] = driver.start(1)
        tokens = driver.give(slot, "sleep 0.05 a", "say b", "say c")
        tokens += driver.give(slot, "say d")
        tokens += driver.give(slot, "sleep 0.01 e", "say f")

        endings = driver.until_ended(tokens)
        assert [ending.summary for ending in endings] == list("abcdef")

    def test_an_async_body_is_awaited(self, driver: Driver) -> None:
        """A coroutine function yields its value, on any pool, and never a coroutine."""
        [slot] = driver.start(1)
        endings = driver.until_ended(driver.give(slot, "async 0.01 one", "async 0 two"))

        assert [ending.summary for ending in endings] == ["one", "two"]

    def test_a_failed_body_is_an_ending_as_any_other(self, driver: Driver) -> None:
        """The runner answers for what a body raises; the slot goes on."""
        [slot] = driver.start(1)
        endings = driver.until_ended(driver.give(slot, "raise", "say on"))

        assert [ending.kind for ending in endings] == [EndingKind.FAILED, EndingKind.SUCCEEDED]
        assert not driver.of(SlotLost)

    def test_a_start_is_announced_before_its_end(self, driver: Driver) -> None:
        """With ``announce`` the pool says ``JobStarted`` while the body has not ended; else not."""
        [slot] = driver.start(1)
        quiet = driver.give(slot, "say quiet")
        [token] = driver.give(slot, f"sleep {BUSY_S} loud", announce=True)
        driver.until(lambda: bool(driver.of(JobStarted)))

        assert token not in {ending.token for ending in driver.of(Ending)}
        driver.until_ended([*quiet, token])
        assert [started.token for started in driver.of(JobStarted)] == [token]

    def test_an_exit_in_a_body_costs_its_own_job_only(self, driver: Driver) -> None:
        """``SystemExit`` loses the slot: one job was started, those behind it come back."""
        [slot] = driver.start(1)
        before, exits, after = driver.give(slot, "say before", "exit 3", "say after")
        driver.until(lambda: bool(driver.of(SlotLost)))

        [lost] = driver.of(SlotLost)
        assert (lost.slot, lost.started, lost.unstarted) == (slot, (exits,), (after,))
        assert not lost.expected
        assert [ending.token for ending in driver.of(Ending)] == [before]

    def test_a_lost_slot_comes_back(self, driver: Driver) -> None:
        """After ``SlotLost`` there is a ``SlotReady`` for the same slot, and it works."""
        [slot] = driver.start(1)
        driver.give(slot, "exit 3")
        driver.until(lambda: len(driver.of(SlotReady)) == 2)

        assert [event.slot for event in driver.of(SlotReady)] == [slot, slot]
        assert driver.until_ended(driver.give(slot, "say well"))[0].summary == "well"

    def test_a_job_for_a_slot_that_is_not_there_comes_back(self, driver: Driver) -> None:
        """Nothing is lost that was submitted to a slot that does not exist."""
        driver.start(1)
        [token] = driver.give(77, "say nothing")
        driver.until(lambda: bool(driver.of(SlotLost)))

        [lost] = driver.of(SlotLost)
        assert (lost.slot, lost.started, lost.unstarted) == (77, (), (token,))

    def test_slots_are_added(self, driver: Driver) -> None:
        """``grow`` makes slots that work."""
        if not driver.rig.resizes:
            with pytest.raises(NotImplementedError):
                driver.pool.grow(1)
            return
        driver.start(1)
        driver.pool.grow(2)
        driver.until(lambda: len(driver.of(SlotReady)) == 3)

        slots = {event.slot for event in driver.of(SlotReady)}
        tokens = [token for slot in slots for token in driver.give(slot, "say hello")]
        assert len(driver.until_ended(tokens)) == len(slots) == 3

    def test_an_idle_slot_is_removed_first(self, driver: Driver) -> None:
        """``shrink`` takes a slot without work, and no ``SlotReady`` follows for it."""
        if not driver.rig.resizes:
            with pytest.raises(NotImplementedError):
                driver.pool.shrink(1)
            return
        slots = driver.start(2)
        tokens = driver.give(slots[1], f"sleep {BUSY_S} on")
        driver.pool.shrink(1)
        driver.until(lambda: bool(driver.of(SlotLost)))

        assert driver.of(SlotLost)[0].slot == slots[0]
        assert driver.of(SlotLost)[0].expected
        assert driver.until_ended(tokens)[0].summary == "on"
        assert len(driver.of(SlotReady)) == 2

    def test_a_busy_slot_is_removed_when_its_job_ends(self, driver: Driver) -> None:
        """``shrink`` interrupts nothing: the ending comes, then the slot is gone."""
        if not driver.rig.resizes:
            return
        slots = driver.start(2)
        tokens = [driver.give(slot, f"sleep {BUSY_S} done")[0] for slot in slots]
        driver.pool.shrink(1)
        driver.until(lambda: bool(driver.of(SlotLost)))

        driver.until_ended(tokens)
        assert [(lost.started, lost.unstarted) for lost in driver.of(SlotLost)] == [((), ())]
