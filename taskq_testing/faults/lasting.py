"""Faults that last for a while, and whom they meet.  Used by the files of the families."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from taskq_testing.sim.link import Trouble, Troubles
from taskq_testing.sim.station import Station
from taskq_testing.sim.world import CLIENT, SimWorld


def station(world: SimWorld, name: str) -> Station:
    """Return the machine of that name."""
    found = world.stations.get(name)
    if found is None:
        raise ValueError(f"no node is called {name!r}; there are {list(world.stations)}")
    return found


def heal_after(world: SimWorld, seconds: float, fault: str, heal: Callable[[], object]) -> None:
    """Make an end of it after a while, and say so."""

    def end() -> None:
        heal()
        world.stations[CLIENT].hands.say("fault.end", fault=fault)

    world.at(world.now_s + seconds, end)


def trouble(
    world: SimWorld, troubles: Troubles, one: Trouble, given: Mapping[str, Any], fault: str
) -> None:
    """Something is wrong with calls for as long as was said."""
    troubles.add(one)
    heal_after(world, given["for"], fault, lambda: troubles.end(one))


def until_s(world: SimWorld, given: Mapping[str, Any]) -> float:
    """When it is over, in elapsed time of the world."""
    return world.now_s + float(given["for"])


def wake_all(world: SimWorld) -> None:
    """Everybody who takes may find something."""
    for name in list(world.broker.topology.queues):
        world.broker.wake_takers(name)
