"""Picks what runs next, out of one stream of choices.

One thread, one heap keyed (time, priority, sequence).  What runs is a ``Process``: a greenlet
with a name and a place (the node that it belongs to).  A process runs until it reaches a switch
point (``pause``, ``sleep``, ``wait``); then the scheduler takes the next entry of the heap, and
moves time to it.  The priority of each entry is drawn from ``Choices``; that is the only thing
here that is left to chance.

Killing a process is ``drop``: it is never resumed and never collected, so that no ``finally`` and
no ``with`` of it runs, as after SIGKILL.

Owned here: the heap, time, which process runs.  Not owned: nodes, messages, patches.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from contextvars import Context
from enum import Enum, auto
from heapq import heappop, heappush
from typing import Any, Final

from greenlet import getcurrent, greenlet

from taskq_testing.sim.clock import Time
from taskq_testing.sim.randomness import Choices

# Greenlets of killed processes.  A suspended greenlet that is collected gets GreenletExit thrown
# into it, which would run its ``finally`` blocks; so they stay here until the interpreter ends
# (which runs nothing of them).  The price is their stack: some thirty kilobytes for each.
GRAVEYARD: Final[list[greenlet]] = []

# What was asked for at this very moment by a watcher comes before everything drawn.
_AT_ONCE: Final = -1


class Stuck(Exception):
    """Nothing can happen any more, and somebody still waits."""

    def __init__(self, waiting: list[str], now_s: float) -> None:
        super().__init__(waiting, now_s)
        self.waiting, self.now_s = waiting, now_s

    def __str__(self) -> str:
        listed = "\n".join(f"  {line}" for line in self.waiting)
        return f"at {self.now_s:g}s nothing can happen any more, but these wait:\n{listed}"


class Halt(Enum):
    """Why ``Scheduler.run`` came back."""

    QUIET = auto()  # nothing but housekeeping is to come
    LATE = auto()  # what comes next lies behind the time that was allowed
    TIRED = auto()  # as many steps as were allowed


class Process:
    """One greenlet under the scheduler."""

    __slots__ = ("entry", "essential", "gone", "greenlet", "idle", "name", "owner", "place",
                 "reads", "started", "thrown", "waits_for", "woken")  # fmt: skip

    def __init__(self, name: str, place: Any, owner: object) -> None:
        self.name = name
        self.place = place
        self.owner = owner  # what dies together: a node, or one slot of it
        self.greenlet: greenlet | None = None
        self.started = False
        self.gone = False  # ended or dropped
        self.entry = 0  # sequence number of its valid entry in the heap; 0: none
        self.essential = False  # whether that entry keeps the world from being quiet
        self.waits_for: str | None = None
        self.idle = False  # waits for work, which may never come
        self.woken = False  # its last wait was ended by ``wake``
        self.reads = 0  # looks at the clock since it was last resumed
        self.thrown: BaseException | None = None  # to be raised in it when it is resumed

    def __repr__(self) -> str:
        return f"<Process {self.name}>"


class Scheduler:
    """Runs processes in one thread, in an order that the choices decide."""

    def __init__(self, time: Time, choices: Choices) -> None:
        self.time = time
        self.choices = choices
        self.current: Process | None = None
        self.steps = 0
        self._hub = getcurrent()
        self._heap: list[tuple[float, int, int, Process]] = []
        self._sequence = 0
        self._essential = 0
        self._processes: dict[Process, None] = {}
        self._failure: BaseException | None = None
        self._interrupts: list[Callable[[], None]] = []
        self._frozen: dict[Any, float] = {}  # places and owners of which nothing runs, until when
        # Up to this step nobody looks between steps: who would be next goes on without a switch.
        self._express_until = 0

    # -- making and ending processes --------------------------------------------------------

    def spawn(
        self,
        name: str,
        run: Callable[[], None],
        *,
        place: Any,
        context: Context,
        owner: object = None,
        delay_s: float = 0.0,
        background: bool = False,
    ) -> Process:
        """Begin a process, now or later.  A background one does not keep the world awake."""
        process = Process(name, place, owner)
        process.greenlet = greenlet(lambda: self._body(process, run), self._hub)
        process.greenlet.gr_context = context
        self._processes[process] = None
        self._enter(process, self.time.now_s + max(delay_s, 0.0), essential=not background)
        return process

    def drop(self, process: Process) -> None:
        """Kill: it is never resumed, and none of its ``finally`` blocks runs.

        Whoever drops the process that runs calls ``leave_if_gone`` when all is said.
        """
        if process.gone:
            return
        self._forget_entry(process)
        process.gone = True
        self._processes.pop(process, None)
        if process.started and process.greenlet is not None:
            GRAVEYARD.append(process.greenlet)
        process.greenlet = None

    def drop_all(self, owner: object) -> None:
        """Kill everything that belongs to something."""
        for process in self.processes:
            if process.owner is owner:
                self.drop(process)

    def leave_if_gone(self) -> None:
        """End here, if the process that runs was dropped."""
        if self.current is not None and self.current.gone:
            self._hub.switch()
            raise AssertionError("a dropped process was resumed")

    def unwind(self, process: Process) -> None:
        """End a process of the harness itself in an orderly way, when the world is closed."""
        self._forget_entry(process)
        process.gone = True
        self._processes.pop(process, None)
        if process.started and process.greenlet is not None:
            process.greenlet.throw()
        process.greenlet = None

    def throw(self, process: Process, error: BaseException) -> None:
        """Raise an error in a process at the switch point where it waits."""
        process.thrown = error
        self.wake(process)

    def freeze(self, whose: Any, until_s: float) -> None:
        """Nothing of a place, or of an owner, runs for a while; what it waits for comes late."""
        self._frozen[whose] = until_s

    def _thaws_at_s(self, process: Process, at_s: float) -> float:
        frozen = self._frozen
        return max(frozen.get(process.place, at_s), frozen.get(process.owner, at_s), at_s)

    # -- what processes call ------------------------------------------------------------------

    def pause(self) -> None:
        """Let others go first, if the choices say so."""
        process = self.current
        if process is None:
            return
        if process.gone:
            self.leave_if_gone()
        rank = self.choices.draw()
        if self.steps < self._express_until and self._comes_first(rank):
            self.steps += 1
            process.reads = 0
            return
        self._enter_with(process, self.time.now_s, rank, essential=True)
        self._switch_out(process)

    def sleep(self, seconds: float) -> None:
        """Let virtual time pass."""
        process = self.current
        if process is None:
            self.run_for(seconds)
            return
        process.waits_for = f"{seconds:g}s of sleep to pass"
        self._enter(process, self.time.now_s + max(seconds, 0.0), essential=True)
        self._switch_out(process)

    def wait(
        self, what: str, until_s: float | None = None, *, idle: bool = False, alarm: bool = True
    ) -> bool:
        """Wait to be woken; False if the time came first.

        ``idle``: it waits for work, so it may wait for ever.  ``alarm=False``: what it will do
        at ``until_s`` is housekeeping, which does not keep the world awake.
        """
        process = self.current
        assert process is not None, "only a process can wait"
        process.waits_for, process.idle, process.woken = what, idle, False
        if until_s is not None:
            self._enter(process, max(until_s, self.time.now_s), essential=alarm)
        self._switch_out(process)
        return process.woken

    def wake(self, process: Process) -> None:
        """End somebody's ``wait``."""
        if process.gone or process.waits_for is None:
            return
        self._forget_entry(process)
        process.waits_for, process.woken = None, True
        self._enter(process, self.time.now_s, essential=True)

    def interrupt(self, acts: list[Callable[[], None]]) -> None:
        """Do something outside of all processes before anything else happens."""
        self._interrupts.extend(acts)
        process = self.current
        if process is not None:
            self._enter_with(process, self.time.now_s, _AT_ONCE, essential=True)
            self._switch_out(process)

    # -- what runs the world --------------------------------------------------------------

    @property
    def quiet(self) -> bool:
        """Nothing will happen but housekeeping."""
        return self._essential == 0 and not self._interrupts

    def run(self, end_s: float, most: int) -> Halt:
        """Take steps until nothing but housekeeping is to come."""
        last = self._express_until = self.steps + most
        try:
            while self._essential or self._interrupts:
                if self.steps >= last:
                    return Halt.TIRED
                at_s = self.next_at_s()
                if at_s is not None and at_s > end_s and not self._interrupts:
                    return Halt.LATE
                self.step()
        finally:
            self._express_until = 0
        return Halt.QUIET

    def step(self) -> bool:
        """Run one process up to its next switch point; False if there is nothing to run."""
        if self.current is not None:
            raise RuntimeError(
                f"{self.current.name} tried to run the world that it runs in; only the test "
                "itself can do that (in a body, sleep or wait for a result instead)"
            )
        if self._interrupts:
            self._run_interrupts()
        process = self._next()
        if process is None:
            return False
        self._resume(process)
        if self._interrupts:
            self._run_interrupts()
        return True

    def next_at_s(self) -> float | None:
        """When the next thing happens."""
        heap = self._heap
        while heap and heap[0][3].entry != heap[0][2]:
            heappop(heap)
        return heap[0][0] if heap else None

    def run_for(self, seconds: float) -> None:
        """Let everything happen that happens within a time."""
        self.run_until_s(self.time.now_s + max(seconds, 0.0))

    def run_until_s(self, end_s: float) -> None:
        """Let everything happen up to a moment, and go there."""
        while self._interrupts or ((at := self.next_at_s()) is not None and at <= end_s):
            self.step()
        self.time.now_s = max(self.time.now_s, end_s)

    def stuck(self) -> list[str]:
        """Who waits for something that will not come by itself."""
        return [
            f"{process.name} waits for {process.waits_for}"
            for process in self._processes
            if process.waits_for is not None and not process.idle and not process.entry
        ]

    @property
    def processes(self) -> list[Process]:
        """All that live, in the order in which they were made."""
        return list(self._processes)

    def let_go(self) -> None:
        """The world is over."""
        self._heap.clear()
        self._processes.clear()
        self._frozen.clear()
        self.choices = Choices(0, [])

    # -- inside ---------------------------------------------------------------------------

    def _body(self, process: Process, run: Callable[[], None]) -> None:
        try:
            run()
        except BaseException as error:  # noqa: BLE001 - goes on in step(), where the test is
            if not process.gone:
                self._failure = error
        process.gone = True
        process.greenlet = None
        self._processes.pop(process, None)

    def _enter(self, process: Process, at_s: float, *, essential: bool) -> None:
        self._enter_with(process, at_s, self.choices.draw(), essential=essential)

    def _enter_with(self, process: Process, at_s: float, rank: int, *, essential: bool) -> None:
        self._sequence = sequence = self._sequence + 1
        process.entry = sequence
        process.essential = essential
        self._essential += essential
        heappush(self._heap, (at_s, rank, sequence, process))

    def _comes_first(self, rank: int) -> bool:
        """Whether whoever enters now, with this rank, would be next."""
        heap = self._heap
        if not heap:
            return True
        # An entry that is not valid any more only makes the answer too careful.
        at_s, first, _, _ = heap[0]
        now_s = self.time.now_s
        return now_s < at_s or (now_s == at_s and rank < first)

    def _forget_entry(self, process: Process) -> None:
        if process.entry:
            self._essential -= process.essential
            process.entry = 0

    def _next(self) -> Process | None:
        heap = self._heap
        while heap:
            at_s, rank, sequence, process = heappop(heap)
            if process.entry == sequence:
                thaws_at_s = self._thaws_at_s(process, at_s) if self._frozen else at_s
                if thaws_at_s > at_s:
                    heappush(heap, (thaws_at_s, rank, sequence, process))
                    continue
                self._forget_entry(process)
                self.time.now_s = max(self.time.now_s, at_s)
                return process
        return None

    def _resume(self, process: Process) -> None:
        self.steps += 1
        self.current = process
        process.waits_for, process.idle, process.started = None, False, True
        process.reads = 0
        assert process.greenlet is not None
        try:
            _switch_without_loop(process.greenlet)
        finally:
            self.current = None
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure

    def _switch_out(self, process: Process) -> None:
        _switch_without_loop(self._hub)
        if process.thrown is not None:
            error, process.thrown = process.thrown, None
            raise error

    def _run_interrupts(self) -> None:
        while self._interrupts:
            self._interrupts.pop(0)()


def _switch_without_loop(there: greenlet) -> None:
    """Switch, and take asyncio's mark of the running loop off the thread meanwhile."""
    running = asyncio._get_running_loop()  # noqa: SLF001 - documented for those who write loops
    if running is None:
        there.switch()
        return
    hooks = sys.get_asyncgen_hooks()
    asyncio._set_running_loop(None)  # noqa: SLF001 - as above
    sys.set_asyncgen_hooks(None, None)
    try:
        there.switch()
    finally:
        asyncio._set_running_loop(running)  # noqa: SLF001 - as above
        sys.set_asyncgen_hooks(*hooks)
