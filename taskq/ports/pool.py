"""The pool: jobs, what becomes of them, and where their bodies run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Protocol, TypeAlias, runtime_checkable

from taskq.ports.messages import Outgoing
from taskq.ports.results import ChordGrowth, ChordPart, ResultRecord


@dataclass(frozen=True, slots=True)
class Job:
    """One delivery on its way to a slot.  Small and plain: it crosses a pipe."""

    token: int
    headers: Mapping[str, Any]
    body: bytes
    content_type: str
    content_encoding: str
    properties: Mapping[str, Any]
    delivery_info: Mapping[str, Any]  # exchange, routing_key, priority, redelivered
    time_limit_s: float | None = None
    soft_time_limit_s: float | None = None
    announce: bool = False  # the pool says ``JobStarted`` when the body begins


class EndingKind(Enum):
    """How a body, or the attempt to run it, ended.  ``core.outcome`` says what follows."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    RETRIED = "retried"
    IGNORED = "ignored"
    REJECTED = "rejected"
    REQUEUED = "requeued"  # Reject(requeue=True)
    REPEATED = "repeated"  # its result is there already, so its body is not run again
    REPLACED = "replaced"  # another message of the same id takes its place
    TIMED_OUT = "timed out"  # the hard limit
    REVOKED = "revoked"  # by command, or expired
    LOST = "lost"  # its process is gone
    UNKNOWN = "unknown"  # no task of that name
    MALFORMED = "malformed"  # the body cannot be decoded, or is no task


@dataclass(frozen=True, slots=True)
class Ending:
    """What a slot says of a job.  Follow-ups and result are ready to be sent."""

    token: int
    kind: EndingKind
    runtime_s: float = 0.0
    result: ResultRecord | None = None  # None: nothing is stored
    follow_ups: tuple[Outgoing, ...] = ()
    chord: ChordPart | None = None  # None: in no chord, or its error has been dealt with
    summary: str = ""  # the result's or the exception's repr, bounded
    traceback: str = ""
    expected: bool = False  # a failure that the task declares in ``throws``
    growth: ChordGrowth | None = None  # of its chord, by members that are among the follow-ups


@dataclass(frozen=True, slots=True)
class JobStarted:
    """The body of a job begins."""

    token: int
    pid: int


@dataclass(frozen=True, slots=True)
class SlotLost:
    """The process or thread behind a slot is gone, with all that it had been given."""

    slot: int
    started: tuple[int, ...]  # tokens whose body had begun and not ended
    unstarted: tuple[int, ...]  # tokens whose body had not begun
    reason: str
    expected: bool = False  # the worker itself ended it (recycled, terminated, limit)


@dataclass(frozen=True, slots=True)
class JobsReturned:
    """The answer to ``recall``: what the slot had not begun, and never begins.  May be empty."""

    slot: int
    tokens: tuple[int, ...]  # in the order in which they were given


@dataclass(frozen=True, slots=True)
class SlotReady:
    """A slot can take jobs."""

    slot: int
    pid: int


PoolEvent: TypeAlias = Ending | JobStarted | JobsReturned | SlotLost | SlotReady


class Pool(Protocol):
    """Where bodies run.  A slot runs one job at a time, in the order in which it got them."""

    @property
    def watched(self) -> Sequence[int]:
        """File descriptors that become readable when ``collect`` may have something."""

    @property
    def poll_s(self) -> float | None:
        """When to call ``collect`` though nothing became readable; None: never.

        Asked before each wait, as ``watched`` is: what a pool waits for changes.
        """

    @property
    def keeps_limits(self) -> tuple[bool, bool]:
        """Whether it keeps hard and soft time limits.

        Hard: ``terminate`` ends any body, or gives it up and goes on without it.  Soft: the pool
        raises ``SoftTimeLimitExceeded`` in the body when its time is over; see ``Guard``.
        """

    def start(self, slots: int, run: JobRunner) -> None:
        """Make slots; each is usable when its ``SlotReady`` has come.

        ``run(job)`` never raises an ``Exception``.  A pool that can await uses
        ``run.awaitable(job)`` where ``run.is_async(job)`` says so.  A job with a soft time limit
        is run with a ``Guard``, where the pool keeps such limits.
        """

    def submit(self, slot: int, jobs: Sequence[Job]) -> None:
        """Give jobs to a slot; never waits for it.

        A slot that is not there, or is about to go, gives them back as ``SlotLost.unstarted``.
        """

    def recall(self, slot: int) -> None:
        """Ask a slot to give back what it has not begun; never waits for it.

        ``JobsReturned`` follows; should the slot be lost before, its ``SlotLost.unstarted``
        takes the place of it.  Asked again before it has answered, a slot may answer once.
        A body that has begun is never returned, and a returned one never begins there.  What
        is submitted after this is not recalled.
        """

    def collect(self) -> Sequence[PoolEvent]:
        """Return what happened since the last call; never waits."""

    def grow(self, count: int = 1) -> None:
        """Add slots."""

    def shrink(self, count: int = 1) -> None:
        """Remove slots, idle ones first; a busy one goes when its job ends.

        Each that is gone is told as ``SlotLost``, expected, and no ``SlotReady`` follows.
        """

    def restart(self) -> None:
        """Replace each slot by a new one: idle ones now, a busy one when its jobs have ended.

        Each is told as ``SlotLost``, expected, and ``SlotReady``.  What is submitted to a slot
        that is about to be replaced may come back as ``SlotLost.unstarted``.
        """

    def terminate(self, slot: int, signal: int) -> None:
        """End a slot at once; ``SlotLost``, expected, follows, then a new slot's ``SlotReady``.

        A body in the pool's own process is raised in; one that does not end of it soon is given
        up: it may go on, but what becomes of it is told nobody.  A pool that cannot end the body
        logs that, and nothing follows.
        """

    def stop(self, *, at_once: bool = False) -> None:
        """No job follows.  Idle slots end; with ``at_once`` busy ones are killed.

        Told as in ``shrink``; a slot that cannot be killed is given up, and no more is heard of it.
        """

    def describe(self) -> Mapping[str, Any]:
        """What ``inspect stats`` shows."""


class Guard(Protocol):
    """Lets the pool into the body of one job, and nowhere else; used by the runner.

    Between ``arm`` and ``disarm`` the pool may raise ``SoftTimeLimitExceeded`` at any point of
    the thread that armed, once, and what ends a slot (no ``Exception``).  So between the two
    stands the body and nothing else, and the runner expects both in the calls of both as well:
    they may come when the body has just ended.  After ``disarm`` has returned, nothing comes.

    A coroutine is not armed: nothing may be raised in the midst of its loop.  Its soft limit is
    raised by the runner, which says so by ``passed``; see ``CancelsCoroutines`` for its end.
    """

    def arm(self) -> None:
        """The body begins: the limit counts from here."""

    def disarm(self) -> None:
        """The body has ended; may be called again."""

    def passed(self) -> None:
        """The runner itself has found the limit passed, in a coroutine, and has raised there."""


@runtime_checkable
class CancelsCoroutines(Guard, Protocol):
    """A guard through which a pool ends coroutines, on loops that the runner runs."""

    def awaits(self, cancel: Callable[[], object] | None) -> None:
        """A coroutine runs, and this function cancels it, from any thread; None: it has ended.

        Called on the loop.  A pool that was asked to end it before cancels it now.
        """


class JobRunner(Protocol):
    """What a pool calls to run a job."""

    def __call__(self, job: Job, guard: Guard | None = None) -> Ending:
        """Run it here and now; a coroutine is run to its end on a loop of this thread."""

    def begin_process(self) -> None:
        """Called once in each new process of a pool, before its first job."""

    def end_process(self, exitcode: int) -> None:
        """Called once in each process of a pool that ends by itself, after its last job."""

    def is_async(self, job: Job) -> bool:
        """Whether its body is a coroutine function."""

    async def awaitable(self, job: Job, guard: Guard | None = None) -> Ending:
        """Run it on the caller's loop.

        Its soft limit is kept by the runner, which raises at the next await of the body; of the
        guard it calls ``passed`` alone.
        """
