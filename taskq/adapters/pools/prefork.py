"""The prefork pool: a process for each slot, forked from the worker.

The runtime is the caller, from one thread.  Jobs travel to a child in batches, endings come back
in batches (``frames.py``).  Here is the port, and which slots there are to be; the rest is behind
it:

* ``lives.py``: the process behind each slot, started, ready, dead, started again;
* ``traffic.py``: jobs to the processes and news from them;
* ``handle.py``: the parent's end of one child; ``child.py``: the child;
* ``ledger.py``: what both see, also after the child's death.

The parent never waits for a child, except for idle ones in ``stop``.
"""

from __future__ import annotations

import signal as signals
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final

from taskq.adapters.pools.child import Limits
from taskq.adapters.pools.handle import signal_name
from taskq.adapters.pools.lives import Lives
from taskq.adapters.pools.report import NO_LIMITS, NOT_APPLICABLE, TimeLimits, report
from taskq.adapters.pools.slot import State, Word
from taskq.adapters.pools.traffic import Traffic
from taskq.errors import ImproperlyConfigured
from taskq.ports import Clock, Job, JobRunner, PoolEvent
from taskq.signals import worker_before_create_process

# How long ``stop`` waits for children that have nothing to do.
STOP_GRACE_S: Final = 2.0
# How often ``stop`` looks meanwhile, where the system does not tell of deaths.
LOOK_EVERY_S: Final = 0.05
# How often a death is asked for where the system does not tell.
ASK_EVERY_S: Final = 1.0


class PreforkPool:
    """Runs bodies in processes of its own."""

    def __init__(
        self,
        *,
        clock: Clock,
        alive_timeout_s: float = 4.0,
        max_tasks_per_child: int | None = None,
        max_memory_per_child: int | None = None,
        begin_child: Callable[[int], None] | None = None,
        start_method: str = "fork",
        timeouts: TimeLimits = NO_LIMITS,
    ) -> None:
        if start_method != "fork":
            raise ImproperlyConfigured(
                f"worker_pool_start_method: {start_method!r} is not there yet; use 'fork'"
            )
        self._limits = Limits(max_tasks_per_child, max_memory_per_child)
        self._lives = Lives(
            clock,
            self._limits,
            alive_timeout_s=alive_timeout_s,
            before_create=partial(worker_before_create_process.send, sender=self),
            begin_child=begin_child,
        )
        self._traffic = Traffic(self._lives)
        self._timeouts = timeouts
        self._run: JobRunner | None = None
        self._stopping = False

    # -- the port ------------------------------------------------------------------------------

    @property
    def watched(self) -> Sequence[int]:
        """One descriptor that stands for all children: epoll or kqueue can itself be watched."""
        return self._lives.watcher.descriptors

    @property
    def poll_s(self) -> float | None:
        """Until the next pause or patience is over; ask again before each wait."""
        lives = self._lives
        if lives.events:
            return 0.0
        waits = [ASK_EVERY_S] if lives.blind else []
        if (patience_s := self._traffic.patience_s) is not None:
            waits.append(patience_s)
        if lives.next_deadline_s is not None:
            waits.append(max(0.0, lives.next_deadline_s - lives.now_s()))
        return min(waits, default=None)

    @property
    def keeps_limits(self) -> tuple[bool, bool]:
        """Both: a process can be killed, and its main thread be interrupted."""
        return True, True

    def start(self, slots: int, run: JobRunner) -> None:
        """Fork the children."""
        assert self._run is None, "a pool is started once"
        self._run = run
        self.grow(slots)

    def submit(self, slot: int, jobs: Sequence[Job]) -> None:
        """Write the jobs to the child, or as much of them as its pipe takes now."""
        self._traffic.submit(slot, jobs)

    def recall(self, slot: int) -> None:
        """Mark what the child has not begun; ``collect`` says later what that was."""
        self._traffic.recall(slot)

    def collect(self) -> Sequence[PoolEvent]:
        """Read what children wrote, write what waits, see who died."""
        self._pump(0.0)
        events = list(self._lives.events)
        self._lives.events.clear()
        return events

    def grow(self, count: int = 1) -> None:
        """Add slots, under the lowest numbers that are free."""
        assert self._run is not None, "start() comes first"
        for _ in range(count):
            self._lives.open_slot(self._run)

    def shrink(self, count: int = 1) -> None:
        """Let slots go: those without work first, and of these the youngest."""
        staying = [slot for slot in self._lives.slots.values() if not slot.leaving]
        if count >= len(staying):
            raise ValueError(f"cannot take {count} of {len(staying)} slots; one has to stay")
        by_load = sorted(
            staying,
            key=lambda slot: (len(slot.child.account.tokens) if slot.child else -1, -slot.number),
        )
        for slot in by_load[:count]:
            self._lives.release(slot, "its slot was removed")

    def restart(self) -> None:
        """Let each child end when it has done what it was given; another one follows."""
        for slot in tuple(self._lives.slots.values()):
            if not slot.leaving:
                self._lives.renew(slot, "the pool restarts")

    def terminate(self, slot: int, signal: int) -> None:
        """Send a signal to a child; should it not die of it soon, SIGKILL."""
        place = self._lives.slots.get(slot)
        if place is None or place.child is None:
            return  # it is dead already, and its loss has been told
        self._lives.doom(place, f"terminated with {signal_name(signal)}", signal)

    def stop(self, *, at_once: bool = False) -> None:
        """Let every slot go; waits a little for children that have nothing to do."""
        self._stopping = True
        for slot in tuple(self._lives.slots.values()):
            if at_once and (slot.busy or slot.state is State.STARTING):
                slot.leaving = True
                self._lives.doom(slot, "the worker stops at once", signals.SIGKILL)
            elif not slot.leaving:
                self._lives.release(slot, "the worker stops")
        self._await_idle()

    def describe(self) -> Mapping[str, Any]:
        """Processes, limits, and how the work was spread."""
        pids = [child.pid for _, child in self._lives.children]
        slots = [slot for slot in self._lives.slots.values() if not slot.leaving]
        more = {
            "max-tasks-per-child": self._limits.max_tasks or NOT_APPLICABLE,
            "max-memory-per-child": self._limits.max_memory_kib or NOT_APPLICABLE,
            "start-method": "fork",
            "writes": self._traffic.spread(pids),
        }
        return report(self, slots=len(slots), pids=pids, timeouts=self._timeouts, **more)

    # -- one look ------------------------------------------------------------------------------

    def _pump(self, timeout_s: float) -> None:
        lives, traffic = self._lives, self._traffic
        if lives.watcher.closed:
            return
        gone = lives.blind
        for slot, child, word in lives.watcher.select(timeout_s):
            if word is Word.NEWS:
                traffic.read(slot, child)
            elif word is Word.ROOM:
                traffic.flush(slot, child)
            else:
                gone.append((slot, child))
        traffic.peek()
        traffic.answer_recalls()
        for slot, child in gone:
            if child.wait():
                traffic.read_last(slot, child)
                lives.bury(slot, child)
        lives.pass_deadlines()
        if self._stopping and not lives.slots:
            lives.watcher.close()

    def _await_idle(self) -> None:
        """See those off that have nothing to do, or were killed; not the busy ones."""
        until_s = self._lives.now_s() + STOP_GRACE_S
        while self._ending() and (left_s := until_s - self._lives.now_s()) > 0:
            self._pump(min(left_s, LOOK_EVERY_S))

    def _ending(self) -> bool:
        return any(not slot.busy or slot.state is State.DYING for slot, _ in self._lives.children)
