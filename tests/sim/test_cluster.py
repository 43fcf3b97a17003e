"""Workers among each other, in virtual time: who is there, who is elected, what it costs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from taskq import TaskQ
from taskq.core.cluster import ANSWERERS
from taskq_testing import World

Make = Callable[..., World]

BEAT_S = 2
# Long enough to know all others, and to miss one that is gone.
A_WHILE_S = 5 * BEAT_S


@pytest.fixture(params=["redis", "rabbitmq"])
def broker(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


def start(world: World, *names: str) -> None:
    """Start workers that have to do with each other."""
    for name in names:
        world.start_worker(name, heartbeat_interval=BEAT_S, gossip=True, mingle=True)


def sizes(world: World) -> dict[str, int]:
    """How many workers each worker knows, itself counted."""
    found: dict[str, int] = {}
    for name, node in world.workers.items():
        drive: Any = node._drive
        found[name] = drive.liaison.cluster.size
    return found


def published(world: World, since_s: float) -> Counter[str]:
    """What was published that is no task: by exchange and, of events, by kind."""
    sent = [each for each in world.trace.records if each.what == "message.send"]
    return Counter(
        each.facts["key"] or each.facts["exchange"] for each in sent if each.at_s >= since_s
    )


def test_all_know_all(app: TaskQ, taskq_world: Make, broker: str) -> None:
    """Who joins, who leaves, who is gone without a word."""
    world = taskq_world(app, broker=broker)
    start(world, "a", "b", "c", "d")
    world.run_for(A_WHILE_S)
    four = sizes(world)
    world.kill("b")
    world.stop_worker("c")
    world.run_for(A_WHILE_S)

    assert four == dict.fromkeys("abcd", 4)
    assert sizes(world) == {"a": 2, "d": 2}


def test_who_is_cut_off_is_missed_and_comes_back(
    app: TaskQ, taskq_world: Make, broker: str
) -> None:
    """To the others it is gone; to it they are."""
    world = taskq_world(app, broker=broker)
    start(world, "a", "b")
    world.run_for(A_WHILE_S)
    world.cut("a", for_s=A_WHILE_S)
    world.run_for(A_WHILE_S - 1)
    apart = sizes(world)["b"]
    world.run_for(6 * A_WHILE_S)

    assert apart == 1
    assert sizes(world) == {"a": 2, "b": 2}


@pytest.mark.parametrize("seed", range(10))
def test_one_is_elected(app: TaskQ, taskq_world: Make, broker: str, seed: int) -> None:
    """Whoever hears what first: the winner acts once."""
    world = taskq_world(app, broker=broker, seed=seed)
    ran: list[int] = []

    @app.task(name="elected")
    def act() -> None:
        ran.append(1)

    start(world, "a", "b", "c")
    world.run_for(A_WHILE_S)
    for number in range(3):
        app.control.election(f"e{number}", "task", {"task": "elected", "args": [], "kwargs": {}})
    world.run_for(A_WHILE_S)

    assert len(ran) == 3


def test_an_election_does_not_wait_for_the_dead(app: TaskQ, taskq_world: Make, broker: str) -> None:
    """It is decided without who cannot vote."""
    world = taskq_world(app, broker=broker)
    ran: list[int] = []

    @app.task(name="elected")
    def act() -> None:
        ran.append(1)

    start(world, "a", "b", "c")
    world.run_for(A_WHILE_S)
    world.kill("a")
    app.control.election("e", "task", {"task": "elected", "args": [], "kwargs": {}})
    world.run_for(A_WHILE_S)

    assert len(ran) == 1


def test_a_crowd_that_starts_together_does_not_shout(
    app: TaskQ, taskq_world: Make, broker: str
) -> None:
    """A fixed number of messages for each worker, however many there are."""
    world = taskq_world(app, broker=broker)
    crowd = 30
    began_s = world.now_s
    for number in range(crowd):
        start(world, f"w{number}")
        world.run_for(0.3)
    world.run_for(BEAT_S)
    sent = published(world, began_s)
    quiet_s = world.now_s
    world.run_for(10 * BEAT_S)
    beats = published(world, quiet_s)

    assert sizes(world) == {f"w{number}": crowd for number in range(crowd)}
    assert sent["worker.online"] == crowd
    assert sent["celery.pidbox"] == crowd  # greetings
    replies = sum(sent.values()) - sum(
        sent[key] for key in ("worker.online", "worker.heartbeat", "celery.pidbox")
    )
    # A worker that has just come does not know yet that others answer as well.
    assert replies <= 2 * ANSWERERS * crowd
    assert set(beats) == {"worker.heartbeat"}
    assert beats.total() <= 11 * crowd
