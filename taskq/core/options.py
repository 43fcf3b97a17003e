"""What a worker was told at its start."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, tzinfo


@dataclass(frozen=True, slots=True)
class WorkerOptions:
    """Settings and command line, as far as the core asks for them."""

    prefetch_multiplier: int = 4
    exact_prefetch: bool = False  # hold no more than can run
    dispatch_budget_s: float = 0.005
    narrate: bool = False  # lines about tasks that end well are wanted
    events: bool = False  # monitors are told of each task
    time_limit_s: float | None = None
    soft_time_limit_s: float | None = None
    zone: tzinfo = UTC  # of times in messages that name none
