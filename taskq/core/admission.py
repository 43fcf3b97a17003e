"""From a delivery to what the core remembers of it: its times, its limits, its job.

Called by ``worker.py`` for each delivery.  It reads headers only; the body stays closed.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from taskq.core.delivery import Entry
from taskq.core.options import WorkerOptions
from taskq.core.traits import TaskTraits
from taskq.ports import Delivery, Job


class BadTimeError(ValueError):
    """A time or a limit in the headers cannot be read."""


class Admission:
    """Makes entries."""

    def __init__(self, options: WorkerOptions, traits: Callable[[str], TaskTraits | None]) -> None:
        self._options, self._traits = options, traits

    def entry(self, delivery: Delivery) -> Entry:
        """Read the headers; raises ``BadTimeError``."""
        headers = delivery.message.headers
        try:
            due_s = self._instant(headers.get("eta"))
            expires_s = self._instant(headers.get("expires"))
            limits = _limits(headers.get("timelimit"))
        except (TypeError, ValueError) as error:
            raise BadTimeError(f"bad time in the headers: {error}") from error
        traits = self._traits(str(headers.get("task")))
        entry = Entry(delivery, self._job(delivery, traits, limits), traits)
        entry.due_s, entry.expires_s = due_s, expires_s
        return entry

    def _job(
        self,
        delivery: Delivery,
        traits: TaskTraits | None,
        limits: tuple[float | None, float | None],
    ) -> Job:
        message, options = delivery.message, self._options
        hard, soft = limits
        announce = options.events
        if traits is not None:
            hard = hard or traits.time_limit_s or options.time_limit_s
            soft = soft or traits.soft_time_limit_s or options.soft_time_limit_s
            announce = announce and traits.send_events
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
            hard,
            soft,
            announce,
        )

    def _instant(self, text: str | None) -> float | None:
        if text is None:
            return None
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=self._options.zone)
        return moment.timestamp()


def _limits(pair: Any) -> tuple[float | None, float | None]:
    """Read ``timelimit``: hard, soft."""
    if not pair:
        return None, None
    hard, soft = pair
    return (None if hard is None else float(hard)), (None if soft is None else float(soft))
