"""Random histories of the core against a small model of what must never happen."""

from __future__ import annotations

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from taskq.core.effects import Commit, Conclude, Exit, Recall, Run, Settle
from taskq.core.inputs import (
    Connected,
    Delivered,
    Disconnected,
    Happened,
    LeaseLost,
    Stop,
    StopAsked,
    Woke,
)
from taskq.ports import (
    Ending,
    EndingKind,
    JobsReturned,
    Malformed,
    SlotLost,
    SlotReady,
    Verdict,
)

from .helpers import at, core_of, delivery
from .test_worker import iso

SHORT_S = 0.0001


class WorkerHistories(RuleBasedStateMachine):
    """A broker and a pool that do anything they may do."""

    def __init__(self) -> None:
        super().__init__()
        self.core = core_of(slots=2, prefetch_multiplier=2)
        self.elapsed = 0.0
        self.next_tag = 1
        self.open: dict[int, str] = {}  # what the broker has given and not got back: tag -> task
        self.claimed: set[int] = set()
        self.in_slot: dict[int, list[int]] = {0: [], 1: []}
        self.recalled: set[int] = set()  # slots that owe an answer
        self.to_conclude: list[tuple[int, EndingKind]] = []
        self.begun: set[int] = set()  # bodies that were in a slot when it died, or still are
        self.stopping = self.cold = False
        self.exited = False
        self.arrive(["add", "late"])
        for slot in self.in_slot:
            self.bodies_end(slot, 1, EndingKind.SUCCEEDED, SHORT_S)

    def tell(self, happened: Any) -> None:
        for effect in self.core.handle(happened, at(self.elapsed)):
            if isinstance(effect, Settle):
                for one in effect.settlements:
                    self.settle(one.tag, one.verdict)
            elif isinstance(effect, Commit):
                for finish in effect.finished:
                    assert finish.settlement is not None
                    self.settle(finish.settlement.tag, finish.settlement.verdict)
            elif isinstance(effect, Run):
                self.run_jobs(effect)
            elif isinstance(effect, Recall):
                assert effect.slot not in self.recalled, "asked twice"
                assert len(self.in_slot[effect.slot]) > 1, "nothing can wait there"
                self.recalled.add(effect.slot)
            elif isinstance(effect, Conclude):
                self.to_conclude.append((effect.job.token, effect.kind))
            elif isinstance(effect, Exit):
                self.exited = True

    def settle(self, tag: int, what: Verdict) -> None:
        assert tag in self.open, "settled twice, or settled what the broker took back"
        if what is Verdict.CLAIM:
            assert tag not in self.claimed, "claimed twice"
            self.claimed.add(tag)
            return
        if tag in self.claimed and not self.cold:
            assert what is Verdict.ACK, "a claimed delivery came back"
        if tag in self.claimed and what is Verdict.REQUEUE:
            assert tag not in self.begun, "a body that may have begun came back"
        del self.open[tag]
        self.claimed.discard(tag)

    def run_jobs(self, effect: Run) -> None:
        assert effect.slot in self.in_slot, "a job for a slot that is gone"
        assert effect.slot not in self.recalled, "a job for a slot that is to give back"
        for job in effect.jobs:
            task = self.open.get(job.token)
            assert task is not None, "ran what the broker does not think we have"
            assert (job.token in self.claimed) == (task == "add"), "ran unclaimed, or claimed late"
            assert all(job.token not in jobs for jobs in self.in_slot.values()), "ran twice at once"
            self.in_slot[effect.slot].append(job.token)
            self.begun.add(job.token)

    @rule(
        tasks=st.lists(
            st.sampled_from(["add", "late", "add", "late", "nope", "eta", "old", "bad"]), max_size=9
        )
    )
    def arrive(self, tasks: list[str]) -> None:
        given: list[Any] = []
        for kind in tasks:
            tag, self.next_tag = self.next_tag, self.next_tag + 1
            task = {"eta": "late", "old": "late"}.get(kind, kind)
            self.open[tag] = task
            more = {"eta": {"eta": iso(self.elapsed + 5)}, "old": {"expires": iso(0)}}.get(kind, {})
            given.append(
                Malformed(tag, "q", b"", "bad") if kind == "bad" else delivery(tag, task, **more)
            )
        self.tell(Delivered(tuple(given)))

    @rule(
        slot=st.integers(0, 1),
        kind=st.sampled_from([EndingKind.SUCCEEDED, EndingKind.FAILED, EndingKind.REQUEUED]),
        count=st.integers(1, 5),
        # Rarely long: it takes many short runs until such a task is handed out in batches again.
        runtime_s=st.sampled_from([SHORT_S] * 9 + [3.0]),
    )
    def bodies_end(self, slot: int, count: int, kind: EndingKind, runtime_s: float) -> None:
        for token in self.in_slot.get(slot, [])[:count]:
            self.in_slot[slot].remove(token)
            self.tell(Happened((Ending(token, kind, runtime_s),)))

    @precondition(lambda self: self.to_conclude)
    @rule()
    def concluded(self) -> None:
        token, kind = self.to_conclude.pop(0)
        self.tell(Happened((Ending(token, kind),)))

    @rule(slot=st.integers(0, 1), begun=st.integers(0, 1))
    def slot_dies(self, slot: int, begun: int) -> None:
        if slot in self.in_slot:
            tokens = self.in_slot.pop(slot)
            self.recalled.discard(slot)
            self.begun -= set(tokens[begun:])
            self.tell(
                Happened((SlotLost(slot, tuple(tokens[:begun]), tuple(tokens[begun:]), "x"),))
            )

    @precondition(lambda self: any(len(tokens) > 1 for tokens in self.in_slot.values()))
    @rule(hangs=st.integers(0, 1))
    def one_slot_hangs(self, hangs: int) -> None:
        self.bodies_end(1 - hangs, 99, EndingKind.SUCCEEDED, SHORT_S)
        self.time_passes(1.0)

    @precondition(lambda self: self.recalled)
    @rule(data=st.data(), begun=st.integers(0, 2))
    def slot_answers(self, data: st.DataObject, begun: int) -> None:
        slot = data.draw(st.sampled_from(sorted(self.recalled)))
        self.recalled.remove(slot)
        tokens = self.in_slot[slot]
        self.in_slot[slot], returned = tokens[:begun], tokens[begun:]
        self.begun -= set(returned)
        self.tell(Happened((JobsReturned(slot, tuple(returned)),)))

    @rule(slot=st.integers(0, 1))
    def slot_comes_up(self, slot: int) -> None:
        if slot not in self.in_slot:
            self.in_slot[slot] = []
            self.tell(Happened((SlotReady(slot, 1),)))

    @rule(seconds=st.floats(0.1, 10.0))
    def time_passes(self, seconds: float) -> None:
        self.elapsed += seconds
        if self.core.wake_at is not None and self.core.wake_at <= self.elapsed:
            self.tell(Woke())

    @rule(kept=st.booleans())
    def connection_flaps(self, kept: bool) -> None:
        if not kept:
            self.open = {tag: task for tag, task in self.open.items() if tag in self.claimed}
        self.tell(Disconnected(kept))
        self.tell(Connected())

    @rule(data=st.data())
    def lease_is_taken_over(self, data: st.DataObject) -> None:
        gone = data.draw(st.sets(st.sampled_from(sorted(self.open)))) if self.open else set()
        self.open = {tag: task for tag, task in self.open.items() if tag not in gone}
        self.claimed -= gone
        self.tell(LeaseLost(tuple(gone)))

    @rule(how=st.sampled_from(Stop))
    def stop(self, how: Stop) -> None:
        self.stopping = True
        self.cold = self.cold or how is Stop.COLD
        self.tell(StopAsked(how))

    @invariant()
    def nothing_is_forgotten(self) -> None:
        """What the broker thinks we have, the core knows, until it has left."""
        known = {job.token for job in (*self.core.active, *self.core.waiting)}
        known |= {token for token, _ in self.to_conclude}
        if not self.exited:
            assert set(self.open) <= known

    @invariant()
    def nothing_waits_for_ever_behind_a_body(self) -> None:
        """Where it could go elsewhere, it is called back, or will be at a moment that is known."""
        elsewhere = self.stopping or not all(self.in_slot.values())
        if self.cold:
            return  # the pool is ending its slots, and tells what was in them
        for slot, tokens in self.in_slot.items():
            if elsewhere and len(tokens) > 1 and slot not in self.recalled and not self.exited:
                assert self.core.wake_at is not None
                assert self.core.wake_at > self.elapsed


WorkerHistories.TestCase.settings = settings(
    max_examples=400, stateful_step_count=40, deadline=None
)
TestWorkerHistories = WorkerHistories.TestCase
