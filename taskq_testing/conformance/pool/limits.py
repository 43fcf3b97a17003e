"""What ends a body before its time: ``terminate``, and soft time limits."""

from __future__ import annotations

from collections import Counter

import pytest

from taskq.ports import Ending, JobStarted, SlotLost, SlotReady
from taskq_testing.conformance.pool.rig import Driver


class LimitSuite:
    """What is raised in a body, and what becomes of its slot."""

    @pytest.mark.parametrize("body", ["async 600 never", "sleep 600 never"])
    def test_a_terminated_slot_comes_back(self, driver: Driver, body: str) -> None:
        """``terminate`` loses the running job, returns the waiting one, and makes a new slot."""
        [slot] = driver.start(1)
        if not driver.rig.ends_bodies:
            return
        running, waiting = driver.give(slot, body, "say later", announce=True)
        driver.until_came(JobStarted, 1)
        driver.pool.terminate(slot, 15)
        driver.until_came(SlotReady, 2)

        [lost] = driver.of(SlotLost)
        assert (lost.started, lost.unstarted, lost.expected) == ((running,), (waiting,), True)
        assert driver.until_ended(driver.give(slot, "say well"))[0].summary == "well"

    def test_a_terminated_body_that_goes_on_is_given_up(self, driver: Driver) -> None:
        """Its slot is lost and made anew, and what becomes of the body is told nobody."""
        [slot] = driver.start(1)
        if not driver.rig.ends_bodies:
            return
        [running] = driver.give(slot, "deaf 1.5 over", announce=True)
        driver.until_came(JobStarted, 1)
        driver.pool.terminate(slot, 15)
        driver.until_came(SlotReady, 2)
        after = driver.give(slot, "sleep 4 meanwhile")

        assert driver.until_ended(after)[0].summary == "meanwhile"
        assert [ending.token for ending in driver.of(Ending)] == after
        assert [lost.started for lost in driver.of(SlotLost)] == [(running,)]

    def test_an_idle_slot_can_be_terminated(self, driver: Driver) -> None:
        """It takes nothing with it."""
        [slot] = driver.start(1)
        if not driver.rig.ends_bodies:
            return
        driver.until_ended(driver.give(slot, "say before"))
        driver.pool.terminate(slot, 15)
        driver.until_came(SlotReady, 2)

        [lost] = driver.of(SlotLost)
        assert (lost.started, lost.unstarted, lost.expected) == ((), (), True)
        assert driver.until_ended(driver.give(slot, "say well"))[0].summary == "well"

    def test_a_slot_that_is_not_there_cannot_be_terminated(self, driver: Driver) -> None:
        """Nothing comes of it."""
        [slot] = driver.start(1)
        driver.pool.terminate(77, 15)

        assert driver.until_ended(driver.give(slot, "say well"))[0].summary == "well"
        assert not driver.of(SlotLost)

    # -- soft time limits ------------------------------------------------------------------

    @pytest.fixture
    def limited(self, driver: Driver) -> Driver:
        """Return a driver whose one slot, 0, keeps soft time limits."""
        driver.start(1)
        assert driver.pool.keeps_limits[1], "there is a way for each pool"
        return driver

    def test_a_soft_limit_is_raised_in_the_body(self, limited: Driver) -> None:
        """The body ends by it, and the slot goes on."""
        tokens = limited.give(0, "sleep 600 never", soft_s=0.1)
        tokens += limited.give(0, "say on")

        endings = limited.until_ended(tokens)
        assert [ending.summary for ending in endings] == ["soft limit", "on"]
        assert not limited.of(SlotLost)

    def test_a_body_may_go_on_after_its_soft_limit(self, limited: Driver) -> None:
        """It is raised once."""
        endings = limited.until_ended(limited.give(0, "stubborn 600 caught", soft_s=0.1))

        assert [ending.summary for ending in endings] == ["caught"]

    def test_a_soft_limit_that_is_not_reached_is_forgotten(self, limited: Driver) -> None:
        """It does not reach into the next job, with a limit or without."""
        tokens = limited.give(0, "sleep 0.01 a", soft_s=0.5)
        tokens += limited.give(0, "sleep 0.6 b")
        tokens += limited.give(0, "sleep 0.6 c", soft_s=30.0)

        endings = limited.until_ended(tokens)
        assert [ending.summary for ending in endings] == ["a", "b", "c"]

    def test_a_soft_limit_is_for_the_body_alone(self, limited: Driver) -> None:
        """What stands around the body may take longer."""
        endings = limited.until_ended(limited.give(0, "slow 0.6 done", soft_s=0.5))

        assert [ending.summary for ending in endings] == ["done"]

    def test_a_body_that_ends_at_its_soft_limit_ends_once(self, limited: Driver) -> None:
        """Whether in time or not, nothing of the limit is left over."""
        tokens: list[int] = []
        for round_ in range(60):
            tokens += limited.give(0, "sleep 0.01 done", soft_s=0.01 + (round_ % 12 - 6) * 0.0002)
            tokens += limited.give(0, "say done")

        endings = limited.until_ended(tokens)
        assert sorted(ending.token for ending in endings) == tokens
        assert Counter(ending.summary for ending in endings).keys() <= {"done", "soft limit"}
        assert not limited.of(SlotLost)
