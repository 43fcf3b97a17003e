"""``celery.concurrency``: the names of pools, and the classes behind them."""

from __future__ import annotations

import os
from typing import Any, Final

from taskq.wiring.loading import load
from taskq.wiring.pools import POOLS, find_pool

__all__ = ["ALIASES", "get_available_pool_names", "get_implementation"]

# The last one is a class path in CELERY_CUSTOM_WORKER_POOL, or in TASKQ_CUSTOM_WORKER_POOL.
CUSTOM: Final = "custom"
ALIASES: Final[dict[str, str | None]] = {
    **{name: row.path for name, row in POOLS.items()},
    CUSTOM: None,
}


def get_available_pool_names() -> tuple[str, ...]:
    """Name what ``--pool`` takes."""
    return tuple(ALIASES)


def get_implementation(cls: Any) -> Any:
    """Return the class of a pool: by its name, by its path, or itself."""
    return load(find_pool(cls, os.environ).path) if isinstance(cls, str) else cls
