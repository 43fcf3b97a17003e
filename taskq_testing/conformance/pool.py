# ruff: noqa: PLR2004 - the suite is tests: counts of what was done a line above
"""What every pool promises, as tests; each adapter and its simulated twin passes them.

A test file makes a class of ``PoolSuite`` and gives it a ``rig``: the pool, and how time passes
while it works.  ``ScriptedRunner`` is what the pool runs: the body of a job says what it does.

==================  =========================================================================
body                what it does
==================  =========================================================================
``say x``           succeeds; its summary is ``x``
``sleep 0.2 x``     sleeps first
``raise``           fails; the runner makes the ending of it, as the real one does
``exit 3``          raises ``SystemExit(3)``, which ends the process that it runs in
``async 0.2 x``     is a coroutine function that sleeps first
``remember x``      says which values ran in this context before, then leaves its own behind
``async-remember``  the same, as a coroutine function
==================  =========================================================================
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final, Protocol, TypeVar

import pytest

from taskq.ports import (
    Clock,
    Ending,
    EndingKind,
    Job,
    JobsReturned,
    JobStarted,
    Pool,
    PoolEvent,
    SlotLost,
    SlotReady,
)

# Long enough that a pool is busy when it is looked at; short enough to be waited for.
BUSY_S: Final = 0.2
# A pool that has not done its work by then has failed.
PATIENCE_S: Final = 20.0

_seen: Final[ContextVar[str]] = ContextVar("seen", default="nothing")
E_ = TypeVar("E_", bound=PoolEvent)


class Rig(Protocol):
    """A pool that is not started, and its world."""

    pool: Pool
    clock: Clock
    slots: int  # how many it may have at most
    resizes: bool  # whether it grows and shrinks
    ends_bodies: bool  # whether ``terminate`` ends any body

    def wait(self, seconds: float | None) -> None:
        """Let time pass until the pool may have news, and not longer than that."""


@dataclass(frozen=True, slots=True)
class ScriptedRunner:
    """Does what the body of a job says."""

    sleep: Callable[[float], None]

    def __call__(self, job: Job) -> Ending:
        """Run here and now."""
        verb, _, rest = job.body.decode().partition(" ")
        if verb.startswith("async"):
            return asyncio.run(self._coroutine(job, verb, rest))
        if verb == "sleep":
            seconds, _, rest = rest.partition(" ")
            self.sleep(float(seconds))
        elif verb == "raise":
            return Ending(job.token, EndingKind.FAILED, summary="ValueError()")
        elif verb == "exit":
            raise SystemExit(int(rest))
        elif verb == "remember":
            rest = _remember(rest)
        return Ending(job.token, EndingKind.SUCCEEDED, summary=rest)

    def begin_process(self) -> None:
        """Nothing to prepare."""

    def end_process(self, exitcode: int) -> None:
        """Nothing to put away."""

    def is_async(self, job: Job) -> bool:
        """Whether the body is a coroutine function."""
        return job.body.startswith(b"async")

    async def awaitable(self, job: Job) -> Ending:
        """Run on the caller's loop."""
        verb, _, rest = job.body.decode().partition(" ")
        return await self._coroutine(job, verb, rest)

    async def _coroutine(self, job: Job, verb: str, rest: str) -> Ending:
        if verb == "async-remember":
            rest = _remember(rest)
        else:
            seconds, _, rest = rest.partition(" ")
            await asyncio.sleep(float(seconds))
        return Ending(job.token, EndingKind.SUCCEEDED, summary=rest)


def _remember(value: str) -> str:
    before = _seen.get()
    _seen.set(value)
    return before


class Driver:
    """Plays the runtime: gives jobs, collects, and keeps all that it was told."""

    def __init__(self, rig: Rig) -> None:
        self.rig, self.pool = rig, rig.pool
        self.events: list[PoolEvent] = []
        self._token = 0

    def start(self, slots: int) -> list[int]:
        """Start the pool; returns the numbers of its slots when they are ready."""
        self.pool.start(slots, ScriptedRunner(self.rig.clock.sleep))
        self.until(lambda: len(self.of(SlotReady)) >= slots)
        return [event.slot for event in self.of(SlotReady)]

    def give(self, slot: int, *bodies: str, announce: bool = False) -> list[int]:
        """Submit one batch; returns its tokens."""
        jobs = [self._job(body, announce=announce) for body in bodies]
        self.pool.submit(slot, jobs)
        return [job.token for job in jobs]

    def collect(self) -> None:
        """Look once."""
        self.events += self.pool.collect()

    def until(self, happened: Callable[[], bool]) -> None:
        """Collect until something has happened; fail when it does not."""
        end_s = self.rig.clock.read().elapsed_s + PATIENCE_S
        self.collect()
        while not happened():
            left_s = end_s - self.rig.clock.read().elapsed_s
            assert left_s > 0, f"waited {PATIENCE_S} s; what came: {self.events}"
            poll_s = self.pool.poll_s
            self.rig.wait(left_s if poll_s is None else min(poll_s, left_s))
            self.collect()

    def until_came(self, kind: type[PoolEvent], count: int) -> None:
        """Collect until so many events of one kind have come."""
        self.until(lambda: len(self.of(kind)) >= count)

    def until_ended(self, tokens: Sequence[int]) -> list[Ending]:
        """Return the endings of some jobs, in the order in which they came."""
        wanted = set(tokens)
        self.until(lambda: wanted <= {ending.token for ending in self.of(Ending)})
        return [ending for ending in self.of(Ending) if ending.token in wanted]

    def of(self, kind: type[E_]) -> list[E_]:
        """Return the events of one kind."""
        return [event for event in self.events if isinstance(event, kind)]

    def _job(self, body: str, *, announce: bool) -> Job:
        self._token += 1
        headers = {"task": body.partition(" ")[0], "id": f"id-{self._token}"}
        content = ("application/json", "utf-8")
        return Job(self._token, headers, body.encode(), *content, {}, {}, announce=announce)


class PoolSuite:
    """The promises.  A subclass has a fixture ``rig``."""

    @pytest.fixture
    def driver(self, rig: Rig) -> Driver:
        """Return what plays the runtime."""
        return Driver(rig)

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

    def test_a_terminated_slot_comes_back(self, driver: Driver) -> None:
        """``terminate`` loses the running job, returns the waiting one, and makes a new slot."""
        [slot] = driver.start(1)
        running, waiting = driver.give(slot, "async 600 never", "say later", announce=True)
        if not driver.rig.ends_bodies:
            return
        driver.until(lambda: bool(driver.of(JobStarted)))
        driver.pool.terminate(slot, 15)
        driver.until(lambda: len(driver.of(SlotReady)) == 2)

        [lost] = driver.of(SlotLost)
        assert (lost.started, lost.unstarted, lost.expected) == ((running,), (waiting,), True)

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
