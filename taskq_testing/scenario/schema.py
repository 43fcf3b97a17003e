"""What a scenario file may say: records, and the table of their fields.

Every field has a reader (what may stand there) and a default.  ``load.py`` walks the table; a
test checks that ``docs/scenarios.md`` names every field.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final, TypeAlias
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from taskq_testing.faults.inject import When
from taskq_testing.scenario.positions import Spot
from taskq_testing.sim.profiles import PROFILES

Reader: TypeAlias = Callable[[Spot], Any]

# -- simple values -------------------------------------------------------------------------------

_UNITS_S: Final[Mapping[str, float]] = MappingProxyType(
    {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
)
_PART: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h|d)")


def duration(spot: Spot) -> float:
    """``90s``, ``2h``, ``1h30m``, ``500ms``; a bare number is seconds."""
    seconds = signed_duration(spot)
    if seconds < 0:
        raise spot.error(f"a duration cannot be negative, but {spot.value!r} is")
    return seconds


def signed_duration(spot: Spot) -> float:
    """A duration that may go back: ``-90s``."""
    value = spot.value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, str):
        text = value.removeprefix("-")
        parts = _PART.findall(text)
        if parts and "".join(number + unit for number, unit in parts) == text:
            seconds = sum(float(number) * _UNITS_S[unit] for number, unit in parts)
            return -seconds if value.startswith("-") else seconds
    raise spot.error(f"expected a duration such as 90s, 2h or 1h30m, but got {spot.shown()}")


def instant(spot: Spot) -> datetime:
    """``2030-01-01T00:00:00Z``, or with the name of a zone behind it."""
    text, _, zone = str(spot.value).partition(" ")
    try:
        moment = datetime.fromisoformat(text)
        if zone:
            moment = moment.replace(tzinfo=ZoneInfo(zone))
    except (ValueError, ZoneInfoNotFoundError) as error:
        raise spot.error(
            f"expected an instant such as 2030-01-01T00:00:00Z or '2030-01-01T00:00:00 "
            f"Europe/Paris', but got {spot.shown()} ({error})"
        ) from error
    if moment.tzinfo is None:
        raise spot.error(f"{text} names no zone; end it with Z, or with ' Europe/Paris'")
    return moment


def _of_type(*types: type, what: str) -> Reader:
    def reader(spot: Spot) -> Any:
        wrong_bool = isinstance(spot.value, bool) and bool not in types
        if not isinstance(spot.value, types) or wrong_bool:
            raise spot.error(f"expected {what}, but got {spot.shown()}")
        return spot.value

    return reader


text = _of_type(str, what="text")
integer = _of_type(int, what="a whole number")
number = _of_type(int, float, what="a number")
boolean = _of_type(bool, what="true or false")


def anything(spot: Spot) -> Any:
    """Any value, without positions."""
    return spot.plain()


def mapping(spot: Spot) -> dict[str, Any]:
    """A mapping of anything."""
    if not isinstance(spot.value, dict):
        raise spot.error(f"expected a mapping, but got {spot.shown()}")
    plain: dict[str, Any] = spot.plain()
    return plain


def sequence(spot: Spot) -> list[Any]:
    """A list of anything."""
    if not isinstance(spot.value, list):
        raise spot.error(f"expected a list, but got {spot.shown()}")
    plain: list[Any] = spot.plain()
    return plain


def one_of(what: str, allowed: Mapping[str, Any]) -> Reader:
    """One word of several."""

    def reader(spot: Spot) -> str:
        if not isinstance(spot.value, str):
            raise spot.error(f"expected one of {', '.join(allowed)}, but got {spot.shown()}")
        if spot.value not in allowed:
            raise spot.unknown(what, spot.value, allowed)
        return spot.value

    return reader


def list_of(item: Reader) -> Reader:
    """A list, each item read alike."""

    def reader(spot: Spot) -> tuple[Any, ...]:
        if not isinstance(spot.value, list):
            raise spot.error(f"expected a list, but got {spot.shown()}")
        return tuple(item(child) for child in spot.value)

    return reader


def by_name(item: Reader) -> Reader:
    """A mapping from names to values that are read alike."""

    def reader(spot: Spot) -> dict[str, Any]:
        if not isinstance(spot.value, dict):
            raise spot.error(f"expected a mapping, but got {spot.shown()}")
        return {name: item(child) for name, child in spot.value.items()}

    return reader


# -- records ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Field:
    """One key of a record."""

    read: Reader
    help: str
    default: Any = None
    required: bool = False


Fields: TypeAlias = Mapping[str, Field]


def record(make: Callable[..., Any], fields: Fields) -> Reader:
    """A mapping with known keys."""

    def reader(spot: Spot) -> Any:
        if not isinstance(spot.value, dict):
            raise spot.error(f"expected a mapping, but got {spot.shown()}")
        for name, child in spot.value.items():
            if name not in fields:
                raise child.unknown("key", name, fields)
        for name, known in fields.items():
            if known.required and name not in spot.value:
                raise spot.error(f"the key {name!r} is missing: {known.help}")
        given = {
            attribute(name): known.read(spot.value[name]) if name in spot.value else known.default
            for name, known in fields.items()
        }
        return make(**given)

    return reader


def attribute(name: str) -> str:
    """The attribute of a key: words that Python keeps for itself get a final underscore."""
    return f"{name}_" if name in {"from", "raise", "return", "for", "async", "with"} else name


@dataclass(frozen=True, slots=True)
class Seeds:
    """Which seeds a file is run with by default."""

    from_: int
    count: int


@dataclass(frozen=True, slots=True)
class ClockNode:
    """How a node's clock is set."""

    skew: float


@dataclass(frozen=True, slots=True)
class ClockSpec:
    """When it begins."""

    start: datetime | None
    nodes: dict[str, ClockNode]


@dataclass(frozen=True, slots=True)
class AppSpec:
    """Whose tasks."""

    target: str | None
    settings: dict[str, Any]
    line: int = 0


@dataclass(frozen=True, slots=True)
class BrokerSpec:
    """What broker is modelled."""

    profile: str


@dataclass(frozen=True, slots=True)
class Limits:
    """How long a run may take."""

    sim_time: float


@dataclass(frozen=True, slots=True)
class WorkerSpec:
    """One worker."""

    name: str
    slots: int
    queues: tuple[str, ...] | None
    prefetch_multiplier: int | None
    at: float


@dataclass(frozen=True, slots=True)
class Raises:
    """A body that fails for a while."""

    error: str
    first: int | None  # None: always


@dataclass(frozen=True, slots=True)
class RetrySpec:
    """When and how a body tries again."""

    on: tuple[str, ...]
    max: int | None
    wait: float | None
    backoff: float | None
    backoff_max: float | None
    jitter: bool


@dataclass(frozen=True, slots=True)
class TaskSpec:
    """What the body of an inline task does."""

    takes: Any
    returns: Any
    raises: Raises | None
    retry: RetrySpec | None
    options: dict[str, Any]
    async_: bool


@dataclass(frozen=True, slots=True)
class Call:
    """A signature."""

    task: str
    args: list[Any]
    kwargs: dict[str, Any]
    options: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Canvas:
    """A chain, a group or a chord of signatures."""

    kind: str
    members: tuple[Any, ...]
    body: Any = None


@dataclass(frozen=True, slots=True)
class Step:
    """Something that is done."""

    send: Call | Canvas
    at: float
    id: str | None
    times: int
    every: float


@dataclass(frozen=True, slots=True)
class FaultSpec:
    """Something that goes wrong."""

    when: When
    do: dict[str, Any]
    id: str | None
    line: int = 0
    key: str = ""


@dataclass(frozen=True, slots=True)
class Pattern:
    """Events that match."""

    event: str
    facts: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Expectation:
    """Something that must hold at the end."""

    line: int
    key: str
    kind: str
    given: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Scenario:
    """One file."""

    file: str
    name: str
    about: str
    seed: int
    seeds: Seeds | None
    limits: Limits
    clock: ClockSpec
    app: AppSpec
    broker: BrokerSpec
    workers: tuple[WorkerSpec, ...]
    tasks: dict[str, TaskSpec]
    steps: tuple[Step, ...]
    faults: tuple[FaultSpec, ...]
    expect: tuple[Expectation, ...]
    without: tuple[str, ...] = field(default=())


DEFAULT_SIM_TIME_S: Final = 30 * 86400.0

SEEDS: Final[Fields] = MappingProxyType(
    {
        "from": Field(integer, "the first seed", default=0),
        "count": Field(integer, "how many", required=True),
    }
)
CLOCK_NODE: Final[Fields] = MappingProxyType(
    {"skew": Field(signed_duration, "how far its wall clock is ahead", default=0.0)}
)
CLOCK: Final[Fields] = MappingProxyType(
    {
        "start": Field(instant, "when the world begins; with a zone"),
        "nodes": Field(by_name(record(ClockNode, CLOCK_NODE)), "clocks that are off", default={}),
    }
)
APP: Final[Fields] = MappingProxyType(
    {
        "target": Field(text, "module:name of an application; without it, `tasks` are all"),
        "settings": Field(mapping, "settings of the application", default={}),
    }
)
BROKER: Final[Fields] = MappingProxyType(
    {"profile": Field(one_of("broker", PROFILES), "which broker is modelled", default="redis")}
)
LIMITS: Final[Fields] = MappingProxyType(
    {"sim_time": Field(duration, "virtual time until it is stuck", default=DEFAULT_SIM_TIME_S)}
)
WORKER: Final[Fields] = MappingProxyType(
    {
        "name": Field(text, "the name of the node", required=True),
        "slots": Field(integer, "how many bodies run at once", default=2),
        "queues": Field(list_of(text), "what it takes from; by default what the app knows"),
        "prefetch_multiplier": Field(integer, "messages held for each slot"),
        "at": Field(duration, "when it starts", default=0.0),
    }
)
RAISES: Final[Fields] = MappingProxyType(
    {
        "error": Field(text, "name of a built-in exception", default="RuntimeError"),
        "first": Field(integer, "only in this many attempts; without it, in all"),
    }
)
RETRY: Final[Fields] = MappingProxyType(
    {
        "on": Field(list_of(text), "names of built-in exceptions", default=("Exception",)),
        "max": Field(integer, "how often at most", default=3),
        "wait": Field(duration, "the pause before each retry"),
        "backoff": Field(duration, "the first pause; each next one is twice as long"),
        "backoff_max": Field(duration, "the longest pause of a back-off"),
        "jitter": Field(boolean, "shorten pauses at random", default=False),
    }
)
