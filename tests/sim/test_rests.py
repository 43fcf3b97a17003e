"""Long chains: their messages stay short, every step is sent once, wherever somebody dies."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from taskq import TaskQ
from taskq.canvas import chain, chord, group
from taskq.canvas.rests import REST_TASK
from taskq.signals import before_task_publish
from taskq_testing import World
from taskq_testing.checks.registry import run_checks
from taskq_testing.sim.trace import Record

HERE = "tests.sim.test_rests"
BROKERS = pytest.mark.parametrize("broker", ["redis", "rabbitmq"])
WINDOW = 4


@pytest.fixture
def tasks(app: TaskQ) -> TaskQ:
    app.conf.task_acks_late = True
    app.conf.taskq_chain_window = WINDOW

    @app.task
    def add(x: int, y: int) -> int:
        return x + y

    @app.task
    def total(numbers: list[int]) -> int:
        return sum(numbers)

    @app.task
    def fail(*_given: Any) -> None:
        raise ValueError("no")

    @app.task
    def told(task_id: str) -> str:
        return task_id

    @app.task(bind=True, max_retries=3)
    def flaky(self: Any, x: int) -> int:
        if self.request.retries < 2:
            raise self.retry(countdown=1)
        return x + 1

    @app.task(bind=True)
    def longer(self: Any, x: int, more: int) -> int:
        add = self.app.tasks[f"{HERE}.add"]
        raise self.replace(chain(add.s(x, 1), *(add.s(1) for _ in range(more - 1))))

    return app


def task(app: TaskQ, name: str) -> Any:
    return app.tasks[f"{HERE}.{name}"]


def counting(app: TaskQ, length: int) -> Any:
    """A chain of so many steps whose result is their number."""
    add = task(app, "add")
    return chain(add.s(0, 1), *(add.s(1) for _ in range(length - 1)))


def sent(world: World, name: str = "add") -> list[Record]:
    return [r for r in world.trace.find("task.send") if str(r.facts["task"]).endswith(name)]


def test_messages_do_not_grow_with_the_chain(
    tasks: TaskQ, taskq_world: Callable[..., World]
) -> None:
    """Only the client's message has all steps in it."""
    largest = {}
    for length in (50, 400):
        world = taskq_world(tasks)
        world.start_worker("w1")
        assert counting(tasks, length)().get() == length
        world.run_until_quiet()
        first, *others = [len(record.facts["body"]) for record in sent(world)]
        assert first > 200 * length
        largest[length] = max(others)
        assert run_checks(world) == []
        world.close()

    assert largest[400] <= largest[50] + 20 < 4000


def test_a_chain_of_10000_is_linear(tasks: TaskQ, taskq_world: Callable[..., World]) -> None:
    """All of its bytes together are a few times those of the client's message; it is kept once."""
    tasks.conf.taskq_chain_window = 16
    world = taskq_world(tasks)
    world.start_worker("w1")

    assert counting(tasks, 10_000)().get() == 10_000
    client, *others = [len(record.facts["body"]) for record in sent(world)]
    [kept] = world.trace.find("rest.keep")
    assert len(others) == 9_999
    assert max(others) < 10_000
    assert sum(others) < 20 * client
    assert kept.facts["bytes"] < 2 * client
    assert world.trace.count("rest.load") == kept.facts["windows"]


@pytest.mark.parametrize("length", [2, 2 * WINDOW, 2 * WINDOW + 1])
def test_a_short_chain_travels_as_a_whole(
    tasks: TaskQ, taskq_world: Callable[..., World], length: int
) -> None:
    """Nothing is kept of it, or asked for."""
    world = taskq_world(tasks)
    world.start_worker("w1")

    assert counting(tasks, length)().get() == length
    assert world.trace.count("rest.keep") == 0


def test_where_it_is_switched_off_everything_travels(
    tasks: TaskQ, taskq_world: Callable[..., World]
) -> None:
    """For fleets in which others meet the messages too."""
    tasks.conf.taskq_chain_window = 0
    world = taskq_world(tasks)
    world.start_worker("w1")

    assert counting(tasks, 60)().get() == 60
    assert world.trace.count("rest.keep") == 0


def test_a_message_says_where_its_chain_goes_on(
    tasks: TaskQ, taskq_world: Callable[..., World]
) -> None:
    """In a header that others ignore, and only where it does."""
    world = taskq_world(tasks)
    world.start_worker("w1")
    told: list[str | None] = []

    def hear(headers: Mapping[str, Any], **_said: Any) -> None:
        told.append(headers.get("taskq-rest"))

    before_task_publish.connect(hear)
    try:
        assert counting(tasks, 20)().get() == 20
    finally:
        before_task_publish.disconnect(hear)

    kept = sent(world)[0].task_id
    # Window 0 is named until it has been read, and so on; behind the fourth there is nothing.
    assert told == [None, *(f"{kept}:{n // 4}" for n in range(16)), *[None] * 3]


def killed_at_every_step(
    app: TaskQ, taskq_world: Callable[..., World], broker: str, make: Callable[[], Any], by: int
) -> Iterator[tuple[World, Any, str]]:
    """Worlds in which one of two workers died after a number of steps."""
    for steps in itertools.count(1, by):
        world = taskq_world(app, broker=broker, seed=steps % 7)
        world.start_worker("w1")
        world.start_worker("w2")
        result = make().apply_async()
        if not all(world.step() for _ in range(steps)):
            world.close()
            return
        world.kill("w1")
        world.run_until_quiet()
        yield world, result, f"killed after {steps} steps"
        world.close()


@BROKERS
def test_every_step_is_sent_once_wherever_a_worker_dies(
    tasks: TaskQ, taskq_world: Callable[..., World], broker: str
) -> None:
    """Where publishing and settling are two steps, a step that runs again sends the same again."""
    tried = 0
    for world, result, told in killed_at_every_step(
        tasks, taskq_world, broker, lambda: counting(tasks, 14), 2
    ):
        assert (result.state, result.result) == ("SUCCESS", 14), told
        ids = Counter(record.task_id for record in sent(world))
        assert len(ids) == 14, told
        assert max(ids.values()) <= (2 if broker == "rabbitmq" else 1), told
        assert world.trace.count("task.send", task=REST_TASK) == 0, told
        assert run_checks(world) == [], told
        tried += 1
    assert tried > 30


def test_what_follows_is_there_before_the_message_that_refers_to_it(
    tasks: TaskQ, taskq_world: Callable[..., World]
) -> None:
    """So a message never names what nobody has kept."""
    world = taskq_world(tasks)
    world.start_worker("w1")
    assert counting(tasks, 30)().get() == 30

    [kept], second = world.trace.find("rest.keep"), sent(world)[1]
    assert kept.facts["id"] == sent(world)[0].task_id
    assert kept.index < second.index


CANVASES: dict[str, tuple[Callable[[TaskQ], Any], Any]] = {
    "chains in the header of a chord": (
        lambda app: chord([counting(app, 15), counting(app, 20)], task(app, "total").s()),
        35,
    ),
    "a chord in the middle": (
        lambda app: chain(
            counting(app, 14),
            group(task(app, "add").s(1), task(app, "add").s(2)),
            task(app, "total").s(),
            *(task(app, "add").s(1) for _ in range(14)),
        ),
        45,
    ),
    "a chain as body of a chord": (
        lambda app: chord(
            [task(app, "add").s(1, 1)],
            chain(task(app, "total").s(), *(task(app, "add").s(1) for _ in range(20))),
        ),
        22,
    ),
    "steps that retry": (
        lambda app: chain(
            counting(app, 6),
            *(
                task(app, name).s(*given)
                for name, given in [("flaky", ()), ("add", (1,))] * 6
            ),
        ),
        18,
    ),
    "a step that is replaced by a long chain": (
        lambda app: chain(
            counting(app, 6),
            task(app, "longer").s(12),
            *(task(app, "add").s(1) for _ in range(12)),
        ),
        30,
    ),
    "the last step is replaced by a long chain": (
        lambda app: chain(counting(app, 20), task(app, "longer").s(12)),
        32,
    ),
    "a chain of chains": (
        lambda app: chain(*(chain(*(task(app, "add").s(1) for _ in range(6))) for _ in range(3))),
        18,
    ),
}  # fmt: skip


@BROKERS
@pytest.mark.parametrize("name", CANVASES)
def test_every_canvas_with_a_long_chain_in_it_comes_to_its_end(
    tasks: TaskQ, taskq_world: Callable[..., World], broker: str, name: str
) -> None:
    """Each step runs once, and what comes of it is right."""
    make, expected = CANVASES[name]
    world = taskq_world(tasks, broker=broker)
    world.start_worker("w1")
    world.start_worker("w2")
    canvas = make(tasks)
    args = (0,) if name == "a chain of chains" else ()

    assert canvas.apply_async(args).get() == expected
    world.run_until_quiet()
    assert world.trace.count("rest.load") > 0
    assert run_checks(world) == []


@pytest.mark.parametrize("at", [0, 1, 7, 18, 19])
def test_a_failure_is_told_for_every_step_behind_it(
    tasks: TaskQ, taskq_world: Callable[..., World], at: int
) -> None:
    """Those in the store too; the errback of the chain is sent once, and the chord fails."""
    add, fail, told = (task(tasks, name) for name in ("add", "fail", "told"))
    steps = [add.s(0, 1) if at else fail.s(), *(add.s(1) for _ in range(19))]
    steps[at] = fail.s()
    world = taskq_world(tasks)
    world.start_worker("w1")
    result = chord([chain(*steps).on_error(told.s()), add.s(1, 1)], task(tasks, "total").s())()
    world.run_until_quiet()

    member = result.parent.results[0]
    states = []
    while member is not None:
        states.append(member.state)
        member = member.parent
    assert states[::-1] == ["SUCCESS"] * at + ["FAILURE"] * (20 - at)
    assert result.state == "FAILURE"
    assert len(sent(world, "told")) == 1
    assert run_checks(world) == []


@pytest.mark.parametrize("members", [1, 3])
def test_a_chain_that_ends_in_a_group_is_told_of_too(
    tasks: TaskQ, taskq_world: Callable[..., World], members: int
) -> None:
    """Its last step does not travel; in a chord it does, for the chord counts its members."""
    add, fail, total = (task(tasks, name) for name in ("add", "fail", "total"))
    ends = group(add.s(1) for _ in range(members))
    steps = [add.s(0, 1), fail.s(), *(add.s(1) for _ in range(20))]
    world = taskq_world(tasks)
    world.start_worker("w1")
    alone = chain(*steps, ends)()
    inside = chord([chain(*steps, ends), add.s(1, 1)], total.s())()
    world.run_until_quiet()

    assert {each.state for each in alone.results} == {"FAILURE"}
    assert inside.state == "FAILURE"
    assert run_checks(world) == []


def test_a_rest_that_is_gone_fails_what_is_left(
    tasks: TaskQ, taskq_world: Callable[..., World]
) -> None:
    """It says what is missing; whoever waits for the last step is told, and errbacks are sent."""
    told = task(tasks, "told")
    world = taskq_world(tasks)
    world.start_worker("w1")
    result = counting(tasks, 30).on_error(told.s())()
    world.run_until(lambda: world.trace.count("rest.load") == 2)
    world.store._rests.clear()
    world.run_until_quiet()

    assert result.state == "FAILURE"
    assert "taskq_chain_window" in str(result.result)
    assert len(sent(world, "told")) == 1
    assert run_checks(world) == []


def test_a_chain_outlives_a_store_that_is_away(
    tasks: TaskQ, taskq_world: Callable[..., World]
) -> None:
    """The marker goes out as a task, which tries again until the store is back."""
    world = taskq_world(tasks, broker="rabbitmq")
    world.start_worker("w1")
    result = counting(tasks, 30)()
    world.run_until(lambda: world.trace.count("rest.load") == 1)
    world.cut_store("w1", for_s=20)
    world.run_until_quiet()

    assert (result.state, result.result) == ("SUCCESS", 30)
    assert run_checks(world) == []


def test_a_rest_outlives_results(tasks: TaskQ, taskq_world: Callable[..., World]) -> None:
    """Results are kept for a minute here; steps may wait for hours."""
    tasks.conf.result_expires = 60
    add = task(tasks, "add")
    world = taskq_world(tasks)
    world.start_worker("w1")
    steps = (add.s(1).set(countdown=3600) for _ in range(12))
    result = chain(counting(tasks, 10), *steps)()

    assert result.get() == 22
    assert world.trace.count("task.send", task=REST_TASK) == 0
