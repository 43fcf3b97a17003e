"""Chords end once, whatever happens to their members and to who counts them.

F29, F30, F31, F33, F34 and F38 of the reliability catalogue, in the simulated world.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from typing import Any

import pytest

from taskq import TaskQ, chain, chord, group, signature
from taskq.errors import ChordError, Reject
from taskq_testing import World
from taskq_testing.checks.registry import run_checks
from taskq_testing.sim.trace import Record
from tests.sim.every_step import every_step

Make = Callable[..., World]
BROKERS = pytest.mark.parametrize("broker", ["redis", "rabbitmq"])


class Tasks:
    """The tasks of these tests."""

    def __init__(self, app: TaskQ) -> None:
        app.conf.task_acks_late = True

        @app.task(name="add")
        def add(x: int, y: int) -> int:
            time.sleep(1)
            return x + y

        @app.task(name="total")
        def total(numbers: list[int]) -> int:
            return sum(numbers)

        @app.task(name="told")
        def told(task_id: str) -> str:
            return task_id

        self.app, self.add, self.total, self.told = app, add, total, told

    def members(self, count: int) -> list[Any]:
        return [self.add.s(number, number) for number in range(count)]

    def sent(self, world: World, name: str) -> list[Record]:
        return [record for record in world.trace.find("task.send") if record.facts["task"] == name]


@pytest.fixture
def tasks(app: TaskQ) -> Tasks:
    return Tasks(app)


# -- F29: a member that does not end well --------------------------------------------------------


def fails(app: TaskQ) -> Any:
    @app.task(name="victim")
    def victim() -> None:
        raise ValueError("no")

    return victim.s()


def is_lost_with_its_process(app: TaskQ) -> Any:
    @app.task(name="victim", acks_late=False)
    def victim() -> None:
        raise SystemExit(-signal.SIGKILL)

    return victim.s()


def is_given_up(app: TaskQ) -> Any:
    app.conf.taskq_delivery_limit = 2

    @app.task(name="victim")
    def victim() -> None:
        raise SystemExit(-signal.SIGKILL)

    return victim.s()


def is_rejected(app: TaskQ) -> Any:
    @app.task(name="victim")
    def victim() -> None:
        raise Reject("no")

    return victim.s()


def takes_too_long(app: TaskQ) -> Any:
    @app.task(name="victim", time_limit=2)
    def victim() -> None:
        time.sleep(100)

    return victim.s()


def expires(app: TaskQ) -> Any:
    @app.task(name="victim")
    def victim() -> None: ...

    return victim.s().set(expires=0.5)


def is_revoked(app: TaskQ) -> Any:
    @app.task(name="victim")
    def victim() -> None: ...

    sig = victim.s()
    app.control.revoke(sig.freeze().id)
    return sig


def is_unknown(app: TaskQ) -> Any:
    return signature("nobody.knows", app=app)


def cannot_be_read(app: TaskQ) -> Any:
    @app.task(name="victim")
    def victim() -> None: ...

    return victim.s().set(serializer="pickle")


WAYS = [
    fails,
    is_lost_with_its_process,
    is_given_up,
    is_rejected,
    takes_too_long,
    expires,
    is_revoked,
    is_unknown,
    cannot_be_read,
]


@BROKERS
@pytest.mark.parametrize("last", [False, True], ids=["first", "last"])
@pytest.mark.parametrize("way", WAYS)
def test_a_member_that_does_not_end_well_ends_its_chord(
    tasks: Tasks, taskq_world: Make, broker: str, way: Callable[[TaskQ], Any], last: bool
) -> None:
    """With one error that names it, one errback, and no body; nothing is left behind."""
    world = taskq_world(tasks.app, broker=broker)
    victim = way(tasks.app)
    if last:
        victim.set(countdown=10)
    header = [*tasks.members(2), victim, *tasks.members(2)]
    result = chord(header)(tasks.total.s().on_error(tasks.told.s()))
    world.at(1.0, lambda: world.start_worker("w1"))
    world.run_until_quiet()

    assert result.state == "FAILURE"
    assert isinstance(result.result, ChordError)
    assert result.parent.results[2].id in str(result.result)
    assert tasks.sent(world, "total") == []
    assert [record.facts["task"] for record in tasks.sent(world, "told")] == ["told"]
    assert run_checks(world) == []


@BROKERS
def test_a_chord_whose_members_cannot_be_read_has_an_end(
    tasks: Tasks, taskq_world: Make, broker: str
) -> None:
    """None of them, so that nobody who ends the chord knows its body from its own message."""
    world = taskq_world(tasks.app, broker=broker)
    world.start_worker("w1")
    header = [member.set(serializer="pickle") for member in tasks.members(3)]
    result = chord(header)(tasks.total.s().on_error(tasks.told.s()))
    world.run_until_quiet()

    assert isinstance(result.result, ChordError)
    assert any(member.id in str(result.result) for member in result.parent.results)
    assert len(tasks.sent(world, "told")) == 1
    assert len(world.dead_letters()) == 3


@BROKERS
def test_each_level_is_told_where_its_errback_was_declared(
    tasks: Tasks, taskq_world: Make, broker: str
) -> None:
    """A failure deep inside goes up through the bodies; each level tells its errback once."""
    world = taskq_world(tasks.app, broker=broker)
    world.start_worker("w1")
    inner = chord([tasks.add.s(1, 1), fails(tasks.app)], tasks.total.s().on_error(tasks.told.s()))
    middle = chord([tasks.add.s(2, 2), inner], tasks.total.s().on_error(tasks.told.s()))
    result = chord([tasks.add.s(3, 3), middle])(tasks.total.s().on_error(tasks.told.s()))
    world.run_until_quiet()

    assert isinstance(result.result, ChordError)
    assert len(tasks.sent(world, "told")) == 3
    assert tasks.sent(world, "total") == []
    assert run_checks(world) == []


# -- F30: how many messages ----------------------------------------------------------------------


@BROKERS
@pytest.mark.parametrize("count", [1, 2, 40])
def test_a_chord_takes_a_message_for_each_member_and_one(
    tasks: Tasks, taskq_world: Make, broker: str, count: int
) -> None:
    """Nobody asks whether it is complete, however long that takes."""
    world = taskq_world(tasks.app, broker=broker)
    world.start_worker("w1")
    header = tasks.members(count)
    header[0] = header[0].set(countdown=3600)
    result = chord(header)(tasks.total.s())
    world.run_until_quiet()

    assert result.get() == sum(2 * number for number in range(count))
    assert world.trace.count("task.send") == count + 1


def test_a_batch_of_members_is_counted_with_no_step_in_between(
    tasks: Tasks, taskq_world: Make
) -> None:
    """What a commit says to the server is one look at each member; the last is looked at twice."""
    world = taskq_world(tasks.app)
    world.start_worker("w1", slots=1)
    result = chord(tasks.members(6))(tasks.total.s())
    world.run_until_quiet()

    assert result.get() == 30
    assert world.trace.count("chord.count") == 6
    assert world.trace.count("chord.close") == 1
    assert world.trace.count("chord.end") == 1


# -- F31: how long it waits ----------------------------------------------------------------------


@BROKERS
def test_a_chord_outlives_the_results_of_its_members(
    tasks: Tasks, taskq_world: Make, broker: str
) -> None:
    """Members that end three times as far apart as a result is kept."""
    tasks.app.conf.result_expires = 60
    world = taskq_world(tasks.app, broker=broker)
    world.start_worker("w1")
    header = [tasks.add.s(n, n).set(countdown=180 * n) for n in range(4)]
    result = chord(header)(tasks.total.s())

    assert result.get(timeout=3600) == 12
    assert len(tasks.sent(world, "total")) == 1


@BROKERS
def test_each_member_lengthens_the_life_of_its_chord(
    tasks: Tasks, taskq_world: Make, broker: str
) -> None:
    """``result_chord_expires`` is how long it waits for the next, not for all of them."""
    tasks.app.conf.result_chord_expires = 100
    world = taskq_world(tasks.app, broker=broker)
    world.start_worker("w1")
    header = [tasks.add.s(n, n).set(countdown=60 * n) for n in range(6)]

    assert chord(header)(tasks.total.s()).get(timeout=3600) == 30
    assert len(tasks.sent(world, "total")) == 1


# -- F33: who counts dies ------------------------------------------------------------------------


def chord_of_two(tasks: Tasks) -> Any:
    return chord(tasks.members(2))(tasks.total.s())


def chord_in_a_chord(tasks: Tasks) -> Any:
    inner = chord([tasks.add.s(1, 1), fails(tasks.app)], tasks.total.s().on_error(tasks.told.s()))
    return chord([inner, tasks.add.s(1, 1)])(tasks.total.s().on_error(tasks.told.s()))


@BROKERS
@pytest.mark.parametrize("make", [chord_of_two, chord_in_a_chord])
def test_wherever_a_worker_dies_the_chord_ends_once(
    tasks: Tasks, taskq_world: Make, broker: str, make: Callable[[Tasks], Any]
) -> None:
    """At each step of the run.  Where broker and store are two, what ends it may be sent twice.

    Then it is under the same id; where they are one, each message is sent once.
    """
    results: list[Any] = []

    def begin(seed: int) -> World:
        world = taskq_world(tasks.app, broker=broker, seed=seed)
        world.start_worker("w1")
        world.start_worker("w2")
        results.append(make(tasks))
        return world

    tried = 0
    for world, told in every_step(begin, range(3)):
        world.kill("w1")
        world.run_until_quiet()
        result = results[-1]
        expected = ("SUCCESS", 2) if make is chord_of_two else ("FAILURE", result.result)
        assert (result.state, result.result) == expected, told
        assert {each.task_id for each in tasks.sent(world, "total")} <= {result.id}, told
        if broker == "redis":
            bodies, errbacks = (1, 0) if make is chord_of_two else (0, 2)
            assert len(tasks.sent(world, "total")) == bodies, told
            assert len(tasks.sent(world, "told")) == errbacks, told
        assert run_checks(world) == [], told
        tried += 1
    assert tried > 90


EDGES = ["chord.count", "chord.close", "chord.end", "broker.ack"]


@BROKERS
@pytest.mark.parametrize("edge", EDGES)
@pytest.mark.parametrize("nth", [1, 2], ids=["first", "second"])
def test_a_worker_that_dies_at_an_edge_leaves_one_body(
    tasks: Tasks, taskq_world: Make, broker: str, edge: str, nth: int
) -> None:
    """Right after a member was counted, its chord was closed, was ended, or it was settled."""
    world = taskq_world(tasks.app, broker=broker)
    world.start_worker("w1")
    seen: list[Record] = []

    def die(record: Record) -> None:
        seen.append(record)
        world.kill(record.node)
        world.start_worker("w2")

    world.when(edge, die, nth)
    result = chord(tasks.members(2))(tasks.total.s())
    world.run_until_quiet()

    assert len(seen) == 1 or (nth == 2 and edge in {"chord.close", "chord.end"})
    assert (result.state, result.result) == ("SUCCESS", 2)
    assert len(tasks.sent(world, "total")) == 1
    assert run_checks(world) == []


def test_nothing_comes_between_the_last_count_and_the_body(tasks: Tasks, taskq_world: Make) -> None:
    """On one Redis they are one step: in the history nobody does anything in between."""
    world = taskq_world(tasks.app)
    world.start_worker("w1")
    world.start_worker("w2")
    chord(tasks.members(4))(tasks.total.s())
    world.run_until_quiet()
    history = [record.what for record in world.trace]

    at = history.index("chord.close")
    assert history[at - 2 : at + 4] == [
        "result.store",
        "chord.count",
        "chord.close",
        "task.send",
        "chord.end",
        "broker.ack",
    ]


# -- F34: members that come again ----------------------------------------------------------------


@BROKERS
@pytest.mark.parametrize("seed", range(10))
def test_members_that_are_delivered_again_are_counted_once(
    tasks: Tasks, taskq_world: Make, broker: str, seed: int
) -> None:
    """Each connection breaks when a body is done and not yet acknowledged, some of them twice."""
    world = taskq_world(tasks.app, broker=broker, seed=seed)
    world.start_worker("w1")
    world.start_worker("w2")
    for nth in range(1 + seed % 2, 16, 1 + seed % 3):
        world.when("task.end", lambda record: world.cut(record.node, for_s=200), nth)
    result = chord(tasks.members(10))(tasks.total.s())
    world.run_until_quiet()

    assert (result.state, result.result) == ("SUCCESS", 90)
    assert len(tasks.sent(world, "total")) == 1
    assert run_checks(world) == []


# -- F38: queues of its own ----------------------------------------------------------------------


@BROKERS
def test_a_chord_stays_on_the_queue_it_was_sent_to(
    tasks: Tasks, taskq_world: Make, broker: str
) -> None:
    """No hidden task of it goes to the default queue, which nobody here takes from."""
    world = taskq_world(tasks.app, broker=broker)
    world.start_worker("w1", queues=["b"])
    header = [member.set(queue="b") for member in tasks.members(4)]
    result = chord(header)(tasks.total.s().set(queue="b"))

    assert result.get(timeout=60) == 12
    assert {record.facts["queue"] for record in world.trace.find("task.send")} == {"b"}


@BROKERS
def test_a_chord_can_be_sent_again_under_its_name(
    tasks: Tasks, taskq_world: Make, broker: str
) -> None:
    """A frozen one that was sent before has ended; the second time begins anew."""
    world = taskq_world(tasks.app, broker=broker)
    world.start_worker("w1")
    members = group(tasks.members(3))
    frozen = chain(members, tasks.total.s())
    first = frozen.apply_async()
    world.run_until_quiet()
    second = frozen.apply_async()
    world.run_until_quiet()

    assert (first.result, second.result) == (6, 6)
    assert len(tasks.sent(world, "total")) == 2


# -- members that are added by members ------------------------------------------------------------


@BROKERS
@pytest.mark.parametrize("first", ["returns", "retries", "is replaced"])
def test_wherever_a_worker_dies_an_added_member_is_waited_for_once(
    tasks: Tasks, taskq_world: Make, broker: str, first: str
) -> None:
    """At each step of the run; however the body ends that adds it."""

    @tasks.app.task(name="adds", bind=True, max_retries=1)
    def adds(self: Any) -> int:
        if self.request.retries == 0:
            self.add_to_chord(tasks.add.s(50, 50))
            if first == "retries":
                raise self.retry(countdown=5)
            if first == "is replaced":
                raise self.replace(tasks.add.s(1, 0))
        return 1

    results: list[Any] = []

    def begin(seed: int) -> World:
        world = taskq_world(tasks.app, broker=broker, seed=seed)
        world.start_worker("w1")
        world.start_worker("w2")
        results.append(chord([adds.s(), tasks.add.s(1, 1)])(tasks.total.s()))
        return world

    tried = 0
    for world, told in every_step(begin, range(2), stride=2):
        world.kill("w1")
        world.run_until_quiet()
        assert (results[-1].state, results[-1].result) == ("SUCCESS", 103), told
        if broker == "redis":
            assert len(tasks.sent(world, "total")) == 1, told
            assert len(tasks.sent(world, "add")) == 2 + (first == "is replaced"), told
        assert run_checks(world) == [], told
        tried += 1
    assert tried > 30


def test_a_group_is_added_as_one_member(tasks: Tasks, taskq_world: Make) -> None:
    """Its results are one list, behind those of the header, in the order of adding."""

    @tasks.app.task(name="adds", bind=True)
    def adds(self: Any) -> int:
        self.add_to_chord(group(tasks.add.s(1, 1), tasks.add.s(2, 2)))
        self.add_to_chord(tasks.add.s(3, 3))
        return 0

    @tasks.app.task(name="same")
    def same(results: list[Any]) -> list[Any]:
        return results

    world = taskq_world(tasks.app)
    world.start_worker("w1")

    assert chord([adds.s(), tasks.add.s(0, 1)])(same.s()).get() == [0, 1, [2, 4], 6]


def test_what_a_member_adds_and_then_fails_is_not_sent(tasks: Tasks, taskq_world: Make) -> None:
    """Its chord has failed, and says by whom."""

    @tasks.app.task(name="adds", bind=True)
    def adds(self: Any) -> int:
        self.add_to_chord(tasks.add.s(1, 1))
        raise ValueError("no")

    world = taskq_world(tasks.app)
    world.start_worker("w1")
    result = chord([adds.s()])(tasks.total.s())
    world.run_until_quiet()

    assert (result.state, type(result.result)) == ("FAILURE", ChordError)
    assert tasks.sent(world, "add") == []
    assert run_checks(world) == []


def test_a_member_that_was_added_may_add_members(tasks: Tasks, taskq_world: Make) -> None:
    """However deep, and from wherever in a large header."""

    @tasks.app.task(name="adds", bind=True)
    def adds(self: Any, more: int) -> int:
        if more:
            self.add_to_chord(adds.s(more - 1))
        return 1

    world = taskq_world(tasks.app)
    world.start_worker("w1")
    header = [adds.s(3), *[adds.s(0) for _ in range(3000)], adds.s(3)]

    assert chord(header)(tasks.total.s()).get() == 3002 + 6
    assert run_checks(world) == []
