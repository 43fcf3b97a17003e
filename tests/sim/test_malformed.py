"""What is no message, or no task, costs one dead letter and nothing else."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from taskq import TaskQ
from taskq.ports import ExchangeSpec, Message, Outgoing, QueueSpec
from taskq_testing import World
from taskq_testing.checks.registry import run_checks
from tests.sim.tasks import make

Make = Callable[..., World]
BROKERS = ["redis", "rabbitmq"]
QUEUE = QueueSpec("celery", ExchangeSpec("celery"), "celery")

NESTED = "[" * 100_000
BODIES = [
    b"", b"{", b"null", b"[]", b"[[],{}]", b"[1, 2, 3]", b"\xff\xfe", b'{"args": []}',
    b"[[], {}, {}, {}, {}]", b"[[NaN], {}, {}]", NESTED.encode(), b'[[], {"x": 1, "x": 2}, {}]',
    b'["not", "what", "it", "was"]', b'[[], {}, {"callbacks": 3}]',
]  # fmt: skip
HEADERS: list[dict[str, Any]] = [
    {}, {"task": None}, {"task": 3}, {"task": ""}, {"task": "nobody.knows"}, {"id": None},
    {"eta": "soon"}, {"eta": 3}, {"expires": "then"}, {"expires": {}}, {"timelimit": "long"},
    {"timelimit": [1, 2, 3]}, {"retries": "many"}, {"group": 3}, {"stamps": 1}, {"chord": "x"},
    {"compression": "unheard of"}, {"compression": 3}, {"ignore_result": "no"}, {"root_id": []},
]  # fmt: skip
TYPES = [
    ("application/json", "utf-8"), ("application/json", "utf-99"), ("application/x-none", "utf-8"),
    ("", ""), ("application/x-python-serialize", "binary"), ("text/plain", "latin-1"),
]  # fmt: skip


def mutated(good: Outgoing, draw: random.Random) -> Outgoing:
    """Spoil one or two things of a good message."""
    message = good.message
    for _ in range(draw.randint(1, 2)):
        match draw.randrange(4):
            case 0:
                message = replace(message, body=draw.choice(BODIES))
            case 1:
                headers = draw.choice(HEADERS)
                message = replace(
                    message, headers={**message.headers, **headers} if headers else {}
                )
            case 2:
                content_type, encoding = draw.choice(TYPES)
                message = replace(message, content_type=content_type, content_encoding=encoding)
            case _:
                cut = draw.randrange(len(message.body) + 1)
                message = replace(message, body=message.body[:cut])
    return replace(good, message=message)


def a_good_one(task_id: str) -> Outgoing:
    """A message of protocol 2."""
    headers = {"lang": "py", "task": "good", "id": task_id, "root_id": task_id, "retries": 0}
    body = json.dumps([[1], {}, {"callbacks": None, "errbacks": None, "chain": None}]).encode()
    return Outgoing(Message(headers, body, "application/json", "utf-8"), "", "celery")


@pytest.mark.parametrize("broker", BROKERS)
@pytest.mark.parametrize("acks_late", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_good_tasks_among_bad_ones_all_succeed(
    app: TaskQ, taskq_world: Make, broker: str, acks_late: bool, seed: int
) -> None:
    """A thousand bad ones, a hundred good ones: no worker ends, and each good one runs once."""
    good = make(app, lambda number: number, name="good", acks_late=acks_late)
    draw = random.Random(seed)
    world = taskq_world(app, broker=broker, seed=seed)
    world.start_worker("w1", slots=2)
    results = []
    port = world.ports("client").broker
    port.declare([QUEUE])
    for number in range(100):
        results.append(good.delay(number))
        bad = [mutated(a_good_one(f"bad-{number}-{n}"), draw) for n in range(9)]
        port.publish(bad)
        world.put_raw("celery", draw.choice(BODIES))
    world.run_until_quiet()

    assert [each.get() for each in results] == list(range(100))
    assert all(world.trace.count("task.start", id=each.id) == 1 for each in results)
    assert list(world.workers) == ["w1"]
    assert all(letter.reason for letter in world.dead_letters())
    assert len(world.dead_letters()) >= 100
    assert run_checks(world, ["duplicates-bounded", "claimed-once", "drained"]) == []


@pytest.mark.parametrize("broker", BROKERS)
def test_what_nobody_knows_can_be_sent_again_later(
    app: TaskQ, taskq_world: Make, broker: str
) -> None:
    """A new task reached an old worker: it waits among the dead for one that knows it."""
    new = TaskQ("new", set_as_current=False)
    task = make(new, lambda: "done", name="only.the.new.one.knows", shared=False)
    world = taskq_world(app, new, broker=broker)
    world.start_worker("old", app=app)
    result = task.delay()
    world.run_until_quiet()
    [letter] = world.dead_letters()
    world.stop_worker("old")
    world.start_worker("new", app=new)
    port: Any = world.ports("client").broker
    replayed = port.replay_dead_letters([letter.letter_id])
    world.run_until_quiet()

    assert "only.the.new.one.knows" in letter.reason
    assert replayed == 1
    assert world.trace.count("task.end", id=result.id, how="succeeded") == 1
    assert world.dead_letters() == []


JUNK: list[Any] = [
    3, "x", [1], ["x"], [{}], {"task": 3}, {"task": "good"}, {"task": "good", "options": "x"},
    {"task": "good", "args": 3, "kwargs": [], "options": {"chord": "x", "link": 3}},
    {"task": "good", "options": {"task_id": "t1", "group_id": 3}},
    {"task": "good", "options": {"chain": [{"task": "good", "options": {"link": {"task": 1}}}]}},
    {"subtask_type": "chain", "task": "celery.chain", "kwargs": {"tasks": "abc"}, "options": {}},
    {"subtask_type": "group", "task": "celery.group", "kwargs": {}, "options": {}},
    {"subtask_type": "chord", "task": "celery.chord", "kwargs": {"header": 3, "body": 4}},
]  # fmt: skip


@pytest.mark.parametrize("task", ["good", "fails", "nobody.knows"])
@pytest.mark.parametrize("part", ["callbacks", "errbacks", "chain", "chord"])
@pytest.mark.parametrize("acks_late", [False, True])
def test_what_is_to_follow_may_be_anything(
    app: TaskQ, taskq_world: Make, task: str, part: str, acks_late: bool
) -> None:
    """The worker, which looks at it when no body can, goes on."""
    good = make(app, lambda *_: 7, name="good", acks_late=acks_late)
    make(app, _fails, name="fails", acks_late=acks_late)
    world = taskq_world(app)
    world.start_worker("w1")
    for number, junk in enumerate(JUNK):
        for group in (None, "g1", {"a": 1}):
            for said in (junk, [junk]):
                headers = {"lang": "py", "task": task, "id": f"{number}", "group": group}
                body = json.dumps([[], {}, {part: said}]).encode()
                message = Message({**headers, "group_index": 0}, body, "application/json", "utf-8")
                world.ports("client").broker.publish([Outgoing(message, "", "celery")])
    world.run_until_quiet()
    result = good.delay()
    world.run_until_quiet()

    assert list(world.workers) == ["w1"]
    assert result.get() == 7


def _fails() -> None:
    raise ValueError("no")
