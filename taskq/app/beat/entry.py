# ruff: noqa: PLR0917 - the parameters are Celery's, and so is their order
"""One entry of a schedule: a task, when it is due, and when it was sent last."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple, Self

from taskq.protocol.saferepr import safe_repr
from taskq.schedules import BaseSchedule, maybe_schedule

__all__ = ["BeatLazyFunc", "ScheduleEntry", "event_t"]

# What its configuration says of it; the rest is its history.
EDITABLE: Final = ("task", "args", "kwargs", "options", "schedule")


class event_t(NamedTuple):  # noqa: N801 - Celery's name
    """When a scheduler looks at an entry next."""

    time: float
    priority: int
    entry: Any


class BeatLazyFunc:
    """An argument that is worked out each time the entry is sent."""

    def __init__(self, func: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        self._func = func
        self._args, self._kwargs = args, kwargs

    def __call__(self) -> Any:
        """Work it out."""
        return self.delay()

    def delay(self) -> Any:
        """Work it out."""
        return self._func(*self._args, **self._kwargs)


class ScheduleEntry:
    """An entry; ``next(entry)`` is the same entry after one more run."""

    name: Any = None
    schedule: Any = None
    args: Any = None
    kwargs: Any = None
    options: Any = None
    last_run_at: Any = None
    total_run_count: int = 0

    def __init__(
        self,
        name: str | None = None,
        task: str | None = None,
        last_run_at: datetime | None = None,
        total_run_count: int | None = None,
        schedule: Any = None,
        args: Any = (),
        kwargs: Any = None,
        options: Any = None,
        relative: bool = False,
        app: Any = None,
    ) -> None:
        self.app = app
        self.name = name
        self.task = task
        self.args = args
        self.kwargs = kwargs or {}
        self.options = options or {}
        self.schedule = maybe_schedule(schedule, relative, app=app)
        self.last_run_at = last_run_at or self.default_now()
        self.total_run_count = total_run_count or 0

    def default_now(self) -> datetime:
        """Return the time, as its schedule sees it."""
        moment: datetime = self.schedule.now() if self.schedule else self.app.now()
        return moment

    _default_now = default_now

    def is_due(self) -> tuple[bool, float | None]:
        """Say whether it is due, and in how many seconds to ask again."""
        found: tuple[bool, float | None] = self.schedule.is_due(self.last_run_at)
        return found

    def _next_instance(self, last_run_at: datetime | None = None) -> Self:
        """Return the entry after one more run."""
        facts = {
            **dict(self),
            "last_run_at": last_run_at or self._run_at(),
            "total_run_count": self.total_run_count + 1,
        }
        return type(self)(**facts)

    def next(self, last_run_at: datetime | None = None) -> Self:
        """Return the entry after one more run."""
        return self._next_instance(last_run_at)

    def __next__(self) -> Self:
        return self._next_instance()

    def _run_at(self) -> datetime:
        now = self._default_now()
        if isinstance(self.schedule, BaseSchedule) and self.last_run_at is not None:
            return self.schedule.run_at(self.last_run_at, now)
        return now

    def update(self, other: Any) -> None:
        """Take over what the configuration says; the history stays."""
        for field in EDITABLE:
            setattr(self, field, getattr(other, field))

    def editable_fields_equal(self, other: Any) -> bool:
        """Whether the configuration says the same of both."""
        pairs = ((getattr(self, field), getattr(other, field)) for field in EDITABLE)
        # Mostly it is the same object: an entry hands it on to the one after its run.
        return all(mine is theirs or mine == theirs for mine, theirs in pairs)

    def __iter__(self) -> Iterator[tuple[str, Any]]:
        return iter(vars(self).items())

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ScheduleEntry):
            return NotImplemented
        return other is self or self.editable_fields_equal(other)

    __hash__ = None  # type: ignore[assignment]  # it changes

    def __lt__(self, other: object) -> bool:
        if not isinstance(other, ScheduleEntry):
            return NotImplemented
        return id(self) < id(other)  # any order: so that a heap can hold equal times

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (
            self.name,
            self.task,
            self.last_run_at,
            self.total_run_count,
            self.schedule,
            self.args,
            self.kwargs,
            self.options,
        )

    def __repr__(self) -> str:
        shown = [safe_repr(each) for each in self.args or ()]
        shown += [f"{key}={safe_repr(value)}" for key, value in (self.kwargs or {}).items()]
        call = f"{self.task}({', '.join(shown)})"
        return f"<{type(self).__name__}: {self.name} {call} {self.schedule!r}>"


def worked_out(args: Any, kwargs: Any) -> tuple[list[Any], dict[str, Any]]:
    """Return arguments with the lazy ones replaced by what they are now."""
    positional: Sequence[Any] = args or ()
    named: Mapping[str, Any] = kwargs or {}
    return [_now(each) for each in positional], {key: _now(each) for key, each in named.items()}


def _now(value: Any) -> Any:
    return value() if isinstance(value, BeatLazyFunc) else value
