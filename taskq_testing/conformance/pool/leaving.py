"""Slots that are replaced, and a pool that stops."""

from __future__ import annotations

from taskq.ports import Ending, JobStarted, SlotLost, SlotReady
from taskq_testing.conformance.pool.rig import BUSY_S, Driver


class LeavingSuite:
    """Nothing is interrupted, and nothing is lost."""

    def test_a_pool_that_restarts_has_new_slots(self, driver: Driver) -> None:
        """Each idle slot is lost, as expected, and comes back under its number."""
        slots = driver.start(driver.rig.slots)
        driver.pool.restart()
        driver.until_came(SlotReady, 2 * len(slots))

        assert sorted(lost.slot for lost in driver.of(SlotLost)) == sorted(slots)
        assert all(lost.expected for lost in driver.of(SlotLost))
        tokens = [token for slot in slots for token in driver.give(slot, "say well")]
        assert {ending.summary for ending in driver.until_ended(tokens)} == {"well"}

    def test_a_restart_interrupts_nothing(self, driver: Driver) -> None:
        """A busy slot ends what it was given, and is replaced then."""
        [slot] = driver.start(1)
        tokens = driver.give(slot, f"sleep {BUSY_S} first", "say second", announce=True)
        driver.until_came(JobStarted, 1)
        driver.pool.restart()
        driver.until_came(SlotReady, 2)

        assert [ending.token for ending in driver.of(Ending)] == tokens
        [lost] = driver.of(SlotLost)
        assert (lost.started, lost.unstarted, lost.expected) == ((), (), True)

    def test_what_is_given_to_a_slot_that_restarts_is_not_lost(self, driver: Driver) -> None:
        """It ends, or it comes back with the slot."""
        [slot] = driver.start(1)
        tokens = driver.give(slot, f"sleep {BUSY_S} first")
        driver.pool.restart()
        tokens += driver.give(slot, "say after")
        driver.until_came(SlotReady, 2)

        ended = [ending.token for ending in driver.of(Ending)]
        back = [token for lost in driver.of(SlotLost) for token in lost.unstarted]
        assert sorted(ended + back) == tokens

    def test_an_idle_pool_stops(self, driver: Driver) -> None:
        """After ``stop`` every idle slot is gone, and was told so."""
        slots = driver.start(driver.rig.slots)
        driver.pool.stop()
        driver.until(lambda: len(driver.of(SlotLost)) == len(slots))

        assert {(lost.slot, lost.expected) for lost in driver.of(SlotLost)} == {
            (slot, True) for slot in slots
        }

    def test_a_busy_pool_stops_when_its_jobs_end(self, driver: Driver) -> None:
        """``stop`` interrupts nothing."""
        [slot] = driver.start(1)
        tokens = driver.give(slot, f"sleep {BUSY_S} first", "say second")
        driver.pool.stop()
        endings = driver.until_ended(tokens)
        driver.until(lambda: bool(driver.of(SlotLost)))

        assert [ending.summary for ending in endings] == ["first", "second"]
        assert driver.of(SlotLost)[0].expected

    def test_a_pool_that_stops_at_once_gives_all_back(self, driver: Driver) -> None:
        """With ``at_once`` a job has ended, or comes back as started or as not started."""
        [slot] = driver.start(1)
        tokens = driver.give(slot, "say first", "async 600 long", "say last")
        driver.until(lambda: bool(driver.of(Ending)) or driver.pool.poll_s == 0)
        driver.pool.stop(at_once=True)
        driver.until(lambda: bool(driver.of(SlotLost)))

        [lost] = driver.of(SlotLost)
        ended = [ending.token for ending in driver.of(Ending)]
        assert sorted([*ended, *lost.started, *lost.unstarted]) == tokens
        assert lost.unstarted[-1] == tokens[-1]
        assert lost.expected

    def test_a_pool_describes_itself(self, driver: Driver) -> None:
        """``describe`` has what ``inspect stats`` of a worker shows for any pool."""
        slots = driver.start(driver.rig.slots)
        described = driver.pool.describe()

        assert described["max-concurrency"] == len(slots)
        assert ":" in described["implementation"]
        assert described["processes"]
