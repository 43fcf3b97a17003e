"""Scenes of workers, of payloads and of bodies."""

from __future__ import annotations

from tests.sim.faults.stage import Stage, shows

# -- worker ------------------------------------------------------------------------------------


@shows("worker.kill")
def kill(stage: Stage) -> bool:
    """Another worker has to begin the body again."""
    world = stage.begun()
    stage.happens(node="w1")
    world.start_worker("w2")
    world.run_until_quiet()
    return [r.node for r in world.trace.find("task.start")] == ["w1", "w2"]


@shows("worker.kill_process")
def kill_process(stage: Stage) -> bool:
    """The body is begun again by the same worker."""
    world = stage.begun()
    stage.happens(task=stage.result.id)
    world.run_until_quiet()
    return [r.node for r in world.trace.find("task.start")] == ["w1", "w1"]


@shows("worker.kill_child")
def kill_child(stage: Stage) -> bool:
    """The busy child is gone, and its body is begun again."""
    world = stage.begun()
    stage.happens(node="w1")
    world.run_until_quiet()
    return len({r.facts["pid"] for r in world.trace.find("task.start")}) == 2


@shows("worker.oom")
def oom(stage: Stage) -> bool:
    """The next two bodies die in their first moment, the third lives."""
    world = stage.world()
    stage.happens(node="w1", times=2)
    result = stage.nap.delay()
    world.run_until_quiet()
    return world.trace.count("task.start") == 3 and result.get() == "slept"


@shows("worker.stop")
def stop(stage: Stage) -> bool:
    """It ends after its body."""
    world = stage.begun()
    stage.happens(node="w1")
    world.run_until_quiet()
    return world.trace.count("worker.exit", node="w1") == 1 and "w1" not in world.workers


@shows("worker.signal")
def signal(stage: Stage) -> bool:
    """TERM ends it."""
    world = stage.begun()
    stage.happens(node="w1")
    world.run_until_quiet()
    return "w1" not in world.workers


@shows("worker.start")
def start(stage: Stage) -> bool:
    """It takes what waits."""
    world = stage.make(stage.app, broker=stage.broker)
    stage.open = world
    stage.note.delay(1)
    stage.happens(node="w9", slots=1)
    world.run_until_quiet()
    return stage.ran == [1]


@shows("worker.pause")
def pause(stage: Stage) -> bool:
    """A body of ten seconds takes twenty-five."""
    world = stage.begun()
    stage.happens(node="w1", for_=25)
    world.run_until(lambda: world.trace.count("task.end"))
    return world.now_s >= 25


@shows("worker.hang")
def hang(stage: Stage) -> bool:
    """Its child stands still, and the worker goes on."""
    world = stage.begun()
    stage.happens(node="w1", for_=25)
    stage.note.delay(1)
    world.run_until(lambda: stage.ran)
    early = world.now_s < 10
    world.run_until(lambda: world.trace.count("task.end", task="nap"))
    return early and world.now_s >= 25


@shows("worker.slow")
def slow(stage: Stage) -> bool:
    """What takes no time takes some."""
    world = stage.world()
    stage.happens(node="w1", by=0.5, for_=60)
    stage.note.delay(1)
    world.run_until(lambda: world.trace.count("task.end"))
    return world.now_s >= 0.5


@shows("worker.restart_loop")
def restart_loop(stage: Stage) -> bool:
    """It begins three times more, and the task ends when it is left in peace."""
    world = stage.world()
    result = stage.nap.delay(8)
    stage.happens(node="w1", times=3, every=5)
    world.run_until_quiet()
    return world.trace.count("worker.start", node="w1") == 4 and result.get() == "slept"


@shows("worker.fork_fail")
def fork_fail(stage: Stage) -> bool:
    """A dead child is not replaced before machines can fork again."""
    world = stage.make(stage.app, broker=stage.broker)
    stage.open = world
    world.start_worker("w1", slots=1)
    stage.nap.delay()
    world.run_until(lambda: world.trace.count("task.start"))
    stage.happens(node="w1", for_=100)
    world.kill_child("w1")
    world.run_until_quiet()
    return world.trace.find("task.start")[-1].at_s >= 100


# -- payload -----------------------------------------------------------------------------------


def _never_runs(stage: Stage, **given: object) -> bool:
    world = stage.world()
    stage.happens(**given)
    stage.note.delay(1)
    stage.note.delay(2)
    world.run_until_quiet()
    return stage.ran == [2]


@shows("payload.corrupt_body")
def corrupt_body(stage: Stage) -> bool:
    """It cannot be read; the one behind it runs."""
    return _never_runs(stage, task="note")


@shows("payload.truncated")
def truncated(stage: Stage) -> bool:
    """It cannot be read; the one behind it runs."""
    return _never_runs(stage, task="note")


@shows("payload.unknown_task")
def unknown_task(stage: Stage) -> bool:
    """Nobody has it; the one behind it runs."""
    seen = _never_runs(stage, task="note")
    return seen and stage.open.trace.count("task.send", task="no.such.task") == 1


@shows("payload.bad_header")
def bad_header(stage: Stage) -> bool:
    """It cannot be known when it is due; the one behind it runs."""
    return _never_runs(stage, task="note")


@shows("payload.content_type")
def content_type(stage: Stage) -> bool:
    """Nobody can decode it; the one behind it runs."""
    return _never_runs(stage, task="note")


@shows("payload.huge")
def huge(stage: Stage) -> bool:
    """It is carried, and it runs."""
    world = stage.world()
    stage.happens(task="note", bytes=2_000_000)
    stage.note.delay(1)
    world.run_until_quiet()
    [sent] = world.trace.find("task.send")
    return stage.ran == [1] and len(sent.facts["body"]) > 2_000_000


@shows("payload.old_protocol")
def old_protocol(stage: Stage) -> bool:
    """It has no headers, and runs all the same."""
    world = stage.world()
    stage.happens(task="note")
    stage.note.delay(1)
    world.run_until_quiet()
    return stage.ran == [1] and world.trace.count("task.send") == 0


@shows("payload.foreign")
def foreign(stage: Stage) -> bool:
    """It is put away, and the worker goes on."""
    world = stage.world()
    world.run_for(1)
    stage.happens(text="hello")
    stage.note.delay(1)
    world.run_until_quiet()
    return len(world.dead_letters()) == 1 and stage.ran == [1]


# -- app ---------------------------------------------------------------------------------------


@shows("app.raise_at")
def raise_at(stage: Stage) -> bool:
    """The second body fails before it does anything."""
    world = stage.world()
    stage.happens(task="note", nth=2, error="LookupError")
    results = [stage.note.delay(number) for number in range(3)]
    world.run_until_quiet()
    failed = [r.state for r in results].count("FAILURE") == 1
    return failed and len(stage.ran) == 2


@shows("app.db_rollback")
def db_rollback(stage: Stage) -> bool:
    """The body has done everything, and its task has failed."""
    world = stage.world()
    stage.happens(task="note")
    result = stage.note.delay(1)
    world.run_until_quiet()
    return stage.ran == [1] and result.state == "FAILURE"


@shows("app.sleep")
def sleep(stage: Stage) -> bool:
    """It takes a minute longer."""
    world = stage.world()
    stage.happens(task="note", for_=60)
    stage.note.delay(1)
    world.run_until(lambda: stage.ran)
    return world.now_s >= 60


@shows("app.hang")
def hang_body(stage: Stage) -> bool:
    """Only its time limit ends it."""
    world = stage.world()
    stage.happens(task="note")
    result = stage.note.apply_async((1,), time_limit=30)
    world.run_until_quiet()
    return stage.ran == [] and result.state == "FAILURE" and world.now_s >= 30


@shows("app.exit")
def leave(stage: Stage) -> bool:
    """Its process is gone; a late task is begun again in another."""
    world = stage.world()
    stage.happens(task="nap", code=3)
    result = stage.nap.delay()
    world.run_until_quiet()
    return world.trace.count("task.start") == 2 and result.get() == "slept"
