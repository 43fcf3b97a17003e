"""Each standing check finds what it is there for, and nothing in a good run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from taskq import TaskQ
from taskq_testing import Trace, World
from taskq_testing.checks.registry import CHECKS, run_checks

Spoil = Callable[[World, str], None]


@pytest.fixture
def world(taskq_world: Callable[..., World], taskq_app: TaskQ) -> World:
    """A world in which two tasks have run, one of them later."""

    @taskq_app.task(name="work")
    def work() -> None:
        """Do nothing."""

    world = taskq_world(taskq_app)
    world.start_worker("w1")
    work.delay()
    work.apply_async(countdown=60)
    world.run_until_quiet()
    return world


def again(world: World, what: str, at_s: float | None = None, **facts: Any) -> None:
    """Let something happen once more, as it happened last."""
    last = world.trace.find(what)[-1]
    moment = last.at_s if at_s is None else at_s
    world.trace.add(moment, last.node, what, {**last.facts, **facts})


def lose_the_ack(world: World, task_id: str) -> None:
    kept = Trace()
    for record in world.trace:
        if record.what != "broker.ack" or record.task_id != task_id:
            kept.add(record.at_s, record.node, record.what, dict(record.facts))
    world.trace = kept


def release_twice(world: World, task_id: str) -> None:
    for owner in ("a:0", "b:1"):
        world.trace.add(0.0, "w1", "chord.close", {"group": task_id, "owner": owner})


def begin_though_revoked(world: World, task_id: str) -> None:
    facts = {"id": task_id, "until_s": world.start_s + 3600, "headers": "{}", "terminate": False}
    world.trace.add(world.now_s - 1, "w1", "worker.revoke", facts)
    world.trace.add(world.now_s, "w1", "task.start", {"id": task_id, "retries": 0})


def leave_one(world: World, task_id: str) -> None:
    del task_id
    world.stop_worker("w1")
    world.run_until_quiet()
    world.apps[0].tasks["work"].delay()


def store_without_the_lease(world: World, task_id: str) -> None:
    world.trace.add(1.0, "w2", "broker.restore", {"id": task_id, "of": "celery@w1"})
    again(world, "result.store", id=task_id)


def give_up_in_silence(world: World, task_id: str) -> None:
    del task_id
    world.trace.add(1.0, "w1", "broker.dead", {"id": "unspoken", "task": "work", "reason": "none"})


def take_too_long(world: World, task_id: str) -> None:
    del task_id
    facts = {"call": "publish", "took_s": 30.0, "limit_s": 10.0}
    world.trace.add(40.0, "client", "call.late", facts)


def forget_the_body(world: World, task_id: str) -> None:
    facts = {"id": task_id, "group": "g", "done": 2, "size": 2}
    world.trace.add(1.0, "w1", "chord.count", facts)


def leave_a_listener(world: World, task_id: str) -> None:
    end = world.stations["w1"].store()
    world.store.listeners[task_id] = {end: None}


SPOILT: dict[str, Spoil] = {
    "nothing-lost": lose_the_ack,
    "duplicates-bounded": lambda world, _: again(world, "task.start"),
    "claimed-once": lambda world, _: again(world, "task.start"),
    "eta-not-early": lambda world, _: again(world, "task.start", at_s=59.0),
    "revoked-stays": begin_though_revoked,
    "final-stays": lambda world, _: again(world, "result.store", state="RETRY"),
    "chord-body-once": release_twice,
    "fenced": store_without_the_lease,
    "given-up-aloud": give_up_in_silence,
    "call-in-time": take_too_long,
    "chord-ends": forget_the_body,
    "nothing-left": leave_a_listener,
    "drained": leave_one,
}


def test_a_good_run_breaks_no_promise(world: World) -> None:
    """Else a check would cry wolf."""
    assert run_checks(world) == []


@pytest.mark.parametrize("name", CHECKS)
def test_a_spoilt_run_breaks_its_promise(world: World, name: str) -> None:
    """The check names itself, says what happened, and shows the records."""
    task_id = world.trace.find("task.send")[0].task_id
    assert task_id is not None
    SPOILT[name](world, task_id)
    findings = run_checks(world, [name])

    assert [finding.check for finding in findings] == [name]
    assert name in str(findings[0])
