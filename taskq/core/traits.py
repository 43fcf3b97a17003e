"""What the core knows of a task: the options that decide what becomes of its deliveries."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TaskTraits:
    """One registered task, with app-wide settings already filled in."""

    name: str
    acks_late: bool = False
    acks_on_failure: bool = True
    acks_on_timeout: bool = True
    # None: not said.  With late acks a lost process then leads to redelivery.
    reject_on_worker_lost: bool | None = None
    retry_on_worker_lost: bool = False
    rate_limit: str | float | None = None
    time_limit_s: float | None = None
    soft_time_limit_s: float | None = None
    send_events: bool = True
