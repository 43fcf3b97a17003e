"""Jobs that are called back."""

from __future__ import annotations

import pytest

from taskq.ports import Ending, JobsReturned, JobStarted, SlotLost
from taskq_testing.conformance.pool.rig import BUSY_S, Driver


class RecallSuite:
    """A job that was not begun comes back, once."""

    def test_what_a_slot_has_not_begun_can_be_recalled(self, driver: Driver) -> None:
        """``recall`` gives back what waits behind a body; that body ends as if nothing was."""
        [slot] = driver.start(1)
        running, *waiting = driver.give(
            slot, f"sleep {BUSY_S} on", "exit 3", "exit 3", announce=True
        )
        driver.until(lambda: bool(driver.of(JobStarted)))
        driver.pool.recall(slot)
        driver.until(lambda: bool(driver.of(JobsReturned)))

        assert driver.of(JobsReturned) == [JobsReturned(slot, tuple(waiting))]
        [ending] = driver.until_ended([running])
        assert (ending.summary, driver.of(SlotLost)) == ("on", [])

    def test_what_is_given_after_a_recall_runs(self, driver: Driver) -> None:
        """Only what was there is returned; the slot goes on with what follows."""
        [slot] = driver.start(1)
        running, waiting = driver.give(slot, f"sleep {BUSY_S} on", "say never", announce=True)
        driver.until(lambda: bool(driver.of(JobStarted)))
        driver.pool.recall(slot)
        after = driver.give(slot, "say after")
        driver.until(lambda: bool(driver.of(JobsReturned)))
        after += driver.give(slot, "say last")

        endings = driver.until_ended([running, *after])
        assert [ending.summary for ending in endings] == ["on", "after", "last"]
        assert driver.of(JobsReturned) == [JobsReturned(slot, (waiting,))]

    @pytest.mark.parametrize("slot", [0, 77])
    def test_a_slot_without_jobs_has_nothing_to_return(self, driver: Driver, slot: int) -> None:
        """An idle slot answers, and one that is not there, with nothing."""
        slots = driver.start(1)
        slot = slot or slots[0]
        driver.until_ended(driver.give(slots[0], "say well"))
        driver.pool.recall(slot)
        driver.until(lambda: bool(driver.of(JobsReturned)))

        assert driver.of(JobsReturned) == [JobsReturned(slot, ())]
        assert driver.until_ended(driver.give(slots[0], "say again"))[0].summary == "again"

    def test_each_recalled_job_ends_or_comes_back(self, driver: Driver) -> None:
        """Whenever a slot is asked, no job is lost, and none both ends and comes back."""
        slots = driver.start(driver.rig.slots)
        tokens: list[int] = []
        for round_ in range(1, 31):
            for slot in slots:
                tokens += driver.give(slot, *["say x"] * (round_ % 7), "sleep 0.001 x", "say x")
                if round_ % 2:
                    driver.collect()
                driver.pool.recall(slot)
            driver.until_came(JobsReturned, round_ * len(slots))
        returned = [token for event in driver.of(JobsReturned) for token in event.tokens]
        driver.until(lambda: len(driver.of(Ending)) + len(returned) >= len(tokens))

        ended = [ending.token for ending in driver.of(Ending)]
        assert sorted(ended + returned) == tokens
        assert not driver.of(SlotLost)
