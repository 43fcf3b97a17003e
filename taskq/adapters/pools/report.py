"""What a pool says of itself: ``pool`` in the answer to ``inspect stats``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeAlias

# Soft and hard, of jobs that say none; None: none.
TimeLimits: TypeAlias = tuple[float | None, float | None]
NO_LIMITS: Final[TimeLimits] = (None, None)
# What is said where children are not replaced after so many tasks.
NOT_APPLICABLE: Final = "N/A"


def report(
    pool: object, *, slots: int, pids: Sequence[int], timeouts: TimeLimits, **more: Any
) -> Mapping[str, Any]:
    """Return what monitors expect of any pool, and what one pool has to add."""
    kind = type(pool)
    return {
        "implementation": f"{kind.__module__}:{kind.__qualname__}",
        "max-concurrency": slots,
        "processes": list(pids),
        "max-tasks-per-child": NOT_APPLICABLE,
        "put-guarded-by-semaphore": False,
        "timeouts": [limit_s or 0 for limit_s in timeouts],
        **more,
    }
