"""Scenes of the result store."""

from __future__ import annotations

from tests.sim.faults.stage import BOTH, Stage, shows


@shows("backend.lose_connection")
def lose_connection(stage: Stage) -> bool:
    """The result is stored when the worker finds the store again."""
    return _stored_after(stage, 30, node="w1", for_=30)


@shows("backend.down")
def down(stage: Stage) -> bool:
    """The result is stored when the store is there again; a client is told meanwhile."""
    return _stored_after(stage, 30, for_=30)


@shows("backend.slow")
def slow(stage: Stage) -> bool:
    """The body ends after ten seconds; to store its result takes seven more."""
    return _stored_after(stage, 17, by=7, for_=60)


def _stored_after(stage: Stage, least_s: float, **given: object) -> bool:
    world = stage.begun()
    stage.happens(**given)
    world.run_until_quiet()
    return world.trace.find("result.store")[-1].at_s >= least_s and stage.result.get() == "slept"


@shows("backend.error")
def error(stage: Stage) -> bool:
    """Two writes fail, the third is done."""
    world = stage.begun()
    stage.happens(times=2)
    world.run_until_quiet()
    return world.trace.count("worker.connect") == 2 and stage.result.get() == "slept"


@shows("backend.lost_write", *BOTH)
def lost_write(stage: Stage) -> bool:
    """The store said yes, and has nothing."""
    world = stage.begun()
    stage.happens()
    world.run_until_quiet()
    return world.trace.count("result.store") == 1 and stage.result.state == "PENDING"


@shows("backend.stale_read", *BOTH)
def stale_read(stage: Stage) -> bool:
    """Who reads early sees nothing; who reads late sees all."""
    world = stage.begun()
    stage.happens(for_=60)
    world.run_for(30)
    early = stage.result.state
    world.run_for(60)
    return (early, stage.result.state) == ("PENDING", "SUCCESS")


@shows("backend.expire", *BOTH)
def expire(stage: Stage) -> bool:
    """It was there, and is not any more."""
    world = stage.begun()
    world.run_until_quiet()
    stage.happens(task=stage.result.id)
    return bool(stage.app.AsyncResult(stage.result.id).state == "PENDING")


@shows("backend.duplicate_final", *BOTH)
def duplicate_final(stage: Stage) -> bool:
    """It is written twice, and says the same."""
    world = stage.begun()
    world.run_until_quiet()
    stage.happens(task=stage.result.id)
    world.run_until_quiet()
    return world.trace.count("result.store") == 2 and stage.result.get() == "slept"


@shows("backend.unheard", *BOTH)
def unheard(stage: Stage) -> bool:
    """Who only listens misses it; who asks when his time is over finds it."""
    world = stage.begun()
    stage.happens(node="client", for_=60)
    took_s = stage.took(lambda: stage.result.get(timeout=30))
    stored_s: float = world.trace.find("result.store")[0].at_s
    return took_s >= 30 > stored_s
