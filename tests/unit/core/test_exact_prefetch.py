"""A worker that is told to take nothing ahead holds no more than it can run."""

from __future__ import annotations

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from taskq.core.effects import Commit, Conclude, Run, SetPrefetch, Settle
from taskq.core.inputs import Connected, Delivered, Disconnected, Happened, Woke
from taskq.ports import Ending, EndingKind, SlotLost, SlotReady

from .helpers import at, core_of, deliver, delivery, end, iso, kinds, of, run_tags


def exact(**more: Any) -> Any:
    core = core_of(exact_prefetch=True, **more)
    core.handle(Connected(), at(0.0))
    return core


def test_the_window_is_what_can_begin_and_what_is_open() -> None:
    """Late acks stay open while they run, so the window stays; claimed ones do not."""
    core = exact(slots=3)
    assert core.prefetch == 3

    deliver(core, delivery(1, "late"))
    assert core.prefetch == 3

    deliver(core, delivery(2))
    assert core.prefetch == 2


def test_nothing_is_taken_while_all_slots_are_taken() -> None:
    """There is no number for that: the worker does not ask."""
    core = exact(slots=1)
    deliver(core, delivery(1))

    assert not core.takes
    assert core.prefetch == 1
    end(core, 1)
    assert core.takes


def test_a_new_connection_is_told_the_least_while_nothing_is_taken() -> None:
    """A broker that sends by itself must not send any number."""
    core = exact(slots=1)
    deliver(core, delivery(1))

    assert of(SetPrefetch, core.handle(Connected(), at(1.0))) == [SetPrefetch(1)]


def test_the_window_is_smaller_before_messages_are_claimed() -> None:
    """Else the broker would fill their places at once."""
    core = exact(slots=2)

    assert kinds(deliver(core, delivery(1))) == ["SetPrefetch", "Settle", "Run"]


def test_what_waits_for_its_time_leaves_the_window_to_others() -> None:
    """It can run nobody, and keep out nobody."""
    core = exact(slots=1)
    deliver(core, delivery(1, "late", eta=iso(60)))

    assert core.prefetch == 2
    assert run_tags(deliver(core, delivery(2, "late"))) == [[2]]


class ExactHistories(RuleBasedStateMachine):
    """A queue that is never empty, and a broker that keeps to the window."""

    def __init__(self) -> None:
        super().__init__()
        self.elapsed = 0.0
        self.next_tag = 1
        self.open: set[int] = set()  # neither settled nor claimed
        self.window = 0
        self.in_slot: dict[int, list[int]] = {}
        self.to_conclude: list[int] = []

    @initialize(slots=st.integers(1, 4), eta_task_limit=st.sampled_from([None, 2]))
    def begin(self, slots: int, eta_task_limit: int | None) -> None:
        self.core = core_of(
            slots=0,
            exact_prefetch=True,
            eta_task_limit=eta_task_limit,
            traits={"rated": {"rate_limit": "2/s", "acks_late": True}},
        )
        self.slots = slots
        self.tell(Connected())
        for slot in range(slots):
            self.slot_comes_up(slot)

    def tell(self, happened: Any) -> list[Any]:
        effects = self.core.handle(happened, at(self.elapsed))
        for effect in effects:
            if isinstance(effect, SetPrefetch):
                self.window = effect.count
            elif isinstance(effect, Settle):
                self.open -= {one.tag for one in effect.settlements}
            elif isinstance(effect, Commit):
                self.open -= {finish.job.token for finish in effect.finished}
            elif isinstance(effect, Run):
                self.in_slot[effect.slot] += [job.token for job in effect.jobs]
            elif isinstance(effect, Conclude):
                self.to_conclude.append(effect.job.token)
        return effects

    @rule(tasks=st.lists(st.sampled_from(["add", "late", "eta", "nope", "rated"]), min_size=9))
    def messages_come(self, tasks: list[str]) -> None:
        room = self.window - len(self.open) if self.core.takes else 0
        before = {job.token for job in self.core.waiting}
        given = []
        for kind in tasks[: max(0, room)]:
            tag, self.next_tag = self.next_tag, self.next_tag + 1
            headers: dict[str, Any] = {"eta": iso(self.elapsed + 5)} if kind == "eta" else {}
            given.append(delivery(tag, "late" if kind == "eta" else kind, **headers))
            self.open.add(tag)
        if given:
            self.tell(Delivered(tuple(given)))

        waits = {job.token for job in self.core.waiting} - before
        told = {one.tag for one in given if one.message.headers.get("eta")}
        limited = {one.tag for one in given if one.message.headers["task"] == "rated"}
        assert waits <= told | limited, "taken, though nobody can begin it"

    @rule(slot=st.integers(0, 3), runtime_s=st.sampled_from([0.0001, 3.0]))
    def body_ends(self, slot: int, runtime_s: float) -> None:
        if self.in_slot.get(slot):
            token = self.in_slot[slot].pop(0)
            self.tell(Happened((Ending(token, EndingKind.SUCCEEDED, runtime_s),)))

    @precondition(lambda self: self.to_conclude)
    @rule()
    def concluded(self) -> None:
        token = self.to_conclude.pop(0)
        self.tell(Happened((Ending(token, EndingKind.UNKNOWN),)))

    @rule(slot=st.integers(0, 3), begun=st.integers(0, 1))
    def slot_dies(self, slot: int, begun: int) -> None:
        if slot in self.in_slot:
            tokens = self.in_slot.pop(slot)
            lost = SlotLost(slot, tuple(tokens[:begun]), tuple(tokens[begun:]), "x")
            self.tell(Happened((lost,)))

    @rule(slot=st.integers(0, 3))
    def slot_comes_up(self, slot: int) -> None:
        if slot < self.slots and slot not in self.in_slot:
            self.in_slot[slot] = []
            self.tell(Happened((SlotReady(slot, 1),)))

    @rule(seconds=st.floats(0.1, 10.0))
    def time_passes(self, seconds: float) -> None:
        self.elapsed += seconds
        self.tell(Woke())

    @rule()
    def connection_flaps(self) -> None:
        self.open.clear()
        self.tell(Disconnected(keeps_deliveries=False))
        self.tell(Connected())

    @invariant()
    def nothing_waits_in_a_slot_behind_another(self) -> None:
        """Who holds no more than it can run gives each slot one."""
        for tokens in self.in_slot.values():
            assert len(tokens) <= 1


ExactHistories.TestCase.settings = settings(max_examples=80, deadline=None)
TestExactHistories = ExactHistories.TestCase
