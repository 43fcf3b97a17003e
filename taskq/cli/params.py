"""Types of options and arguments: how a word of the command line becomes a value."""

from __future__ import annotations

import json
import logging
from datetime import datetime
from typing import Any, Final, NoReturn

import click

from taskq.wiring.nodenames import node_name

POOLS: Final = (
    *("prefork", "threads", "solo", "asyncio"),
    *("gevent", "eventlet", "processes", "custom"),
)
LEVELS: Final = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL", "FATAL")
AUTO: Final = "auto"


class _Type(click.ParamType[Any]):
    """A type that refuses with one sentence."""

    def refuse(
        self, message: str, param: click.Parameter | None, ctx: click.Context | None
    ) -> NoReturn:
        """End with an error about this option."""
        self.fail(message, param, ctx)


class CommaSeparatedList(_Type):
    """``a,b,c``."""

    name = "comma separated list"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> list[str]:
        """Split; spaces around a name do not count."""
        del param, ctx
        if not isinstance(value, str):
            return list(value)
        return [part.strip() for part in value.split(",") if part.strip()]


class LogLevel(click.Choice[str]):
    """A level by its name, in any case, or by its number."""

    def __init__(self) -> None:
        super().__init__(LEVELS, case_sensitive=False)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the number."""
        if isinstance(value, int):
            return value
        if str(value).isdigit():
            return int(value)
        return logging.getLevelNamesMapping()[str(super().convert(value, param, ctx)).upper()]


class PoolName(click.Choice[str]):
    """A pool by its name, or the path of a class."""

    def __init__(self) -> None:
        super().__init__(POOLS)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the name."""
        if isinstance(value, str) and (":" in value or "." in value):
            return value
        return super().convert(value, param, ctx)


class Json(_Type):
    """JSON of one kind."""

    def __init__(self, kind: type[list[Any] | dict[str, Any]]) -> None:
        self.kind = kind
        self.name = "json array" if kind is list else "json object"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Read it."""
        if isinstance(value, self.kind):
            return value
        try:
            found = json.loads(value)
        except ValueError as error:
            self.refuse(f"{value!r} is no JSON: {error}", param, ctx)
        if not isinstance(found, self.kind):
            self.refuse(f"{value!r} is no {self.name}", param, ctx)
        return found


class Iso8601(_Type):
    """A time like ``2030-01-31T12:00:00+00:00``; with ``or_seconds`` also a number."""

    def __init__(self, *, or_seconds: bool = False) -> None:
        self.or_seconds = or_seconds
        self.name = "iso-8601 or seconds" if or_seconds else "iso-8601"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Read it."""
        if isinstance(value, datetime):
            return value
        if self.or_seconds:
            try:
                return float(value)
            except ValueError:
                pass  # then it is a time
        try:
            return datetime.fromisoformat(value)
        except ValueError:
            self.refuse(f"{value!r} is no time like 2030-01-31T12:00:00+00:00", param, ctx)


class NodeName(_Type):
    """``name``, ``name@host``, with ``%h``, ``%n`` and ``%d``."""

    name = "hostname"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Complete it."""
        del param, ctx
        return node_name(value)


class Concurrency(_Type):
    """A number, or ``auto``."""

    name = "number or auto"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> int | str:
        """Read it."""
        if value == AUTO:
            return AUTO
        if isinstance(value, int):
            return value
        if not str(value).isdigit() or int(value) < 1:
            self.refuse(f"{value!r} is neither a number above 0 nor 'auto'", param, ctx)
        return int(value)


class Autoscale(_Type):
    """``max,min``, in either order; ``max`` alone means a minimum of 0."""

    name = "<min workers>, <max workers>"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, int]:
        """Return the larger number, then the smaller."""
        words = value if isinstance(value, tuple | list) else str(value).split(",")
        try:
            numbers = sorted((int(word) for word in words), reverse=True)
        except ValueError:
            numbers = []
        most = numbers[0] if numbers else 0
        if most < 1 or len(numbers) > 2 or numbers[-1] < 0:  # noqa: PLR2004 - a pair
            self.refuse(f"{value!r} is not like 10,3 (at most 10 slots, at least 3)", param, ctx)
        return most, numbers[1] if numbers[1:] else 0


COMMA_SEPARATED_LIST: Final = CommaSeparatedList()
LOG_LEVEL: Final = LogLevel()
POOL: Final = PoolName()
JSON_ARRAY: Final = Json(list)
JSON_OBJECT: Final = Json(dict)
ISO8601: Final = Iso8601()
ISO8601_OR_FLOAT: Final = Iso8601(or_seconds=True)
NODE_NAME: Final = NodeName()
CONCURRENCY: Final = Concurrency()
AUTOSCALE: Final = Autoscale()
