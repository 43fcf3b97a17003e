"""Name -> pool."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from taskq.errors import ImproperlyConfigured
from taskq.ports import Clock, Pool
from taskq.wiring.loading import UnknownNameError, is_path, load


@dataclass(frozen=True, slots=True)
class PoolRow:
    """One pool: where its class is, and what it can be told."""

    path: str
    processes: bool = False  # its bodies run in processes of their own, which can be recycled
    single: bool = False  # it has one slot, whatever the concurrency


PREFORK: Final = PoolRow("taskq.adapters.pools.prefork:PreforkPool", processes=True)
POOLS: Final[Mapping[str, PoolRow]] = MappingProxyType(
    {
        "prefork": PREFORK,
        "processes": PREFORK,
        "threads": PoolRow("taskq.adapters.pools.threads:ThreadsPool"),
        "solo": PoolRow("taskq.adapters.pools.solo:SoloPool", single=True),
        "asyncio": PoolRow("taskq.adapters.pools.asyncio:AsyncioPool"),
    }
)
# Known to Celery's users; they come with a later version.
LATER: Final = frozenset({"gevent", "eventlet"})
# The class behind ``--pool custom``.
CUSTOM_VARIABLES: Final = ("TASKQ_CUSTOM_WORKER_POOL", "CELERY_CUSTOM_WORKER_POOL")


def find_pool(name: str, environ: Mapping[str, str] = os.environ) -> PoolRow:
    """Return the row of a pool; a class path stands for itself."""
    if name == "custom":
        paths = [environ[variable] for variable in CUSTOM_VARIABLES if environ.get(variable)]
        if not paths:
            raise ImproperlyConfigured(
                f"worker_pool: 'custom' needs a class path in {CUSTOM_VARIABLES[0]}"
            )
        return PoolRow(paths[0])
    if name in LATER:
        raise ImproperlyConfigured(
            f"worker_pool: {name!r} is not there yet; use 'threads' or 'asyncio' for many"
            " tasks that wait, 'prefork' for those that compute"
        )
    row = POOLS.get(name)
    if row is not None:
        return row
    if is_path(name):
        return PoolRow(name)
    raise UnknownNameError("worker_pool", name, POOLS)


def pool_maker(
    row: PoolRow, *, clock: Clock, conf: Any, told: Mapping[str, Any]
) -> Callable[[Callable[[], None]], Pool]:
    """Return what makes the pool, when the worker starts and says what its children close."""
    options: dict[str, Any] = {"clock": clock}
    if row.processes:
        options |= {
            "alive_timeout_s": conf.worker_proc_alive_timeout,
            "max_tasks_per_child": told.get("max_tasks_per_child")
            or conf.worker_max_tasks_per_child,
            "max_memory_per_child": told.get("max_memory_per_child")
            or conf.worker_max_memory_per_child,
            "start_method": told.get("pool_start_method") or conf.worker_pool_start_method,
        }
    pool_class = load(row.path)

    def make(close_in_child: Callable[[], None]) -> Pool:
        more = {"close_in_child": close_in_child} if row.processes else {}
        pool: Pool = pool_class(**options, **more)
        return pool

    return make
