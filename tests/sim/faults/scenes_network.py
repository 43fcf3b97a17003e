"""Scenes of the way between a node and the broker."""

from __future__ import annotations

from taskq.errors import OperationalError
from tests.sim.faults.stage import Stage, shows


@shows("network.drop")
def drop(stage: Stage) -> bool:
    """Nothing was stored, and who sends without retries is told so."""
    stage.world()
    stage.happens(node="client", call="publish")
    try:
        stage.note.apply_async((1,), retry=False)
    except OperationalError:
        stage.open.run_until_quiet()
        return stage.ran == []
    return False


@shows("network.drop_reply")
def drop_reply(stage: Stage) -> bool:
    """Nobody knows whether it was stored; it was."""
    stage.world()
    stage.happens(node="client", call="publish")
    try:
        stage.note.apply_async((1,), retry=False)
    except OperationalError:
        stage.open.run_until_quiet()
        return stage.ran == [1]
    return False


@shows("network.drop_reply")
def drop_the_reply_of_a_worker(stage: Stage) -> bool:
    """What was popped and not read is found again; no body begins twice."""
    world = stage.world()
    stage.happens(node="w1", call="take", nth=2)
    result = stage.nap.delay()
    world.run_until_quiet()
    lost = world.trace.count("worker.disconnect", node="w1") == 1
    return lost and world.trace.count("task.start") == 1 and result.get() == "slept"


@shows("network.delay")
def delay(stage: Stage) -> bool:
    """Each message of the client takes two seconds."""
    stage.world()
    stage.happens(node="client", by=2, for_=60)
    return stage.took(lambda: stage.note.delay(1)) >= 2


@shows("network.duplicate")
def duplicate(stage: Stage) -> bool:
    """One call, two messages."""
    world = stage.world()
    stage.happens(task="note")
    stage.note.delay(1)
    world.run_until_quiet()
    return stage.ran == [1, 1]


@shows("network.reorder")
def reorder(stage: Stage) -> bool:
    """The second overtakes the first."""
    world = stage.make(stage.app, broker=stage.broker)
    stage.open = world
    stage.happens(task="note")
    stage.note.delay(1)
    stage.note.delay(2)
    world.start_worker("w1", slots=1)
    world.run_until_quiet()
    return stage.ran == [2, 1]


@shows("network.reorder")
def held_up(stage: Stage) -> bool:
    """With nothing behind it, it comes late."""
    world = stage.world()
    stage.happens(task="note", for_=30)
    stage.note.delay(1)
    world.run_until(lambda: stage.ran)
    return world.now_s >= 30


@shows("network.one_way")
def one_way(stage: Stage) -> bool:
    """It is stored, and the sender who hears nothing sends it again."""
    world = stage.world()
    stage.happens(node="client", lost="replies", notice=3, for_=5)
    stage.note.delay(1)
    world.run_until_quiet()
    return len(stage.ran) > 1


@shows("network.half_open")
def half_open(stage: Stage) -> bool:
    """Nothing is stored, and the sender notices after a while."""
    world = stage.world()
    stage.happens(node="client", notice=3, for_=5)
    took_s = stage.took(lambda: stage.note.delay(1))
    world.run_until_quiet()
    return took_s >= 3 and stage.ran == [1]


@shows("network.reset")
def reset(stage: Stage) -> bool:
    """A worker connects again at once."""
    world = stage.begun()
    stage.happens(node="w1")
    world.run_until_quiet()
    return world.trace.count("worker.connect", node="w1") == 1 and stage.result.get() == "slept"


@shows("network.clog")
def clog(stage: Stage) -> bool:
    """A body of a thousand bytes takes five seconds and more."""
    stage.world()
    stage.happens(node="client", bytes_per_s=200, for_=60)
    return stage.took(lambda: stage.note.delay("x" * 1000)) >= 5


@shows("network.dns")
def dns(stage: Stage) -> bool:
    """What is connected stays so; what breaks cannot be mended."""
    world = stage.begun()
    stage.happens(node="w1", for_=30)
    world.reset("w1")
    world.run_until(lambda: world.trace.count("worker.connect", node="w1"))
    return world.now_s >= 30


@shows("network.partition")
def partition(stage: Stage) -> bool:
    """Two workers are cut off, a third one works."""
    world = stage.world("w1", "w2", "w3")
    world.run_for(1)
    stage.happens(nodes="w1,w2", for_=60)
    for _ in range(30):
        stage.nap.delay()
    world.run_until_quiet()
    early = [record for record in world.trace.find("task.start") if record.at_s < 60]
    return {record.node for record in early} == {"w3"}
