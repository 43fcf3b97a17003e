"""From a delivery to what the core remembers of it: its times, its limits, its job.

Called by ``receiving.py`` for each delivery.  It reads headers only; the body stays closed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any, Final, TypeAlias

from taskq.core.delivery import Entry
from taskq.core.options import WorkerOptions
from taskq.core.traits import TaskTraits
from taskq.ports import Delivery, Job

Limits: TypeAlias = tuple[float | None, float | None]  # hard, soft; in seconds
NO_LIMITS: Final[Limits] = (None, None)


class BadTimeError(ValueError):
    """A time or a limit in the headers cannot be read."""


class Admission:
    """Makes entries."""

    def __init__(self, options: WorkerOptions, traits: Callable[[str], TaskTraits | None]) -> None:
        self._options, self._traits = options, traits
        self._limits: dict[str, Limits] = {}  # that were set at run time

    def limit(self, task: str, hard_s: float | None, soft_s: float | None) -> None:
        """Set the time limits of a task; None: as the settings say."""
        self._limits[task] = hard_s, soft_s

    def entry(self, delivery: Delivery, *, announce: bool) -> Entry:
        """Read the headers; raises ``BadTimeError``."""
        headers = delivery.message.headers
        try:
            due_s = self._instant(headers.get("eta"))
            expires_s = self._instant(headers.get("expires"))
            limits = _limits(headers.get("timelimit"))
        except (TypeError, ValueError, OverflowError) as error:
            raise BadTimeError(f"bad time in the headers: {error}") from error
        traits = self._traits(str(headers.get("task")))
        if traits is not None:
            limits = self._filled_in(traits, limits)
            announce = announce and traits.send_events
        entry = Entry(delivery, _job(delivery, limits, announce=announce), traits)
        entry.due_s, entry.expires_s = due_s, expires_s
        entry.claimed = delivery.claimed
        return entry

    def limited_anew(self, entry: Entry) -> Job:
        """Return the job of one that has not begun, under the limits that are in force now."""
        assert entry.traits is not None, "a task without traits is concluded, never run"
        said = _limits(entry.job.headers.get("timelimit"))
        hard_s, soft_s = self._filled_in(entry.traits, said)
        return replace(entry.job, time_limit_s=hard_s, soft_time_limit_s=soft_s)

    def _filled_in(self, traits: TaskTraits, said: Limits) -> Limits:
        """What the message does not say, who set it last says, then the task, then the worker."""
        hard_s, soft_s = said
        if self._limits and traits.name in self._limits:
            told_hard_s, told_soft_s = self._limits[traits.name]
            hard_s, soft_s = hard_s or told_hard_s, soft_s or told_soft_s
        return (
            hard_s or traits.time_limit_s or self._options.time_limit_s,
            soft_s or traits.soft_time_limit_s or self._options.soft_time_limit_s,
        )

    def _instant(self, text: str | None) -> float | None:
        if text is None:
            return None
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=self._options.zone)
        return moment.timestamp()


def _job(delivery: Delivery, limits: Limits, *, announce: bool) -> Job:
    message = delivery.message
    return Job(
        delivery.tag,
        message.headers,
        message.body,
        message.content_type,
        message.content_encoding,
        message.properties,
        {
            "exchange": delivery.exchange,
            "routing_key": delivery.routing_key,
            "priority": message.properties.get("priority"),
            "redelivered": delivery.redelivered,
        },
        *limits,
        announce,
    )


def _limits(pair: Any) -> Limits:
    """Read ``timelimit``: hard, soft."""
    if not pair:
        return NO_LIMITS
    hard_s, soft_s = pair
    if hard_s is None and soft_s is None:
        return NO_LIMITS
    return (None if hard_s is None else float(hard_s)), (None if soft_s is None else float(soft_s))
