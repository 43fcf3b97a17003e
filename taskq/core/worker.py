"""Decides what a worker does next.  Does none of it.

``WorkerCore.handle(input, now)`` returns the effects that follow: acknowledge this, start that.
``wake_at`` says when it wants to be called again though nothing happened.  A driver carries the
effects out, in order, and reports back:

* in production ``taskq.runtime.worker`` reads the broker, the pool and the real clock;
* in a test ``taskq_testing.sim`` reads models, a seed and a clock that jumps.

Here the rooms of a worker are put together: which of them hears of an input, and who looks after
each input whether something is due.  All share one ``House``; what each does stands in its file.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from taskq.core.admission import Admission
from taskq.core.delivery import Stage
from taskq.core.effects import Commit, Effect, Finish, Level, Say
from taskq.core.ending import Endings
from taskq.core.foresight import Foresight
from taskq.core.handing import Handing
from taskq.core.house import LETS_RUN, WAITING, House
from taskq.core.inputs import (
    AutoscaleSet,
    Buried,
    ClusterSized,
    Connected,
    Delivered,
    Disconnected,
    EventsSet,
    Happened,
    Input,
    LeaseLost,
    PoolRestartAsked,
    PoolSized,
    RateLimited,
    Revoked,
    Stop,
    StopAsked,
    TimeLimited,
    Woke,
)
from taskq.core.killing import SIGKILL, Killing
from taskq.core.limits import Limits
from taskq.core.losing import Losing
from taskq.core.options import WorkerOptions
from taskq.core.rates import NEVER
from taskq.core.receiving import Receiving
from taskq.core.revoking import Revoking
from taskq.core.sizing import Sizing
from taskq.core.slots import Slot
from taskq.core.stopping import Stopping
from taskq.core.traits import TaskTraits
from taskq.core.tuning import Tuning
from taskq.core.views import TaskView, totals_of, views_of
from taskq.core.window import Window
from taskq.ports import (
    Ending,
    Job,
    JobsReturned,
    JobStarted,
    PoolEvent,
    Reading,
    Revocation,
    SlotLost,
    SlotReady,
)

Handler = Callable[[Any, list[Effect]], None]


class WorkerCore:
    """A worker, without its hands."""

    def __init__(self, options: WorkerOptions, traits: Callable[[str], TaskTraits | None]) -> None:
        house = self._house = House(options)
        admission = Admission(options, traits)
        self._traits = traits
        self._limits = Limits(house)
        self._handing = Handing(house, self._limits)
        self._killing = Killing(house, self._handing)
        self._losing = Losing(house, self._handing, self._killing)
        self._endings = Endings(house)
        self._sizing = Sizing(house)
        self._window = Window(house)
        self._foresight = Foresight(house, traits)
        self._stopping = Stopping(house)
        self._receiving = Receiving(house, admission)
        self._revoking = Revoking(house, self._handing, self._killing)
        tuning = Tuning(house, admission)
        self._handlers: dict[type[Any], Handler] = {
            Delivered: self._receiving.delivered,
            Happened: self._happened,
            Woke: self._woke,
            Connected: self._connected,
            Disconnected: self._losing.disconnected,
            LeaseLost: self._losing.lease_lost,
            Buried: self._receiving.buried,
            StopAsked: self._stopping.asked,
            Revoked: self._revoking.revoked,
            RateLimited: tuning.rate_limited,
            TimeLimited: tuning.time_limited,
            ClusterSized: tuning.cluster_sized,
            EventsSet: tuning.events_set,
            PoolSized: self._sizing.pool_sized,
            AutoscaleSet: self._sizing.autoscale_set,
            PoolRestartAsked: self._sizing.restart_asked,
        }

    # -- what a driver calls --------------------------------------------------------------

    def handle(self, happened: Input, now: Reading) -> list[Effect]:
        """Say what follows from one input."""
        self._house.now = now
        effects: list[Effect] = []
        self._handlers[type(happened)](happened, effects)
        if self._house.stopping is None:
            self._go_on(effects)
        else:
            self._go_home(effects)
        return effects

    def _go_on(self, effects: list[Effect]) -> None:
        house = self._house
        given: list[Effect] = []
        self._handing.hand_out(effects, given)
        self._sizing.adjust(effects)
        if house.options.exact_prefetch:
            # First, so that the broker does not fill the places of what is claimed.
            self._window.adjust(self._sizing.size, effects)
            effects += given
        else:
            effects += given
            self._window.adjust(self._sizing.size, effects)
        self._foresight.look(effects)
        self._end_what_hangs(effects, leaving=False)

    def _go_home(self, effects: list[Effect]) -> None:
        lets_run = self._house.stopping in LETS_RUN
        if lets_run:
            self._handing.hand_out(effects, effects)  # what is claimed and came back from a slot
        self._stopping.look(effects)
        if lets_run and not self._stopping.exited:
            self._end_what_hangs(effects, leaving=True)

    def _end_what_hangs(self, effects: list[Effect], *, leaving: bool) -> None:
        self._handing.recall_overdue(effects, leaving=leaving)
        for entry in self._limits.over():
            self._killing.end(entry, SIGKILL, effects)
        self._killing.look(effects)

    @property
    def wake_at(self) -> float | None:
        """When to send ``Woke``, on the clock of ``Reading.elapsed_s``."""
        house, at_s = self._house, self._stopping.next_s
        if house.stopping is None:
            at_s = min(house.held.next_s, house.rates.next_s, self._sizing.next_s)
        if house.stopping is None or house.stopping in LETS_RUN:
            at_s = min(at_s, self._handing.recall_at_s, self._limits.next_s, self._killing.next_s)
        return None if at_s == NEVER or self._stopping.exited else at_s

    @property
    def takes(self) -> bool:
        """Whether messages are wanted at all."""
        return self._house.stopping is None and not self._window.closed

    # -- what others may look at ----------------------------------------------------------

    @property
    def active(self) -> Sequence[Job]:
        """What was given to slots and has not ended."""
        return [e.job for e in self._house.entries.values() if e.stage is Stage.RUNNING]

    @property
    def waiting(self) -> Sequence[Job]:
        """What waits for a slot or for its time."""
        return [e.job for e in self._house.entries.values() if e.stage in WAITING]

    @property
    def processed(self) -> int:
        """How many have ended here."""
        return self._endings.processed

    @property
    def stopping(self) -> Stop | None:
        """How it is about to end; None: it is not."""
        return self._house.stopping

    @property
    def events(self) -> bool:
        """Whether monitors are told of each task."""
        return self._house.teller.events

    @property
    def prefetch(self) -> int:
        """How many deliveries may be open at once; 0 means any number."""
        return self._window.count or 0

    @property
    def slots(self) -> Mapping[int, int]:
        """Slot -> pid."""
        return {slot.number: slot.pid for slot in self._house.slots.values()}

    @property
    def autoscale(self) -> tuple[int, int] | None:
        """Most and least slots; None: the pool is not scaled by itself."""
        scale = self._sizing.autoscale
        return None if scale is None else (scale.most, scale.least)

    @property
    def revocations(self) -> tuple[Revocation, ...]:
        """What was revoked, the oldest first.  The same object until something changes."""
        return self._house.revocations.snapshot(self._house.now)

    @property
    def totals(self) -> Mapping[str, int]:
        """Task -> how many have begun here."""
        return totals_of(self._house)

    def rate(self, task: str) -> str | float | None:
        """Return the rate limit of a task as it was said; None: none."""
        traits = self._traits(task)
        return self._house.rates.said(task, None if traits is None else traits.rate_limit)

    def views(self) -> tuple[TaskView, ...]:
        """Return what this worker has, for those who look into it."""
        return views_of(self._house)

    # -- news -----------------------------------------------------------------------------

    def _happened(self, happened: Happened, effects: list[Effect]) -> None:
        finished: list[Finish] = []
        said: list[Effect] = []
        for event in happened.events:
            if type(event) is Ending:
                self._endings.ended(event, finished, said)
            else:
                self._slot_news(event, effects)
        if finished:
            effects.append(Commit(tuple(finished)))
        effects.extend(said)

    def _slot_news(self, event: PoolEvent, effects: list[Effect]) -> None:
        house = self._house
        if isinstance(event, SlotReady):
            house.slots[event.slot] = Slot(event.slot, event.pid)
            self._sizing.slot_came()
        elif isinstance(event, SlotLost):
            self._losing.slot_lost(event, effects)
        elif isinstance(event, JobsReturned):
            self._losing.jobs_returned(event, effects)
        else:
            assert isinstance(event, JobStarted), "endings are told apart before"
            entry = house.entries.get(event.token)
            if entry is not None:
                house.teller.started(entry, effects)

    def _woke(self, _: Woke, effects: list[Effect]) -> None:
        self._receiving.look(effects)

    def _connected(self, happened: Connected, effects: list[Effect]) -> None:
        effects.append(Say(Level.INFO, "broker connected"))
        if happened.parks and not self._house.parks:
            self._revoking.unpark(self.revocations, effects)  # what was known before
        self._house.parks = happened.parks
        self._window.connected()
