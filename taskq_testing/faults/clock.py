"""Faults of the clocks of machines."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from taskq_testing.faults.lasting import heal_after, station
from taskq_testing.faults.table import FOR, PLACE, Fault, Parameter
from taskq_testing.sim.world import SimWorld

_HOUR_S: Final = 3600.0
# A zone that changes does so at least once in so many hours.
_SEARCH_H: Final = 400 * 24


def _jump(world: SimWorld, given: Mapping[str, Any]) -> None:
    world.jump_clock(given["node"], given["by"])


def _skew(world: SimWorld, given: Mapping[str, Any]) -> None:
    world.add_node(given["node"])
    world.jump_clock(given["node"], given["by"])


def _drift(world: SimWorld, given: Mapping[str, Any]) -> None:
    clock = station(world, given["node"]).clock
    clock.run_at(1.0 + float(given["by"]) / _HOUR_S)
    heal_after(world, given["for"], "clock.drift", lambda: clock.run_at(1.0))


def _freeze(world: SimWorld, given: Mapping[str, Any]) -> None:
    clock = station(world, given["node"]).clock
    clock.run_at(0.0)
    heal_after(world, given["for"], "clock.freeze", lambda: clock.run_at(1.0))


def _zone(world: SimWorld, given: Mapping[str, Any]) -> None:
    station(world, given["node"]).zone = _zone_of(given["zone"])


def _zone_of(name: str) -> tzinfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise ValueError(f"no zone is called {name!r}") from error


def _dst(world: SimWorld, given: Mapping[str, Any]) -> None:
    zone = _zone_of(given["zone"])
    machine = station(world, given["node"])
    machine.zone = zone
    change_s = _next_change_s(zone, machine.wall_s, str(given["turn"]))
    world.jump_clock(given["node"], change_s - float(given["before"]) - machine.wall_s)


def _next_change_s(zone: tzinfo, wall_s: float, turn: str) -> float:
    """When the clocks of a zone are turned ``forward`` or ``back`` next."""
    if turn not in ("forward", "back"):
        raise ValueError(f"clocks are turned 'forward' or 'back', not {turn!r}")
    first_s = wall_s // _HOUR_S * _HOUR_S
    for hour in range(_SEARCH_H):
        at_s = first_s + hour * _HOUR_S
        before, after = _offset(zone, at_s), _offset(zone, at_s + _HOUR_S)
        if before != after and (after > before) == (turn == "forward"):
            return _exactly(zone, at_s, at_s + _HOUR_S)
    raise ValueError(f"the clocks of {zone} are not turned {turn} within a year")


def _exactly(zone: tzinfo, low_s: float, high_s: float) -> float:
    after = _offset(zone, high_s)
    while high_s - low_s > 1:
        middle_s = (low_s + high_s) // 2
        low_s, high_s = (
            (low_s, middle_s) if _offset(zone, middle_s) == after else (middle_s, high_s)
        )
    return high_s


def _offset(zone: tzinfo, at_s: float) -> timedelta:
    offset = datetime.fromtimestamp(at_s, zone).utcoffset()
    assert offset is not None, "a zone has an offset at every moment"
    return offset


def _leap_day(world: SimWorld, given: Mapping[str, Any]) -> None:
    machine = station(world, given["node"])
    now = datetime.fromtimestamp(machine.wall_s, UTC)
    year = next(y for y in range(now.year, now.year + 9) if _leap_s(y) > machine.wall_s)
    world.jump_clock(given["node"], _leap_s(year) - float(given["before"]) - machine.wall_s)


def _leap_s(year: int) -> float:
    """When the leap day of a year begins; never, where it has none."""
    is_leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    return datetime(year, 2, 29, tzinfo=UTC).timestamp() if is_leap else float("-inf")


_BY: Final = Parameter("by", "signed duration")
_BEFORE: Final = Parameter("before", "duration", 60.0)

FAULTS: Final = (
    Fault("clock.jump", "a node's wall clock is set forward or back", (PLACE, _BY), _jump),
    Fault("clock.skew", "a node's wall clock is off; the node need not have begun", (PLACE, _BY),
          _skew),
    Fault(
        "clock.drift",
        "a node's wall clock gains, or loses, so much in an hour",
        (PLACE, Parameter("by", "signed duration"), Parameter("for", "duration", 3600.0)),
        _drift,
    ),
    Fault("clock.freeze", "a node's wall clock stands still, and is behind from then on",
          (PLACE, FOR), _freeze),
    Fault("clock.zone", "a machine is set to another zone",
          (PLACE, Parameter("zone", "word", "Asia/Tokyo")), _zone),
    Fault(
        "clock.dst",
        "a node's wall clock is set to shortly before summer time begins, or ends",
        (PLACE, Parameter("zone", "word", "Europe/Berlin"), Parameter("turn", "word", "forward"),
         _BEFORE),
        _dst,
    ),
    Fault("clock.leap_day", "a node's wall clock is set to shortly before the next leap day",
          (PLACE, _BEFORE), _leap_day),
)  # fmt: skip
