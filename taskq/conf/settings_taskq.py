"""Settings that Celery does not have."""

from __future__ import annotations

from typing import Final

from taskq.conf.kinds import INTEGER, SECONDS, TEXT, Setting

ROWS: Final = (
    Setting(
        "taskq_lease_s",
        SECONDS,
        60.0,
        "Seconds after which the unfinished messages of a worker that stopped renewing are given"
        " to others.",
    ),
    Setting(
        "taskq_delivery_limit",
        INTEGER,
        20,
        "How often a message is given out before it goes to the dead-letter queue.",
    ),
    Setting(
        "taskq_dead_letters_max",
        INTEGER,
        100_000,
        "How many dead letters the broker keeps; of more, the oldest go first.",
    ),
    Setting(
        "taskq_rate_limit_scope",
        TEXT,
        "worker",
        "Whom a rate limit is for: each 'worker', as in Celery, or the whole 'cluster'.",
    ),
    Setting(
        "taskq_publish_timeout_s",
        SECONDS,
        10.0,
        "The longest that a call which publishes may take, in seconds.",
    ),
    Setting(
        "taskq_dispatch_budget_s",
        SECONDS,
        0.005,
        "How many seconds of expected work a child of the pool is given in one batch.",
    ),
    Setting(
        "taskq_chain_window",
        INTEGER,
        None,
        "How many steps of a long chain travel in one message; those behind them wait in the result"
        " store. 0: all of them travel, which workers that are not taskq's always understand."
        " None: 16 where the broker can say that all workers are taskq's (Redis), else 0.",
    ),
    Setting(
        "taskq_max_body_bytes",
        INTEGER,
        268435456,
        "The largest body, decompressed, that is sent and accepted; a larger one is malformed.",
    ),
)
