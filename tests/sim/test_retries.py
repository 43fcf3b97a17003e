"""A task that is tried again is the same task: how often, when, and what becomes of it."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from taskq import TaskQ, chord
from taskq.errors import Ignore, MaxRetriesExceededError, Reject, Retry
from taskq_testing import World
from taskq_testing.checks.registry import run_checks
from tests.sim.tasks import make

BROKERS = ["redis", "rabbitmq"]
Make = Callable[..., World]


def starts_s(world: World) -> list[float]:
    """When each body began, in virtual seconds."""
    return [round(record.at_s, 3) for record in world.trace.find("task.start")]


@pytest.mark.parametrize("broker", BROKERS)
@pytest.mark.parametrize("acks_late", [False, True])
def test_a_retry_is_the_same_task(
    app: TaskQ, taskq_world: Make, broker: str, acks_late: bool
) -> None:
    """Its id, root and origin stay; the count of its retries goes up, and it is its own parent."""
    seen: list[dict[str, Any]] = []

    @app.task(bind=True, acks_late=acks_late)
    def flaky(self: Any) -> str:
        request = self.request
        seen.append(
            {
                "id": request.id,
                "retries": request.retries,
                "parent": request.parent_id,
                "root": request.root_id,
                "origin": request.origin,
            }
        )
        if request.retries < 2:
            raise self.retry(countdown=30)
        return "well"

    world = taskq_world(app, broker=broker)
    world.start_worker("w1")
    result = flaky.delay()
    world.run_until_quiet()

    assert result.get() == "well"
    assert [each.pop("retries") for each in seen] == [0, 1, 2]
    assert [each.pop("parent") for each in seen] == [None, result.id, result.id]
    assert seen[0] == seen[1] == seen[2]
    assert seen[0]["id"] == result.id
    assert starts_s(world) == [0, 30, 60]
    assert run_checks(world) == []


def test_its_state_is_retry_until_it_ends(app: TaskQ, taskq_world: Make) -> None:
    """Whoever asks in between is told why."""

    @app.task(bind=True, max_retries=1)
    def flaky(self: Any) -> None:
        try:
            raise ConnectionError("down")
        except ConnectionError as error:
            raise self.retry(exc=error, countdown=60) from error

    world = taskq_world(app)
    world.start_worker("w1")
    result = flaky.delay()
    world.run_for(30)

    assert result.state == "RETRY"
    assert isinstance(result.result, ConnectionError)
    world.run_until_quiet()
    assert result.state == "FAILURE"


@pytest.mark.parametrize(
    ("options", "given", "most"),
    [
        ({}, {}, 4),  # three retries, unless told otherwise
        ({"max_retries": 0}, {}, 1),
        ({"max_retries": 5}, {}, 6),
        ({"max_retries": 5}, {"max_retries": 1}, 2),
    ],
)
def test_there_are_no_more_retries_than_allowed(
    app: TaskQ, taskq_world: Make, options: dict[str, Any], given: dict[str, Any], most: int
) -> None:
    """Then the task fails, and says that its retries are over."""

    def hopeless(self: Any) -> None:
        raise self.retry(countdown=1, **given)

    hopeless_task = make(app, hopeless, bind=True, **options)

    world = taskq_world(app)
    world.start_worker("w1")
    result = hopeless_task.delay()
    world.run_until_quiet()

    assert world.trace.count("task.start") == most
    with pytest.raises(MaxRetriesExceededError):
        result.get()
    assert run_checks(world) == []


def test_no_limit_means_no_limit(app: TaskQ, taskq_world: Make) -> None:
    """``max_retries=None``: as often as it takes."""

    @app.task(bind=True, max_retries=None, default_retry_delay=60)
    def patient(self: Any) -> int:
        if self.request.retries < 200:
            raise self.retry()
        return int(self.request.retries)

    world = taskq_world(app)
    world.start_worker("w1")

    assert patient.delay().get() == 200
    assert world.now_s == pytest.approx(200 * 60, abs=1)


def test_the_given_error_is_what_it_fails_with(app: TaskQ, taskq_world: Make) -> None:
    """``exc`` takes the place of "no more retries"."""

    @app.task(bind=True, max_retries=2)
    def hopeless(self: Any) -> None:
        raise self.retry(exc=ValueError("the last word"), countdown=1)

    world = taskq_world(app)
    world.start_worker("w1")
    result = hopeless.delay()

    with pytest.raises(ValueError, match="the last word"):
        result.get()


@pytest.mark.parametrize(
    ("how", "expected_s"),
    [
        ({"countdown": 90}, 90),
        ({"eta": datetime(2030, 1, 1, 2, tzinfo=UTC)}, 7200),
        ({}, 180),  # the default
    ],
)
def test_it_comes_again_when_it_was_told(
    app: TaskQ, taskq_world: Make, how: dict[str, Any], expected_s: float
) -> None:
    """After a countdown, at a moment, or after the default delay."""

    @app.task(bind=True)
    def once(self: Any) -> None:
        if not self.request.retries:
            raise self.retry(**how)

    world = taskq_world(app, start="2030-01-01T00:00:00Z")
    world.start_worker("w1")
    once.delay()
    world.run_until_quiet()

    assert starts_s(world) == [0, expected_s]


def test_it_may_come_with_other_arguments_to_another_queue(app: TaskQ, taskq_world: Make) -> None:
    """``args``, ``kwargs`` and options of ``apply_async``."""
    seen: list[tuple[Any, ...]] = []

    @app.task(bind=True)
    def move(self: Any, *args: Any, **kwargs: Any) -> None:
        seen.append((args, kwargs, self.request.delivery_info["routing_key"]))
        if not self.request.retries:
            raise self.retry(args=(2,), kwargs={"x": 3}, queue="other", countdown=1)

    world = taskq_world(app)
    world.start_worker("w1")
    world.start_worker("w2", queues=["other"])
    move.delay(1)
    world.run_until_quiet()

    assert seen == [((1,), {}, "celery"), ((2,), {"x": 3}, "other")]


def test_some_errors_are_tried_again_by_themselves(app: TaskQ, taskq_world: Make) -> None:
    """``autoretry_for`` with its own limit; ``dont_autoretry_for`` wins."""

    @app.task(
        autoretry_for=(OSError,),
        dont_autoretry_for=(PermissionError,),
        retry_kwargs={"max_retries": 2, "countdown": 10},
    )
    def fetch(error: str) -> None:
        raise {"down": ConnectionError, "denied": PermissionError, "wrong": ValueError}[error]

    world = taskq_world(app)
    world.start_worker("w1")
    results = {word: fetch.delay(word) for word in ("down", "denied", "wrong")}
    world.run_until_quiet()
    starts = {word: world.trace.count("task.start", id=each.id) for word, each in results.items()}

    assert starts == {"down": 3, "denied": 1, "wrong": 1}
    assert {word: type(each.result).__name__ for word, each in results.items()} == {
        "down": "ConnectionError",
        "denied": "PermissionError",
        "wrong": "ValueError",
    }


def test_pauses_double_up_to_a_maximum(app: TaskQ, taskq_world: Make) -> None:
    """``retry_backoff`` is the first one in seconds."""

    @app.task(
        autoretry_for=(OSError,),
        max_retries=6,
        retry_backoff=5,
        retry_backoff_max=60,
        retry_jitter=False,
    )
    def fetch() -> None:
        raise OSError

    world = taskq_world(app)
    world.start_worker("w1")
    fetch.delay()
    world.run_until_quiet()
    begun = starts_s(world)

    assert [after - before for before, after in itertools.pairwise(begun)] == [
        5, 10, 20, 40, 60, 60,
    ]  # fmt: skip


def test_jitter_spreads_them_below_the_pause(app: TaskQ, taskq_world: Make) -> None:
    """So tasks that failed together do not come back together; one seed is one history."""

    @app.task(autoretry_for=(OSError,), max_retries=1, retry_backoff=100)
    def fetch() -> None:
        raise OSError

    def pauses(seed: int) -> list[float]:
        with taskq_world(app, seed=seed) as world:
            world.start_worker("w1", slots=4)
            results = [fetch.delay() for _ in range(20)]
            world.run_until_quiet()
            return [world.trace.find("task.start", id=each.id)[1].at_s for each in results]

    first = pauses(1)

    assert len(set(first)) > 10
    assert all(0 <= pause <= 101 for pause in first)
    assert pauses(1) == first
    assert pauses(2) != first


def test_a_body_may_raise_its_own_retry(app: TaskQ, taskq_world: Make) -> None:
    """``Retry`` by hand: stored as such; nothing follows, as it carries no call."""

    @app.task
    def by_hand() -> None:
        raise Retry("later", when=60)

    world = taskq_world(app)
    world.start_worker("w1")
    result = by_hand.delay()
    world.run_until_quiet()

    assert (result.state, world.trace.count("task.start")) == ("RETRY", 1)
    assert run_checks(world) == []


@pytest.mark.parametrize("broker", BROKERS)
def test_ignore_leaves_no_result(app: TaskQ, taskq_world: Make, broker: str) -> None:
    """The message is done with, and the state is what the body has set."""

    @app.task(bind=True)
    def ignored(self: Any) -> None:
        self.update_state(state="MINE", meta={"at": 1})
        raise Ignore

    world = taskq_world(app, broker=broker)
    world.start_worker("w1")
    result = ignored.delay()
    world.run_until_quiet()

    assert (result.state, result.info) == ("MINE", {"at": 1})
    assert world.trace.count("broker.ack") == 1 or broker == "rabbitmq"
    assert run_checks(world) == []


@pytest.mark.parametrize("broker", BROKERS)
def test_reject_puts_it_among_the_dead_letters(app: TaskQ, taskq_world: Make, broker: str) -> None:
    """Under late acks, with its reason; it is not run again."""

    @app.task(acks_late=True)
    def refused() -> None:
        raise Reject("not like this", requeue=False)

    world = taskq_world(app, broker=broker)
    world.start_worker("w1")
    result = refused.delay()
    world.run_until_quiet()

    [letter] = world.dead_letters()
    assert letter.message is not None
    assert letter.message.headers["id"] == result.id
    assert "not like this" in letter.reason
    assert world.trace.count("task.start") == 1


@pytest.mark.parametrize("broker", BROKERS)
def test_reject_with_requeue_gives_it_to_anyone(app: TaskQ, taskq_world: Make, broker: str) -> None:
    """Until some worker takes it."""
    turns: list[str] = []

    @app.task(bind=True, acks_late=True)
    def choosy(self: Any) -> str:
        time.sleep(1)
        turns.append(self.request.hostname)
        if len(turns) < 3:
            raise Reject("somebody else", requeue=True)
        return "taken"

    world = taskq_world(app, broker=broker)
    world.start_worker("w1", slots=1)
    world.start_worker("w2", slots=1)
    result = choosy.delay()
    world.run_until_quiet()

    assert result.get() == "taken"
    assert len(turns) == 3
    assert run_checks(world) == []


def test_an_expected_failure_is_a_failure_all_the_same(app: TaskQ, taskq_world: Make) -> None:
    """``throws`` changes how loud the log is about it."""

    @app.task(throws=(KeyError,))
    def looks_up() -> None:
        raise KeyError("nobody")

    world = taskq_world(app)
    world.start_worker("w1")
    result = looks_up.delay()
    world.run_until_quiet()

    assert result.state == "FAILURE"
    [line] = world.trace.find("worker.say", line="task failed")
    assert line.facts["level"] == "INFO"


@pytest.mark.parametrize("broker", BROKERS)
def test_ten_retries_are_eleven_bodies(app: TaskQ, taskq_world: Make, broker: str) -> None:
    """Waiting between them loses none and doubles none, however often it is."""

    @app.task(bind=True, acks_late=True, max_retries=10)
    def often(self: Any) -> int:
        if self.request.retries < 10:
            raise self.retry(countdown=3600)
        return int(self.request.retries)

    world = taskq_world(app, broker=broker)
    for name in ("w1", "w2", "w3"):
        world.start_worker(name)
    result = often.delay()
    world.run_until_quiet()

    assert result.get() == 10
    assert world.trace.count("task.start") == 11
    assert timedelta(seconds=world.now_s) >= timedelta(hours=10)
    assert run_checks(world) == []


@pytest.mark.parametrize("broker", BROKERS)
@pytest.mark.parametrize("seed", range(5))
def test_retries_in_a_chord_are_counted_whatever_dies(
    app: TaskQ, taskq_world: Make, broker: str, seed: int
) -> None:
    """Each attempt begins once, and once more for each death; the chord comes to its end."""

    @app.task(bind=True, acks_late=True, autoretry_for=(OSError,), max_retries=3, retry_backoff=1)
    def member(self: Any, number: int) -> int:
        time.sleep(1)
        if self.request.retries < number % 3:
            raise OSError
        return number

    total = app.task(name="total", acks_late=True)(sum)
    world = taskq_world(app, broker=broker, seed=seed)
    world.start_worker("w1", slots=4)
    result = chord([member.s(number) for number in range(12)])(total.s())
    for at_s in (1.5, 2.5, 4.5):
        world.at(at_s, lambda: world.kill_child("w1"))
    world.run_until_quiet()

    assert result.get() == sum(range(12))
    kills = world.trace.count("fault.kill_process")
    assert world.trace.count("task.start", task=member.name) <= 12 + 12 + kills
    assert world.trace.count("task.start", task="total") <= 1 + kills
    assert run_checks(world) == []
