"""Scenes of brokers: of both kinds, of Redis, of AMQP."""

from __future__ import annotations

from contextlib import suppress

from taskq.errors import OperationalError
from tests.sim.faults.stage import Stage, shows

# -- both --------------------------------------------------------------------------------------


@shows("broker.lose_connection")
def lose_connection(stage: Stage) -> bool:
    """The worker connects again when it can."""
    world = stage.begun()
    stage.happens(node="w1", for_=30)
    world.run_until(lambda: world.trace.count("worker.connect", node="w1") or world.quiet)
    return world.trace.count("worker.connect") == 1 and world.now_s >= 30


@shows("broker.restart")
def restart(stage: Stage) -> bool:
    """Everybody connects again; nothing that was on disk is lost."""
    world = stage.begun()
    stage.note.apply_async((1,), countdown=60)
    stage.happens(for_=10)
    world.run_until_quiet()
    return world.trace.count("worker.connect") == 1 and stage.ran == [1]


@shows("broker.restart", "redis")
def restart_without_the_last_second(stage: Stage) -> bool:
    """What came in the last second is gone, what came before is there."""
    world = stage.make(stage.app, broker="redis")
    stage.open = world
    stage.note.delay("old")
    world.run_for(5)
    stage.note.delay("new")
    stage.happens(lose_last=1, for_=1)
    world.run_for(2)
    world.start_worker("w1")
    world.run_until_quiet()
    return stage.ran == ["old"]


@shows("broker.restart", "rabbitmq")
def restart_loses_what_is_transient(stage: Stage) -> bool:
    """Persistent messages stay."""
    world = stage.make(stage.app, broker="rabbitmq")
    stage.open = world
    stage.note.apply_async(("transient",), delivery_mode=1)
    stage.note.delay("persistent")
    stage.happens(for_=1)
    world.run_for(2)
    world.start_worker("w1")
    world.run_until_quiet()
    return stage.ran == ["persistent"]


@shows("broker.pause")
def pause(stage: Stage) -> bool:
    """Who sends waits until it goes on."""
    stage.world()
    stage.happens(for_=8)
    return stage.took(lambda: stage.note.delay(1)) >= 8


@shows("broker.full")
def full(stage: Stage) -> bool:
    """Messages are there only when there is room again; what waits is worked on meanwhile."""
    world = stage.world()
    stage.happens(for_=1)
    if stage.broker == "redis":
        try:
            stage.note.apply_async((1,), retry=False)
        except OperationalError as error:
            return "OOM" in str(error) and world.now_s < 1
        return False
    return stage.took(lambda: stage.note.delay(1)) >= 1


@shows("broker.purge")
def purge(stage: Stage) -> bool:
    """What waits is gone; what comes later is worked on."""
    return _gone(stage, "purged")


@shows("broker.delete_queue")
def delete_queue(stage: Stage) -> bool:
    """What waits is gone; who sends declares the queue anew."""
    return _gone(stage, "its queue was deleted")


@shows("redis.evict")
def evict(stage: Stage) -> bool:
    """What waits is gone; what comes later is worked on."""
    return _gone(stage, "evicted")


def _gone(stage: Stage, reason: str) -> bool:
    world = stage.make(stage.app, broker=stage.broker)
    stage.open = world
    stage.note.delay("early")
    stage.happens()
    stage.note.delay("late")
    world.start_worker("w1")
    world.run_until_quiet()
    return stage.ran == ["late"] and world.trace.count("broker.drop", reason=reason) == 1


# -- redis -------------------------------------------------------------------------------------


@shows("redis.failover")
def failover(stage: Stage) -> bool:
    """The last write is lost, and for a while no other is done."""
    world = stage.make(stage.app, broker=stage.broker)
    stage.open = world
    stage.note.delay("lost")
    stage.happens(lose_last=1, for_=1)
    with suppress(OperationalError):
        stage.note.apply_async(("refused",), retry=False)
    world.run_for(2)
    stage.note.delay("late")
    world.start_worker("w1")
    world.run_until_quiet()
    return stage.ran == ["late"]


def _refused_until(stage: Stage, word: str) -> bool:
    """A sender is refused, and a worker ends what it had as soon as it can."""
    world = stage.begun()
    stage.happens(for_=30)
    try:
        stage.note.apply_async((1,), retry=False)
    except OperationalError as error:
        told = word in str(error)
    else:
        return False
    world.run_until_quiet()
    stored = world.trace.find("result.store")[-1].at_s
    return told and stored >= 30 and stage.result.get() == "slept"


@shows("redis.readonly")
def readonly(stage: Stage) -> bool:
    """No write is done."""
    return _refused_until(stage, "READONLY")


@shows("redis.oom_reject")
def oom_reject(stage: Stage) -> bool:
    """No write is done."""
    return _refused_until(stage, "OOM")


@shows("redis.busy")
def busy(stage: Stage) -> bool:
    """Nothing is done."""
    return _refused_until(stage, "BUSY")


@shows("redis.max_clients")
def max_clients(stage: Stage) -> bool:
    """Who has lost its connection finds no other."""
    world = stage.begun()
    stage.happens(for_=30)
    world.reset("w1")
    world.run_until(lambda: world.trace.count("worker.connect", node="w1"))
    return world.now_s >= 30


@shows("redis.script_flush")
def script_flush(stage: Stage) -> bool:
    """The next two scripts are sent again, and nobody notices."""
    world = stage.world()
    stage.happens(times=2)
    stage.note.delay(1)
    world.run_until_quiet()
    return world.trace.count("broker.reload") == 2 and stage.ran == [1]


@shows("redis.pop_then_crash")
def pop_then_crash(stage: Stage) -> bool:
    """It comes back when the lease of the dead worker is over; no body had begun."""
    world = stage.world()
    world.run_for(1)
    stage.happens(node="w1")
    stage.note.delay(1)
    world.run_for(1)
    world.start_worker("w2")
    world.run_until_quiet()
    return [r.node for r in world.trace.find("task.start")] == ["w2"] and world.now_s > 30


@shows("redis.visibility_expire")
def visibility_expire(stage: Stage) -> bool:
    """Two workers run it; only one result counts."""
    world = stage.begun()
    world.start_worker("w2")
    world.run_for(1)
    stage.happens(node="w1")
    world.run_until_quiet()
    return world.trace.count("task.start") == 2 and world.trace.count("result.store") == 1


@shows("redis.pubsub_gap")
def pubsub_gap(stage: Stage) -> bool:
    """A command is not heard; the next one is."""
    world = stage.world()
    world.run_for(1)
    stage.happens(node="w1", for_=10)
    unheard = stage.app.control.ping(timeout=1) == []
    world.run_for(20)
    return unheard and len(stage.app.control.ping(timeout=1)) == 1


# -- amqp --------------------------------------------------------------------------------------


@shows("amqp.channel_close")
def channel_close(stage: Stage) -> bool:
    """Its message is given out again."""
    world = stage.begun()
    stage.happens(node="w1")
    world.run_until_quiet()
    return world.trace.count("broker.restore") == 1 and stage.result.get() == "slept"


@shows("amqp.connection_blocked")
def connection_blocked(stage: Stage) -> bool:
    """Who sends waits."""
    stage.world()
    stage.happens(for_=8)
    return stage.took(lambda: stage.note.delay(1)) >= 8


@shows("amqp.confirm_lost")
def confirm_lost(stage: Stage) -> bool:
    """It is sent again, and runs twice."""
    world = stage.world()
    stage.happens(node="client")
    stage.note.delay(1)
    world.run_until_quiet()
    return stage.ran == [1, 1]


@shows("amqp.confirm_nack")
def confirm_nack(stage: Stage) -> bool:
    """Who sends without retries is told; nothing was stored."""
    return _refused_once(stage, "nack")


@shows("amqp.returned")
def returned(stage: Stage) -> bool:
    """Who sends without retries is told; nothing was stored."""
    return _refused_once(stage, "NO_ROUTE")


def _refused_once(stage: Stage, word: str) -> bool:
    world = stage.world()
    stage.happens(node="client")
    try:
        stage.note.apply_async((1,), retry=False)
    except OperationalError as error:
        stage.note.apply_async((2,), retry=False)
        world.run_until_quiet()
        return word in str(error) and stage.ran == [2]
    return False


@shows("amqp.consumer_cancel")
def consumer_cancel(stage: Stage) -> bool:
    """Nothing of the queue is given out until somebody may consume again."""
    world = stage.world()
    stage.happens(for_=30)
    stage.note.delay(1)
    world.run_until(lambda: stage.ran)
    return world.now_s >= 30


@shows("amqp.consumer_timeout")
def consumer_timeout(stage: Stage) -> bool:
    """A body that is longer than the timeout is begun again."""
    world = stage.world()
    stage.happens(after=100, for_=300)
    stage.nap.delay(150)
    world.run_until_quiet()
    return world.trace.count("broker.restore") >= 1


@shows("amqp.delivery_limit")
def delivery_limit(stage: Stage) -> bool:
    """The second loss of its consumer is the end of the message."""
    world = stage.world()
    stage.happens(limit=1)
    stage.nap.delay()
    world.run_until(lambda: world.trace.count("task.start") == 1)
    world.kill("w1")
    world.start_worker("w2")
    world.run_until(lambda: world.trace.count("task.start") == 2)
    world.kill("w2")
    world.start_worker("w3")
    world.run_until_quiet()
    return world.trace.count("broker.drop", reason="delivery limit") == 1


@shows("amqp.heartbeat_miss")
def heartbeat_miss(stage: Stage) -> bool:
    """Another worker gets the message at once; the first one learns of it when it calls."""
    world = stage.begun()
    world.start_worker("w2")
    world.run_for(1)
    stage.happens(node="w1")
    world.run_until(lambda: world.trace.count("task.start", node="w2") or world.quiet)
    both = world.trace.count("task.start") == 2 and world.now_s < 5
    world.run_until_quiet()
    return both and world.trace.count("worker.disconnect", node="w1") == 1


@shows("amqp.quorum_minority")
def quorum_minority(stage: Stage) -> bool:
    """Nothing is confirmed, and nothing is delivered."""
    world = stage.world()
    stage.note.delay("before")
    stage.happens(for_=8)
    took_s = stage.took(lambda: stage.note.delay("after"))
    world.run_until_quiet()
    return took_s >= 8 and world.trace.find("task.start")[0].at_s >= 8
