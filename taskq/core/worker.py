"""Decides what a worker does next.  Does none of it.

``WorkerCore.handle(input, now)`` returns the effects that follow: acknowledge this, start that.
``wake_at`` says when it wants to be called again though nothing happened.  A driver carries the
effects out, in order, and reports back:

* in production ``taskq.runtime.worker`` reads the broker, the pool and the real clock;
* in a test ``taskq_testing.sim`` reads models, a seed and a clock that jumps.

Owned here: what waits for slots, the stage of every delivery (``delivery.py`` has the table).
Not owned: what an ending means for the broker (``outcome.py``), how much to take and to hand out
at once (``pace.py``), when a batch is called back (``slots.py``), what a message says beyond its
headers (``app.work``).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Final

from taskq.core.admission import Admission, BadTimeError
from taskq.core.delivery import Entry, Event, Stage
from taskq.core.effects import (
    Commit,
    Conclude,
    Effect,
    Exit,
    Finish,
    Level,
    Recall,
    Run,
    Say,
    SetPrefetch,
    Settle,
    StopPool,
)
from taskq.core.held import Held
from taskq.core.inputs import (
    Buried,
    Connected,
    Delivered,
    Disconnected,
    Happened,
    Input,
    LeaseLost,
    Stop,
    StopAsked,
    Woke,
)
from taskq.core.options import WorkerOptions
from taskq.core.outcome import redelivers_after_loss, verdict
from taskq.core.pace import Pace, prefetch_count
from taskq.core.slots import Slot
from taskq.core.telling import Teller
from taskq.core.traits import TaskTraits
from taskq.ports import (
    Delivery,
    Ending,
    EndingKind,
    Job,
    JobsReturned,
    JobStarted,
    Malformed,
    PoolEvent,
    Reading,
    Settlement,
    SlotLost,
    SlotReady,
    Verdict,
)

# What of a body that is no message goes into the log.
SHOWN_BYTES: Final = 200


class WorkerCore:
    """A worker, without its hands."""

    def __init__(self, options: WorkerOptions, traits: Callable[[str], TaskTraits | None]) -> None:
        self._options = options
        self._admission = Admission(options, traits)
        self._teller = Teller(options)
        self._pace = Pace(options.dispatch_budget_s)
        self._entries: dict[int, Entry] = {}
        self._held = Held()
        self._ready: deque[int] = deque()
        self._slots: dict[int, Slot] = {}
        self._recall_at_s: float | None = None
        self._prefetch: int | None = None
        self._stopping: Stop | None = None
        self._exited = False
        self.processed = 0  # how many have ended here
        self._now = Reading(0.0, 0.0)
        self._last_stray = 0  # tokens of jobs that were never delivered here count down from it
        self._handlers: dict[type[Any], Callable[[Any, list[Effect]], None]] = {
            Delivered: self._delivered,
            Happened: self._happened,
            Woke: self._woke,
            Disconnected: self._disconnected,
            Connected: self._connected,
            LeaseLost: self._lease_lost,
            Buried: self._buried,
            StopAsked: self._stop_asked,
        }

    # -- what a driver calls --------------------------------------------------------------

    def handle(self, happened: Input, now: Reading) -> list[Effect]:
        """Say what follows from one input."""
        self._now = now
        effects: list[Effect] = []
        self._handlers[type(happened)](happened, effects)
        if self._stopping is None:
            self._hand_out(effects)
            self._adjust_prefetch(effects)
        else:
            self._leave_when_done(effects)
        self._recall_overdue(effects)
        return effects

    @property
    def wake_at(self) -> float | None:
        """When to send ``Woke``, on the clock of ``Reading.elapsed_s``."""
        held_s = self._held.next_s
        if held_s is None or self._recall_at_s is None:
            return self._recall_at_s if held_s is None else held_s
        return min(held_s, self._recall_at_s)

    @property
    def takes(self) -> bool:
        """Whether messages are wanted at all."""
        return self._stopping is None

    @property
    def active(self) -> Sequence[Job]:
        """What was given to slots and has not ended."""
        return [e.job for e in self._entries.values() if e.stage is Stage.RUNNING]

    @property
    def waiting(self) -> Sequence[Job]:
        """What waits for a slot or for its time."""
        return [e.job for e in self._entries.values() if e.stage in (Stage.READY, Stage.HELD)]

    # -- deliveries come ------------------------------------------------------------------

    def _delivered(self, happened: Delivered, effects: list[Effect]) -> None:
        refused: list[Settlement] = []
        for delivery in happened.deliveries:
            if isinstance(delivery, Malformed):
                self._refuse(delivery.tag, delivery.reason, delivery.raw, refused, effects)
            elif self._stopping is not None:
                refused.append(Settlement(delivery.tag, Verdict.REQUEUE))
            else:
                self._admit(delivery, refused, effects)
        if refused:
            effects.append(Settle(tuple(refused)))

    def _refuse(
        self, tag: int, reason: str, raw: bytes, refused: list[Settlement], effects: list[Effect]
    ) -> None:
        refused.append(Settlement(tag, Verdict.REJECT, reason))
        shown = bytes(raw[:SHOWN_BYTES])
        effects.append(
            Say(Level.ERROR, "malformed message", {"reason": reason, "raw": shown, "id": None})
        )

    def _admit(self, delivery: Delivery, refused: list[Settlement], effects: list[Effect]) -> None:
        try:
            entry = self._admission.entry(delivery)
        except BadTimeError as error:
            self._refuse(delivery.tag, str(error), delivery.message.body, refused, effects)
            return
        self._entries[delivery.tag] = entry
        self._teller.received(entry, effects)
        if entry.traits is None:
            self._conclude(entry, EndingKind.UNKNOWN, entry.task_name, effects)
        elif self._expired(entry):
            self._conclude(entry, EndingKind.REVOKED, "expired", effects)
        elif entry.due_s is not None and entry.due_s > self._now.wall_s:
            entry.stage = Stage.HELD
            self._held.add(delivery.tag, entry.due_s, self._now)
        else:
            self._ready.append(delivery.tag)

    def _expired(self, entry: Entry) -> bool:
        return entry.expires_s is not None and entry.expires_s <= self._now.wall_s

    def _woke(self, _: Woke, effects: list[Effect]) -> None:
        for token in self._held.due(self._now):
            entry = self._entries[token]
            if self._expired(entry):
                self._conclude(entry, EndingKind.REVOKED, "expired", effects)
            else:
                entry.move(Event.DUE)
                self._ready.append(token)

    # -- handing out ----------------------------------------------------------------------

    def _hand_out(self, effects: list[Effect]) -> None:
        if not self._ready:
            return
        claims: list[Settlement] = []
        runs: list[Run] = []
        budget_s, now_s = self._pace.budget_s, self._now.elapsed_s
        open_slots = [slot for slot in self._slots.values() if slot.takes(budget_s, now_s)]
        open_slots.sort(key=lambda slot: slot.load_s)
        for place, slot in enumerate(open_slots):
            share = -(-len(self._ready) // (len(open_slots) - place))
            jobs = self._batch(slot, share, claims, effects)
            if jobs:
                runs.append(Run(slot.number, tuple(jobs)))
        if claims:
            effects.append(Settle(tuple(claims)))
        effects.extend(runs)

    def _batch(
        self, slot: Slot, share: int, claims: list[Settlement], effects: list[Effect]
    ) -> list[Job]:
        jobs: list[Job] = []
        budget_s, expect_s = self._pace.budget_s, self._pace.expect_s
        while self._ready and len(jobs) < share:
            entry = self._entries[self._ready[0]]
            expected_s = expect_s(entry.task_name)
            # The first job of an idle slot goes out however long it takes.
            if slot.tokens and slot.load_s + expected_s > budget_s:
                break
            self._ready.popleft()
            if self._expired(entry):
                self._conclude(entry, EndingKind.REVOKED, "expired", effects)
                continue
            entry.move(Event.DISPATCHED)
            token = entry.job.token
            entry.slot = slot.number
            slot.add(token, expected_s, self._now.elapsed_s)
            assert entry.traits is not None, "a task without traits is concluded, never run"
            if not entry.traits.acks_late and not entry.claimed:
                entry.claimed = True
                claims.append(Settlement(token, Verdict.CLAIM))
            jobs.append(entry.job)
        return jobs

    def _recall_overdue(self, effects: list[Effect]) -> None:
        """Ask slots that hang for what waits in them, where it has somewhere else to go."""
        self._recall_at_s = None
        if self._exited or self._stopping is Stop.COLD:
            return
        if self._stopping is None and all(slot.tokens for slot in self._slots.values()):
            return
        moments: list[float] = []
        for slot in self._slots.values():
            at_s = slot.recall_at_s
            if at_s is None:
                continue
            if at_s > self._now.elapsed_s:
                moments.append(at_s)
            else:
                slot.recalling = True
                effects.append(Recall(slot.number))
        self._recall_at_s = min(moments, default=None)

    def _adjust_prefetch(self, effects: list[Effect]) -> None:
        count = prefetch_count(
            slots=len(self._slots),
            multiplier=self._options.prefetch_multiplier,
            held=len(self._held),
            ahead=self._pace.ahead(),
            exact=self._options.exact_prefetch,
        )
        if count != self._prefetch:
            self._prefetch = count
            effects.append(SetPrefetch(count))

    # -- news from the pool ---------------------------------------------------------------

    def _happened(self, happened: Happened, effects: list[Effect]) -> None:
        finished: list[Finish] = []
        said: list[Effect] = []
        for event in happened.events:
            if type(event) is Ending:
                self._ended(event, finished, said)
            else:
                self._slot_news(event, effects)
        if finished:
            effects.append(Commit(tuple(finished)))
        effects.extend(said)

    def _slot_news(self, event: PoolEvent, effects: list[Effect]) -> None:
        if isinstance(event, SlotReady):
            self._slots[event.slot] = Slot(event.slot, event.pid)
        elif isinstance(event, SlotLost):
            self._slot_lost(event, effects)
        elif isinstance(event, JobsReturned):
            self._jobs_returned(event, effects)
        else:
            assert isinstance(event, JobStarted), "endings are told apart before"
            entry = self._entries.get(event.token)
            if entry is not None:
                self._teller.started(entry, effects)

    def _ended(self, ending: Ending, finished: list[Finish], said: list[Effect]) -> None:
        entry = self._entries.pop(ending.token, None)
        if entry is None:
            return  # it was given up meanwhile, at a cold stop
        if entry.slot is not None:
            slot = self._slots.get(entry.slot)
            if slot is not None:
                slot.remove(ending.token, self._now.elapsed_s)
            self._pace.learn(entry.task_name, ending.runtime_s)
        orphaned = entry.stage is Stage.ORPHANED
        entry.move(Event.ENDED)
        if orphaned:
            # Another worker has it now; what this run did must not count twice.
            self._teller.refused(entry, ending, said)
            return
        self.processed += 1
        self._teller.ended(entry, ending, said)
        if ending.token < 0:
            finished.append(Finish(entry.job, ending, None))
            return
        what = verdict(ending.kind, entry.traits, claimed=entry.claimed)
        settlement = Settlement(
            ending.token, what, ending.summary if what is Verdict.REJECT else ""
        )
        finished.append(Finish(entry.job, ending, settlement))

    def _slot_lost(self, lost: SlotLost, effects: list[Effect]) -> None:
        self._slots.pop(lost.slot, None)
        self._take_back(lost.unstarted, effects)
        requeued: list[Settlement] = []
        for token in lost.started:
            entry = self._entries.get(token)
            if entry is not None:
                self._body_lost(entry, lost.reason, requeued, effects)
        if requeued:
            effects.append(Settle(tuple(requeued)))
        if not lost.expected and not lost.started:
            facts = {"slot": lost.slot, "reason": lost.reason}
            effects.append(Say(Level.ERROR, "process lost", facts))

    def _jobs_returned(self, returned: JobsReturned, effects: list[Effect]) -> None:
        slot = self._slots.get(returned.slot)
        if slot is not None:
            now_s = self._now.elapsed_s
            slot.answered(now_s)
            for token in returned.tokens:
                slot.remove(token, now_s)
            if returned.tokens and slot.tokens:
                self._learn_that_it_lasts(slot)
        self._take_back(returned.tokens, effects)

    def _learn_that_it_lasts(self, slot: Slot) -> None:
        """Hand its task out one at a time from now on: what came back may be as long."""
        entry = self._entries.get(slot.oldest)
        if entry is not None:
            self._pace.learn(entry.task_name, slot.out_s(self._now.elapsed_s))

    def _take_back(self, tokens: Sequence[int], effects: list[Effect]) -> None:
        """Put what no slot has begun in front of what waits, or give it to the broker at a stop."""
        requeued: list[Settlement] = []
        for token in reversed(tokens):
            entry = self._entries.get(token)
            if entry is None:
                continue  # it was given up meanwhile, at a cold stop
            entry.slot = None
            entry.move(Event.RETURNED)
            if entry.stage is Stage.SETTLED:
                del self._entries[token]
            elif self._keeps(entry):
                self._ready.appendleft(token)
            else:
                requeued.append(self._handed_back(token, entry))
        if requeued:
            effects.append(Settle(tuple(reversed(requeued))))

    def _keeps(self, entry: Entry) -> bool:
        """Whether what no slot has begun is run here, and not given back to the broker."""
        return self._stopping is None or (self._stopping is Stop.WARM and entry.claimed)

    def _body_lost(
        self, entry: Entry, reason: str, requeued: list[Settlement], effects: list[Effect]
    ) -> None:
        entry.slot = None
        assert entry.traits is not None, "only registered tasks are given to slots"
        if entry.stage is Stage.ORPHANED:
            entry.move(Event.CONCLUDED)
            del self._entries[entry.job.token]
        elif self._stopping is Stop.COLD:
            requeued.append(self._cut_off(entry))
        elif redelivers_after_loss(entry.traits, claimed=entry.claimed):
            entry.move(Event.HANDED_BACK)
            del self._entries[entry.job.token]
            requeued.append(Settlement(entry.job.token, Verdict.REQUEUE, reason))
            facts = {
                "name": entry.task_name,
                "id": entry.job.headers.get("id"),
                "reason": reason,
            }
            effects.append(Say(Level.ERROR, "worker lost, redelivered", facts))
        else:
            self._conclude(entry, EndingKind.LOST, reason, effects)

    def _cut_off(self, entry: Entry) -> Settlement:
        """A body that a cold stop has ended runs again, unless it must not begin twice."""
        given_back = self._handed_back(entry.job.token, entry)
        if not entry.claimed:
            return given_back
        reason = "the worker was stopped cold after the body had begun"
        return Settlement(entry.job.token, Verdict.REJECT, reason)

    def _conclude(self, entry: Entry, kind: EndingKind, reason: str, effects: list[Effect]) -> None:
        entry.move(Event.CONCLUDED)
        effects.append(Conclude(entry.job, kind, reason))

    # -- the connection -------------------------------------------------------------------

    def _disconnected(self, happened: Disconnected, effects: list[Effect]) -> None:
        effects.append(Say(Level.DEBUG, "disconnected", {"kept": happened.keeps_deliveries}))
        for token in happened.not_run:
            self._drop(token)
        if happened.keeps_deliveries:
            return
        for token, entry in list(self._entries.items()):
            if entry.claimed:
                continue  # the broker has long forgotten it; nobody else will get it
            entry.move(Event.CONNECTION_LOST)
            if entry.stage is Stage.SETTLED:
                del self._entries[token]
        self._ready = deque(token for token in self._ready if token in self._entries)
        self._held.clear()

    def _lease_lost(self, happened: LeaseLost, effects: list[Effect]) -> None:
        """What had not begun is somebody else's; what runs is orphaned."""
        lost = 0
        for token in happened.tokens:
            entry = self._entries.get(token)
            if entry is None:
                continue
            lost += 1
            self._held.remove(token)
            entry.move(Event.CONNECTION_LOST)
            if entry.stage is Stage.SETTLED:
                del self._entries[token]
        self._ready = deque(token for token in self._ready if token in self._entries)
        if lost:
            effects.append(Say(Level.ERROR, "lease lost", {"count": lost}))

    def _buried(self, happened: Buried, effects: list[Effect]) -> None:
        """The end of tasks whose worker is lost: nobody else will say it."""
        for lost in happened.messages:
            self._last_stray -= 1
            delivery = Delivery(
                self._last_stray, lost.message, lost.queue, lost.exchange, lost.routing_key
            )
            try:
                entry = self._admission.entry(delivery)
            except BadTimeError:
                continue  # it is in the dead letters, and was no task that could end
            self._entries[delivery.tag] = entry
            self._conclude(entry, EndingKind.LOST, f"{lost.reason} ({lost.node})", effects)

    def _drop(self, token: int) -> None:
        """Forget a job that reached no slot; the broker has it still, and gives it out again."""
        entry = self._entries.pop(token)
        slot = None if entry.slot is None else self._slots.get(entry.slot)
        if slot is not None:
            slot.remove(token, self._now.elapsed_s)

    def _connected(self, _: Connected, effects: list[Effect]) -> None:
        effects.append(Say(Level.INFO, "broker connected"))
        self._prefetch = None  # a new connection knows nothing of the old window

    # -- stopping -------------------------------------------------------------------------

    def _stop_asked(self, happened: StopAsked, effects: list[Effect]) -> None:
        if self._stopping is not None and self._stopping.value >= happened.how.value:
            return
        self._stopping = happened.how
        line = "warm shutdown" if happened.how is Stop.WARM else "cold shutdown"
        running = len(self.active)
        effects.append(Say(Level.WARNING, line, {"running": running}))
        self._hand_back_waiting(effects)
        if happened.how is Stop.COLD:
            # What was in the slots comes back with them: the pool knows which bodies had begun.
            effects.append(StopPool(at_once=True))

    def _hand_back_waiting(self, effects: list[Effect]) -> None:
        """Give back what no slot has."""
        settlements: list[Settlement] = []
        for token, entry in list(self._entries.items()):
            if entry.stage not in (Stage.HELD, Stage.READY):
                continue
            # Claimed and taken back from a slot: a warm stop lets it run, as it can only here.
            if entry.claimed and self._stopping is Stop.WARM:
                continue
            settlements.append(self._handed_back(token, entry))
        self._ready = deque(token for token in self._ready if token in self._entries)
        self._held.clear()
        if settlements:
            effects.append(Settle(tuple(settlements)))

    def _handed_back(self, token: int, entry: Entry) -> Settlement:
        entry.move(Event.HANDED_BACK)
        del self._entries[token]
        return Settlement(token, Verdict.REQUEUE, "the worker stopped")

    def _leave_when_done(self, effects: list[Effect]) -> None:
        if self._stopping is Stop.WARM:
            self._hand_out(effects)  # what is claimed and came back from a slot
        if self._entries or self._exited:
            return
        self._exited = True
        if self._stopping is Stop.WARM:
            effects.append(StopPool(at_once=False))
        effects.append(Exit(0))
