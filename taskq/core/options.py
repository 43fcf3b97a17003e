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
    # How often a message is given out before it is given up.
    delivery_limit: int = 20
    # How many deliveries may be held here for their time; None: any number.
    eta_task_limit: int | None = None
    rate_limits: bool = True  # False: none is kept
    # Rate limits hold for all workers together, not for each.
    shares_rates: bool = False
    # How many slots the pool begins with (under autoscale: the least); 0: those that come.
    concurrency: int = 0
    autoscale: tuple[int, int] | None = None  # most, least
    autoscale_keep_s: float = 30.0  # how long an idle slot is kept
    can_restart_pool: bool = False
    soft_shutdown_s: float = 0.0
    soft_shutdown_on_idle: bool = False
    most_revocations: int = 50_000
    revoke_expires_s: float = 10_800.0
    # Late-ack bodies are ended when the broker takes their messages back.
    cancels_on_connection_loss: bool = False
    # After a connection is lost, prefetch less until what is open has ended.
    reduces_prefetch: bool = True
