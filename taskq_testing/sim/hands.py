"""What every end of a port has in common: whose it is, when others may come between.

Made by the world for each node, given to the node's broker end, store end and pool.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any, Final, Protocol

from taskq_testing.sim.link import Call, Link, Troubles
from taskq_testing.sim.scheduler import Scheduler
from taskq_testing.sim.trace import Trace

FIRST_PID: Final = 1000


class Say(Protocol):
    """Writes one record to the trace."""

    def __call__(self, what: str, **facts: Any) -> None:
        """Write; who watches for it acts before this returns."""


class Mischief(Protocol):
    """Something that happens in a body: it may wait, or raise, or do nothing."""

    def begin(self, task: str) -> None:
        """The body is about to begin."""

    def end(self, task: str) -> None:
        """The body has returned."""


class _Whole(AbstractContextManager[None]):
    """One step made of several; one object for all of a node, entered twice for each task."""

    def __init__(self, hands: Hands) -> None:
        self._hands = hands

    def __enter__(self) -> None:
        self._hands.begin_whole()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._hands.end_whole(act=kind is None)


class Hands:
    """Switch points, time and the trace, for one node."""

    def __init__(
        self,
        node: str,
        scheduler: Scheduler,
        trace: Trace,
        wall_s: Callable[[], float] | None = None,
        *,
        troubles: tuple[Troubles, Troubles] | None = None,  # of the broker, of the store
        mischief: dict[Mischief, None] | None = None,
    ) -> None:
        self.node = node
        of_broker, of_store = troubles or (None, None)
        self.link = Link(of_broker)
        self.store_link = Link(of_store)  # where the store is another server
        self.step_s = 0.0  # how long each step takes on a machine that is slow
        self.mischief = {} if mischief is None else mischief  # what happens in bodies
        self.wall_s = wall_s or scheduler.time.read  # the node's own clock
        self._scheduler = scheduler
        self._trace = trace
        self._undivided = 0
        self._whole = _Whole(self)
        self._late: list[Callable[[], None]] = []
        self._last_pid = FIRST_PID

    def pause(self) -> None:
        """Others may go first, and the caller may die here."""
        if not self._undivided:
            self._scheduler.pause()
            if self.step_s:
                self._scheduler.sleep(self.step_s)

    def go(self, link: Link, call: Call, size: int = 0, limit_s: float | None = None) -> None:
        """A request sets out: it may wait, be refused or get lost."""
        if not link.calm and not self._undivided:
            link.go(self, call, size, limit_s)

    def come(self, link: Link, call: Call) -> None:
        """Its reply comes back: it may wait or get lost."""
        if not link.calm and not self._undivided:
            link.come(self, call)

    def say(self, what: str, **facts: Any) -> None:
        """Write to the trace; who watches for it acts before this returns."""
        acts = self._trace.add(self._scheduler.time.now_s, self.node, what, facts)
        if not acts:
            return
        if self._undivided:
            self._late.extend(acts)  # a script on a server cannot be interrupted
        else:
            self._scheduler.interrupt(acts)

    def new_pid(self) -> int:
        """A number for one more process of this node."""
        self._last_pid += 1
        return self._last_pid

    def now_s(self) -> float:
        """The elapsed time of the world."""
        return self._scheduler.time.now_s

    def sleep(self, seconds: float) -> None:
        """Let virtual time pass."""
        self._scheduler.sleep(seconds)

    def begin_whole(self) -> None:
        """From here on nobody comes between."""
        self._undivided += 1

    def end_whole(self, *, act: bool) -> None:
        """From here on others may come between; first who watched for what happened, acts."""
        self._undivided -= 1
        if self._late and act:
            acts, self._late = self._late, []
            self._scheduler.interrupt(acts)

    def undivided(self) -> AbstractContextManager[None]:
        """Make several calls one step, as a script on the server would."""
        return self._whole

    def let_go(self) -> None:
        """The world is over: what was killed in it, and is kept for ever, keeps no trace of it."""
        self._trace = Trace()
