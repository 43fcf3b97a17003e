"""Faults of the result store."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from taskq_testing.faults.lasting import heal_after, station, trouble
from taskq_testing.faults.table import FOR, PLACE, Fault, Parameter
from taskq_testing.sim.asked_store import AskedStoreModel
from taskq_testing.sim.link import ALL, Call, Refuse, Slow, Trouble
from taskq_testing.sim.world import CLIENT, SimWorld


def _lose_connection(world: SimWorld, given: Mapping[str, Any]) -> None:
    world.cut_store(given["node"], given["for"])


def _down(world: SimWorld, given: Mapping[str, Any]) -> None:
    refuse = Refuse("the result store is down", ALL)
    _of_its_own(world, refuse, given, "backend.down")


def _slow(world: SimWorld, given: Mapping[str, Any]) -> None:
    _of_its_own(world, Slow(float(given["by"])), given, "backend.slow")


def _of_its_own(world: SimWorld, one: Trouble, given: Mapping[str, Any], fault: str) -> None:
    _refuse_where_shared(world, fault)
    trouble(world, world.store.troubles, one, given, fault)


def _refuse_where_shared(world: SimWorld, fault: str) -> None:
    if world.broker.profile.atomic_commit and not isinstance(world.store, AskedStoreModel):
        raise ValueError(
            f"{fault}: on {world.broker.profile.name} the store is the broker, so what happens to"
            " it is one of the faults `broker` or `redis`; or make a world with store='asked'"
        )


def _error(world: SimWorld, given: Mapping[str, Any]) -> None:
    _refuse_where_shared(world, "backend.error")
    refuse = Refuse("the result store failed", frozenset({Call.WRITE}), int(given["times"]))
    world.store.troubles.add(refuse)


def _lost_write(world: SimWorld, given: Mapping[str, Any]) -> None:
    world.store.losing += int(given["times"])


def _stale_read(world: SimWorld, given: Mapping[str, Any]) -> None:
    world.store.lag()

    def catch_up() -> None:
        world.store.stale = None

    heal_after(world, given["for"], "backend.stale_read", catch_up)


def _expire(world: SimWorld, given: Mapping[str, Any]) -> None:
    if world.store.get(given["task"]) is None:
        raise ValueError(f"there is no result of task {given['task']} that could expire")
    world.store.drop(given["task"])


def _duplicate_final(world: SimWorld, given: Mapping[str, Any]) -> None:
    known = world.store.get(given["task"])
    if known is None:
        raise ValueError(f"there is no result of task {given['task']} that could be written again")

    def write_again() -> None:
        world.ports(CLIENT).store.store((known,))

    world.at(world.now_s + float(given["after"]), write_again)


def _unheard(world: SimWorld, given: Mapping[str, Any]) -> None:
    name = given["node"]
    station(world, name)
    store = world.store
    store.unheard[name] = None

    def hear() -> None:
        store.unheard.pop(name, None)

    heal_after(world, given["for"], "backend.unheard", hear)


FAULTS: Final = (
    Fault("backend.lose_connection", "a node loses the store, and finds it after a while",
          (PLACE, FOR), _lose_connection),
    Fault("backend.down", "nobody can reach the store", (FOR,), _down),
    Fault("backend.slow", "every call of the store takes longer",
          (Parameter("by", "duration", 1.0), FOR), _slow),
    Fault("backend.error", "writes fail", (Parameter("times", "number", 1),), _error),
    Fault("backend.lost_write", "writes are confirmed, and lost",
          (Parameter("times", "number", 1),), _lost_write),
    Fault("backend.stale_read", "readers see a replica that lags behind", (FOR,), _stale_read),
    Fault("backend.expire", "a result is gone before its time", (Parameter("task", "task"),),
          _expire),
    Fault(
        "backend.duplicate_final",
        "the write of a result arrives a second time, late",
        (Parameter("task", "task"), Parameter("after", "duration", 5.0)),
        _duplicate_final,
    ),
    Fault("backend.unheard", "who waits for results is not told of them", (PLACE, FOR), _unheard),
)  # fmt: skip
