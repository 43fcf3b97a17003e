"""The table of faults: each is seen where it happens, and nothing is seen where it does nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from taskq import TaskQ
from taskq_testing import World
from taskq_testing.faults import kinds
from taskq_testing.faults.kinds import FAMILIES, FAULTS
from tests.sim.faults import (  # noqa: F401 - each adds its scenes
    scenes_brokers,
    scenes_clock,
    scenes_network,
    scenes_store,
    scenes_work,
)
from tests.sim.faults.stage import SCENES, Play, Stage

PLAYS = [
    pytest.param(play, broker, id=f"{play.fault}-{broker}")
    for play in SCENES
    for broker in play.brokers
]


@pytest.mark.parametrize(("play", "broker"), PLAYS)
def test_a_fault_is_seen(
    app: TaskQ, taskq_world: Callable[..., World], play: Play, broker: str
) -> None:
    """What the scene looks for is there when the fault happens."""
    assert play.scene(Stage(app, taskq_world, broker, play.fault)) is True


@pytest.mark.parametrize(("play", "broker"), PLAYS)
def test_its_absence_is_noticed(
    app: TaskQ,
    taskq_world: Callable[..., World],
    play: Play,
    broker: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The same scene sees nothing when the fault's effect does nothing."""
    idle = replace(FAULTS[play.fault], effect=lambda _world, _given: None)
    monkeypatch.setattr(kinds, "FAULTS", {**FAULTS, play.fault: idle})

    assert play.scene(Stage(app, taskq_world, broker, play.fault)) is False


def test_every_fault_has_a_scene() -> None:
    """Sixty at least, in nine families."""
    assert {play.fault for play in SCENES} == set(FAULTS)
    assert len(FAULTS) >= 60
    assert Counter(fault.family for fault in FAULTS.values()).keys() == FAMILIES.keys()
    assert len(FAMILIES) == 9


@pytest.mark.parametrize(
    ("broker", "name", "told"),
    [
        ("redis", "amqp.consumer_timeout", "a fault of AMQP"),
        ("rabbitmq", "redis.failover", "a fault of Redis"),
        ("redis", "backend.down", "the store is the broker"),
    ],
)
def test_a_fault_that_a_broker_cannot_have_is_refused(
    app: TaskQ, taskq_world: Callable[..., World], broker: str, name: str, told: str
) -> None:
    """With a sentence that says why."""
    world = taskq_world(app, broker=broker)

    with pytest.raises(ValueError, match=told):
        world.fault(name)


@pytest.mark.parametrize(
    ("name", "given", "told"),
    [
        ("worker.kil", {}, "did you mean 'worker.kill'"),
        ("worker.kill", {}, "needs node"),
        ("network.delay", {"nod": "w1"}, "did you mean 'node'"),
        ("network.delay", {"node": "w7"}, "no node is called 'w7'"),
    ],
)
def test_what_makes_no_sense_is_refused(
    app: TaskQ, taskq_world: Callable[..., World], name: str, given: dict[str, Any], told: str
) -> None:
    """A name, a value or a node that nobody has."""
    with pytest.raises((ValueError, TypeError), match=told):
        taskq_world(app).fault(name, **given)


@pytest.mark.parametrize("broker", ["redis", "rabbitmq"])
def test_faults_leave_one_seed_one_history(app: TaskQ, broker: str) -> None:
    """Many faults at once, twice with the same seed: the same trace."""

    def run() -> str:
        with World(app, seed=7, broker=broker) as world:
            world.start_worker("w1")
            world.start_worker("w2")
            world.fault("network.delay", node="w1", by=0.3, for_=20)
            world.fault("network.drop_reply", node="client", call="publish", nth=3)
            world.fault("network.reorder", task="nap")
            world.fault("payload.corrupt_body", task="note")
            world.fault("app.raise_at", task="note", nth=2)
            world.fault("clock.drift", node="w2", by=60)
            world.at(4, lambda: world.fault("network.half_open", node="w2", notice=3))
            world.at(6, lambda: world.fault("broker.restart", for_=2))
            for number in range(6):
                stage.nap.delay(number)
                stage.note.delay(number)
            world.run_until_quiet()
            return world.trace.hash()

    stage = Stage(app, World, broker, "none")
    assert run() == run()
