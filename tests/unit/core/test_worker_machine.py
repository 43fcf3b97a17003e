"""Random histories of the core against a small model of what must never happen."""

from __future__ import annotations

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from taskq.core.effects import (
    Commit,
    Conclude,
    Exit,
    Grow,
    Kill,
    Recall,
    Run,
    Settle,
    Shrink,
    StopPool,
)
from taskq.core.house import STOPPED
from taskq.core.inputs import (
    AutoscaleSet,
    Buried,
    ClusterSized,
    Connected,
    Delivered,
    Disconnected,
    EventsSet,
    Happened,
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
from taskq.core.rates import CATCH_UP_S
from taskq.core.stopping import COLD_S
from taskq.ports import (
    Ending,
    EndingKind,
    JobsReturned,
    LostMessage,
    Malformed,
    Revocation,
    SlotLost,
    SlotReady,
    Verdict,
)

from .helpers import START, at, core_of, delivery, iso

SHORT_S = 0.0001
LIMIT_S = 4.0
# Kinds of messages: the task, and what its headers say.
KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    "add": ("add", {}),
    "late": ("late", {}),
    "rated": ("rated", {}),
    "slow": ("slow", {}),
    "nope": ("nope", {}),
    "eta": ("late", {"eta": 5.0}),
    "rated eta": ("rated", {"eta": 5.0}),
    "old": ("late", {"expires": -1.0}),
    "brief": ("add", {"expires": 0.5}),
    "stamped": ("late", {"stamps": {"batch": ["b1", "b2"]}}),
    "poison": ("late", {}),
    "bad": ("late", {}),
}
EARLY = {"add", "rated"}
ENDINGS = [EndingKind.SUCCEEDED, EndingKind.FAILED, EndingKind.REQUEUED]


class WorkerHistories(RuleBasedStateMachine):
    """A broker and a pool that do anything they may do."""

    def __init__(self) -> None:
        super().__init__()
        self.elapsed = 0.0
        self.next_tag = 1
        self.open: dict[int, str] = {}  # what the broker has given and not got back: tag -> task
        self.claimed: set[int] = set()
        self.found: set[int] = set()  # claims of lost workers that wait here for their end
        self.in_slot: dict[int, list[int]] = {0: [], 1: []}
        self.size = 2
        self.recalled: set[int] = set()  # slots that owe an answer
        self.killed: dict[int, int] = {}  # slot -> the job for whose sake
        self.killed_hard: set[int] = set()
        self.to_conclude: list[tuple[int, EndingKind]] = []
        self.begun: set[int] = set()  # bodies that were in a slot when it died, or still are
        self.revoked: set[str] = set()
        self.stamps_revoked = False
        self.rate, self.sharers = 2.0, 1
        self.starts: list[float] = []
        self.how: Stop | None = None
        self.cold_since: float | None = None
        self.exits = 0

    @initialize(parks=st.booleans(), autoscale=st.booleans(), cancels=st.booleans())
    def begin(self, parks: bool, autoscale: bool, cancels: bool) -> None:
        self.parks = parks
        self.core = core_of(
            slots=2,
            traits={
                "rated": {"rate_limit": "2/s"},
                "slow": {"acks_late": True, "time_limit_s": LIMIT_S, "acks_on_timeout": False},
            },
            prefetch_multiplier=2,
            delivery_limit=3,
            shares_rates=True,
            can_restart_pool=True,
            soft_shutdown_s=3.0,
            autoscale=(4, 1) if autoscale else None,
            cancels_on_connection_loss=cancels,
            events=True,
            narrate=True,
        )
        self.tell(Connected(parks))
        self.arrive(["add", "late"])
        for slot in list(self.in_slot):
            self.bodies_end(slot, 1, EndingKind.SUCCEEDED, SHORT_S)

    # -- what the core asks ---------------------------------------------------------------

    def tell(self, happened: Any) -> None:
        for effect in self.core.handle(happened, at(self.elapsed)):
            self.carry_out(effect)

    def carry_out(self, effect: Any) -> None:
        if isinstance(effect, Settle):
            for one in effect.settlements:
                self.settle(one)
        elif isinstance(effect, Commit):
            for finish in effect.finished:
                assert finish.settlement is not None
                self.settle(finish.settlement)
        elif isinstance(effect, Run):
            self.run_jobs(effect)
        elif isinstance(effect, Recall):
            assert effect.slot not in self.recalled, "asked twice"
            assert len(self.in_slot[effect.slot]) > 1, "nothing can wait there"
            self.recalled.add(effect.slot)
        elif isinstance(effect, Kill):
            self.kill(effect)
        elif isinstance(effect, Conclude):
            assert effect.job.token in self.open
            self.to_conclude.append((effect.job.token, effect.kind))
        elif isinstance(effect, Grow | Shrink):
            self.size += effect.count if isinstance(effect, Grow) else -effect.count
            assert self.size >= 1, "a pool without slots"
        elif isinstance(effect, StopPool) and effect.at_once:
            self.recalled.clear()
            if self.cold_since is None:
                self.cold_since = self.elapsed
        elif isinstance(effect, Exit):
            self.exits += 1
            assert self.exits == 1, "left twice"
            self.all_is_settled()

    def settle(self, one: Any) -> None:
        tag, what = one.tag, one.verdict
        assert tag in self.open, "settled twice, or settled what the broker took back"
        if what is Verdict.CLAIM:
            assert tag not in self.claimed, "claimed twice"
            self.claimed.add(tag)
            return
        if what is Verdict.PARK:
            assert self.parks, "parked where nobody can"
            assert one.due_s > START + self.elapsed, "parked for a time that is over"
        if tag in self.claimed and not self.leaving_fast:
            assert what is Verdict.ACK, "a claimed delivery came back"
        if tag in self.claimed and what is Verdict.REQUEUE:
            assert tag not in self.begun, "a body that may have begun came back"
        if tag in self.found:
            assert what is Verdict.REJECT, "a lost claim is in the dead letters"
        if one.reason == STOPPED:
            assert not one.attempted, "a stop is no attempt"
        if not self.gives_up_bodies:
            assert not any(tag in jobs for jobs in self.in_slot.values()), "it runs"
        del self.open[tag]
        self.claimed.discard(tag)
        self.found.discard(tag)

    def run_jobs(self, effect: Run) -> None:
        assert effect.slot in self.in_slot, "a job for a slot that is gone"
        assert effect.slot not in self.recalled, "a job for a slot that is to give back"
        assert effect.slot not in self.killed, "a job for a slot that is being ended"
        for job in effect.jobs:
            task = self.open.get(job.token)
            assert task is not None, "ran what the broker does not think we have"
            early = task in EARLY
            assert (job.token in self.claimed) == early, "ran unclaimed, or claimed late"
            assert all(job.token not in jobs for jobs in self.in_slot.values()), "ran twice at once"
            assert job.headers["id"] not in self.revoked, "ran though it was revoked"
            assert not (self.stamps_revoked and job.headers.get("stamps"))
            if task == "rated" and self.how is None and self.rate:
                assert not self.in_slot[effect.slot], "it would not start now"
                self.starts.append(self.elapsed)
            self.in_slot[effect.slot].append(job.token)
            self.begun.add(job.token)

    def kill(self, effect: Kill) -> None:
        tokens = self.in_slot[effect.slot]
        assert tokens, "nothing runs there"
        assert effect.slot not in self.killed_hard, "killed again and again"
        self.killed[effect.slot] = tokens[0]
        if effect.signal == 9:
            self.killed_hard.add(effect.slot)

    def spare(self, slot: int) -> None:
        self.killed.pop(slot, None)
        self.killed_hard.discard(slot)

    # -- the broker -----------------------------------------------------------------------

    @rule(tasks=st.lists(st.sampled_from(["add", "late", *KINDS]), max_size=9))
    def arrive(self, tasks: list[str]) -> None:
        given: list[Any] = []
        for kind in tasks:
            tag, self.next_tag = self.next_tag, self.next_tag + 1
            task, said = KINDS[kind]
            self.open[tag] = task
            headers: dict[str, Any] = {
                name: iso(self.elapsed + value) if isinstance(value, float) else value
                for name, value in said.items()
            }
            attempts = 3 if kind == "poison" else None
            given.append(
                Malformed(tag, "q", b"", "bad")
                if kind == "bad"
                else delivery(tag, task, attempts=attempts, **headers)
            )
        self.tell(Delivered(tuple(given)))

    @rule(kept=st.booleans())
    def connection_flaps(self, kept: bool) -> None:
        if not kept:
            self.open = {tag: task for tag, task in self.open.items() if tag in self.claimed}
            self.found.clear()
        self.tell(Disconnected(kept))
        self.tell(Connected(self.parks))

    @rule(data=st.data())
    def lease_is_taken_over(self, data: st.DataObject) -> None:
        gone = data.draw(st.sets(st.sampled_from(sorted(self.open)))) if self.open else set()
        self.open = {tag: task for tag, task in self.open.items() if tag not in gone}
        self.claimed -= gone
        self.found -= gone
        self.tell(LeaseLost(tuple(gone)))

    @rule(readable=st.booleans())
    def claim_of_a_lost_worker_is_found(self, readable: bool) -> None:
        tag, self.next_tag = self.next_tag, self.next_tag + 1
        self.open[tag] = "add"
        self.found.add(tag)
        said: dict[str, Any] = {} if readable else {"eta": "soon"}
        message = delivery(tag, "add", **said).message
        self.tell(Buried((LostMessage(tag, message, "celery", "", "celery", "w9", "lost"),)))

    # -- the pool -------------------------------------------------------------------------

    @rule(
        slot=st.integers(0, 1),
        kind=st.sampled_from(ENDINGS),
        count=st.integers(1, 5),
        # Rarely long: it takes many short runs until such a task is handed out in batches again.
        runtime_s=st.sampled_from([SHORT_S] * 9 + [3.0]),
    )
    def bodies_end(self, slot: int, count: int, kind: EndingKind, runtime_s: float) -> None:
        for token in self.in_slot.get(slot, [])[:count]:
            self.in_slot[slot].remove(token)
            if self.killed.get(slot) == token:
                self.spare(slot)  # it has ended before the signal came
            self.tell(Happened((Ending(token, kind, runtime_s),)))

    @precondition(lambda self: self.to_conclude)
    @rule()
    def concluded(self) -> None:
        token, kind = self.to_conclude.pop(0)
        self.tell(Happened((Ending(token, kind),)))

    @rule(slot=st.integers(0, 3), begun=st.integers(0, 1))
    def slot_dies(self, slot: int, begun: int) -> None:
        if slot in self.in_slot:
            tokens = self.in_slot.pop(slot)
            self.recalled.discard(slot)
            expected = slot in self.killed
            self.spare(slot)
            self.begun -= set(tokens[begun:])
            started, unstarted = tuple(tokens[:begun]), tuple(tokens[begun:])
            self.tell(Happened((SlotLost(slot, started, unstarted, "x", expected),)))

    @precondition(lambda self: self.killed)
    @rule(data=st.data(), begun=st.integers(0, 1))
    def slot_dies_of_its_signal(self, data: st.DataObject, begun: int) -> None:
        self.slot_dies(data.draw(st.sampled_from(sorted(self.killed))), begun)

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
        if self.killed.get(slot) in returned:
            self.spare(slot)
        self.tell(Happened((JobsReturned(slot, tuple(returned)),)))

    @rule(slot=st.integers(0, 3))
    def slot_comes_up(self, slot: int) -> None:
        if slot not in self.in_slot and len(self.in_slot) < self.size:
            self.in_slot[slot] = []
            self.tell(Happened((SlotReady(slot, 1),)))

    @precondition(lambda self: len(self.in_slot) > self.size)
    @rule()
    def a_slot_too_many_leaves(self) -> None:
        for slot, tokens in self.in_slot.items():
            if not tokens:
                del self.in_slot[slot]
                self.recalled.discard(slot)
                self.tell(Happened((SlotLost(slot, (), (), "shrunk", expected=True),)))
                return

    # -- what it is told ------------------------------------------------------------------

    @precondition(lambda self: self.next_tag > 1)
    @rule(data=st.data(), terminate=st.booleans())
    def revoke(self, data: st.DataObject, terminate: bool) -> None:
        tag = data.draw(st.integers(1, self.next_tag + 3))  # also some that come later
        self.revoked.add(f"t{tag}")
        self.tell(Revoked((Revocation(START + 1e6, f"t{tag}"),), terminate))

    @rule(terminate=st.booleans())
    def revoke_by_stamp(self, terminate: bool) -> None:
        self.stamps_revoked = True
        self.tell(Revoked((Revocation(START + 1e6, headers={"batch": "b2"}),), terminate))

    @rule(rate=st.sampled_from(["2/s", 10, "30/m", None, 0, "often"]))
    def limit_rate(self, rate: Any) -> None:
        per_s = {"2/s": 2.0, 10: 10.0, "30/m": 0.5, None: 0.0, 0: 0.0, "often": self.rate}[rate]
        self.rate, self.starts = per_s, []
        self.tell(RateLimited("rated", rate))

    @rule(workers=st.integers(0, 3))
    def share(self, workers: int) -> None:
        self.sharers, self.starts = max(1, workers), []
        self.tell(ClusterSized(workers))

    @rule(hard_s=st.sampled_from([None, 1.0]))
    def limit_time(self, hard_s: float | None) -> None:
        self.tell(TimeLimited("late", hard_s, None))

    @rule(by=st.integers(-3, 2))
    def size_pool(self, by: int) -> None:
        if self.how is None and self.size + by <= 4:
            self.tell(PoolSized(by))

    @rule(most=st.integers(0, 4), least=st.integers(0, 4))
    def bound_pool(self, most: int, least: int) -> None:
        if self.how is None:
            self.tell(AutoscaleSet(most, least))

    @rule(wanted=st.booleans())
    def set_events(self, wanted: bool) -> None:
        self.tell(EventsSet(wanted))
        self.tell(PoolRestartAsked())

        assert self.core.events is wanted

    @rule(seconds=st.floats(0.1, 10.0))
    def time_passes(self, seconds: float) -> None:
        self.elapsed += seconds
        if self.core.wake_at is not None and self.core.wake_at <= self.elapsed:
            self.tell(Woke())

    @precondition(lambda self: self.core.wake_at is not None)
    @rule()
    def sleep_until_it_wants_to_wake(self) -> None:
        wake_at = self.core.wake_at
        assert wake_at is not None
        self.elapsed = max(self.elapsed, min(wake_at, self.elapsed + 60))
        if wake_at <= self.elapsed:
            self.tell(Woke())

            again = self.core.wake_at
            assert again is None or again > self.elapsed, "it would wake without end"

    @rule(how=st.sampled_from(Stop))
    def stop(self, how: Stop) -> None:
        if self.how is None or how.value > self.how.value:
            self.how = how
        self.tell(StopAsked(how))

    # -- what holds -----------------------------------------------------------------------

    @property
    def leaving_fast(self) -> bool:
        """A soft stop turns cold by itself."""
        return self.how is not None and self.how is not Stop.WARM

    @property
    def gives_up_bodies(self) -> bool:
        """Their slots are told to end, and nobody waits for news of them any more."""
        if self.how is Stop.IMMEDIATE:
            return True
        return self.cold_since is not None and self.elapsed >= self.cold_since + COLD_S

    def all_is_settled(self) -> None:
        """Whoever leaves has nothing left, but for what was claimed and may have begun."""
        in_slots = {token for tokens in self.in_slot.values() for token in tokens}
        telling = {token for token, _ in self.to_conclude}
        for tag in self.open:
            assert self.leaving_fast, "a warm stop waits"
            assert (tag in self.claimed and tag in in_slots) or tag in telling

    @invariant()
    def nothing_is_forgotten(self) -> None:
        """What the broker thinks we have, the core knows, until it has left."""
        known = {job.token for job in (*self.core.active, *self.core.waiting)}
        known |= {token for token, _ in self.to_conclude}
        if not self.exits:
            assert set(self.open) <= known

    @invariant()
    def nothing_waits_for_ever_behind_a_body(self) -> None:
        """Where it could go elsewhere, it is called back, or will be at a moment that is known."""
        elsewhere = self.how is not None or not all(self.in_slot.values())
        if self.leaving_fast:
            return  # the pool is ending its slots, or will be, and tells what was in them
        for slot, tokens in self.in_slot.items():
            if elsewhere and len(tokens) > 1 and slot not in self.recalled and not self.exits:
                assert self.core.wake_at is not None
                assert self.core.wake_at > self.elapsed

    @invariant()
    def starts_keep_to_the_rate(self) -> None:
        """In any span of time there are no more than it allows, and one."""
        per_s = self.rate / self.sharers
        if not per_s:
            return
        for first, since_s in enumerate(self.starts):
            for last in range(first + 1, len(self.starts)):
                span_s = self.starts[last] - since_s + CATCH_UP_S
                assert last - first <= span_s * per_s + 1e-6

    @invariant()
    def what_can_be_seen_is_there(self) -> None:
        """Views show what is here, each once; who is active runs, one in a slot."""
        views = self.core.views()
        tokens = [view.job.token for view in views]
        assert len(tokens) == len(set(tokens))
        active = [view.pid for view in views if view.stage == "active"]
        assert len(active) <= len(self.core.slots)
        assert all(view.started is not None for view in views if view.stage == "active")


WorkerHistories.TestCase.settings = settings(
    max_examples=250, stateful_step_count=40, deadline=None
)
TestWorkerHistories = WorkerHistories.TestCase
