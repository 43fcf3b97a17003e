"""What the core of a worker must know of a task."""

from __future__ import annotations

from typing import Any

from taskq.core.traits import TaskTraits

__all__ = ["traits_of"]


def traits_of(task: Any) -> TaskTraits:
    """Read the options of a task that is bound: where it said nothing, the settings stand in it."""
    both = task.acks_on_failure_or_timeout
    both = True if both is None else both
    return TaskTraits(
        name=task.name,
        acks_late=bool(task.acks_late),
        acks_on_failure=bool(both if task.acks_on_failure is None else task.acks_on_failure),
        acks_on_timeout=bool(both if task.acks_on_timeout is None else task.acks_on_timeout),
        reject_on_worker_lost=task.reject_on_worker_lost,
        retry_on_worker_lost=bool(task.retry_on_worker_lost),
        rate_limit=task.rate_limit,
        time_limit_s=task.time_limit,
        soft_time_limit_s=task.soft_time_limit,
        send_events=bool(task.send_events),
    )
