"""Scenes of clocks."""

from __future__ import annotations

from tests.sim.faults.stage import Stage, shows


@shows("clock.jump")
def jump(stage: Stage) -> bool:
    """A body sees another hour."""
    stage.world()
    stage.happens(node="w1", by=3600)
    return stage.clock.delay().get() == "2030-01-01 01:00:00"


@shows("clock.skew")
def skew(stage: Stage) -> bool:
    """Also a node that begins only later."""
    world = stage.make(stage.app, broker=stage.broker)
    stage.open = world
    stage.happens(node="w1", by=-60)
    world.start_worker("w1")
    return stage.clock.delay().get() == "2029-12-31 23:59:00"


@shows("clock.drift")
def drift(stage: Stage) -> bool:
    """An hour later it is a minute ahead."""
    world = stage.world()
    stage.happens(node="w1", by=60, for_=3600)
    world.run_for(7200)
    return stage.clock.delay().get() == "2030-01-01 02:01:00"


@shows("clock.freeze")
def freeze(stage: Stage) -> bool:
    """While it stands still, time passes all the same."""
    world = stage.world()
    stage.happens(node="w1", for_=600)
    world.run_for(300)
    frozen = stage.clock.delay().get() == "2030-01-01 00:00:00"
    world.run_for(600)
    return frozen and stage.clock.delay().get() == "2030-01-01 00:05:00"


@shows("clock.zone")
def zone(stage: Stage) -> bool:
    """A body sees the time of Tokyo."""
    stage.world()
    stage.happens(node="w1")
    return stage.clock.delay().get() == "2030-01-01 09:00:00"


@shows("clock.dst")
def dst(stage: Stage) -> bool:
    """An hour is missing between two bodies that are two minutes apart."""
    world = stage.world()
    stage.happens(node="w1", zone="Europe/Berlin", before=60)
    before = stage.clock.delay().get()
    world.run_for(120)
    return (before, stage.clock.delay().get()) == ("2030-03-31 01:59:00", "2030-03-31 03:01:00")


@shows("clock.dst")
def dst_back(stage: Stage) -> bool:
    """An hour comes twice."""
    world = stage.world()
    stage.happens(node="w1", zone="Europe/Berlin", turn="back", before=60)
    before = stage.clock.delay().get()
    world.run_for(120)
    return (before, stage.clock.delay().get()) == ("2030-10-27 02:59:00", "2030-10-27 02:01:00")


@shows("clock.leap_day")
def leap_day(stage: Stage) -> bool:
    """The day after the 28th of February is the 29th."""
    world = stage.world()
    stage.happens(node="w1", before=60)
    before = stage.clock.delay().get()
    world.run_for(60)
    return (before, stage.clock.delay().get()) == ("2032-02-28 23:59:00", "2032-02-29 00:00:00")
