"""Name -> pool."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Any, Final

from taskq.errors import ImproperlyConfigured
from taskq.ports import EMPTY, Clock, Pool
from taskq.wiring.loading import UnknownNameError, is_path, load
from taskq.wiring.patching import is_patched_for, require
from taskq.worker.concurrency import BasePool
from taskq.worker.foreign import ForeignPool

log = logging.getLogger("taskq.worker")

# How many names a warning lists.
SHOWN_TASKS: Final = 10


@dataclass(frozen=True, slots=True)
class PoolRow:
    """One pool: where its class is, and what it can be told."""

    path: str
    processes: bool = False  # its bodies run in processes of their own, which can be recycled
    single: bool = False  # it has one slot, whatever the concurrency
    patches: str = ""  # the library whose patches have to be there; see ``patching.py``


PREFORK: Final = PoolRow("taskq.adapters.pools.prefork:PreforkPool", processes=True)
POOLS: Final[Mapping[str, PoolRow]] = MappingProxyType(
    {
        "prefork": PREFORK,
        "processes": PREFORK,
        "threads": PoolRow("taskq.adapters.pools.threads:ThreadsPool"),
        "solo": PoolRow("taskq.adapters.pools.solo:SoloPool", single=True),
        "asyncio": PoolRow("taskq.adapters.pools.asyncio:AsyncioPool"),
        "gevent": PoolRow("taskq.adapters.pools.gevent:GeventPool", patches="gevent"),
        "eventlet": PoolRow("taskq.adapters.pools.eventlet:EventletPool", patches="eventlet"),
    }
)
# The class behind ``--pool custom``.
CUSTOM_VARIABLES: Final = ("TASKQ_CUSTOM_WORKER_POOL", "CELERY_CUSTOM_WORKER_POOL")


def find_pool(name: Any, environ: Mapping[str, str] = os.environ) -> PoolRow:
    """Return the row of a pool; a class, or the path of one, stands for itself."""
    if isinstance(name, type):
        return PoolRow(f"{name.__module__}:{name.__qualname__}")
    if name == "custom":
        paths = [environ[variable] for variable in CUSTOM_VARIABLES if environ.get(variable)]
        if not paths:
            raise ImproperlyConfigured(
                f"worker_pool: 'custom' needs a class path in {CUSTOM_VARIABLES[0]}"
            )
        return PoolRow(paths[0])
    row = POOLS.get(name)
    if row is not None:
        return row
    if is_path(name):
        return PoolRow(name)
    raise UnknownNameError("worker_pool", name, POOLS)


def pool_maker(
    row: PoolRow,
    *,
    clock: Clock,
    conf: Any,
    told: Mapping[str, Any],
    tasks: Mapping[str, Any] = EMPTY,
    app: Any = None,
) -> Callable[[Callable[[int], None]], Pool]:
    """Return what makes the pool, when the worker starts and says what its children do first.

    ``tasks`` are those of the app; a limit of theirs that the pool does not keep is logged.
    ``app`` is for pools in Celery's manner.
    """
    limits = time_limits(conf, told)
    options: dict[str, Any] = {"clock": clock}
    if row in POOLS.values():  # not a user's own
        options["timeouts"] = limits
    if row.processes:
        options |= {
            "alive_timeout_s": conf.worker_proc_alive_timeout,
            "max_tasks_per_child": told.get("max_tasks_per_child")
            or conf.worker_max_tasks_per_child,
            "max_memory_per_child": told.get("max_memory_per_child")
            or conf.worker_max_memory_per_child,
            "start_method": told.get("pool_start_method") or conf.worker_pool_start_method,
        }
    pool_class = _load_class(row)
    if isinstance(pool_class, type) and issubclass(pool_class, BasePool):
        # In Celery's manner: the pool is given functions, and knows nothing of ports.
        pool_class = partial(ForeignPool, pool_class, app=app)

    def make(begin_child: Callable[[int], None]) -> Pool:
        more = {"begin_child": begin_child} if row.processes else {}
        pool: Pool = pool_class(**options, **more)
        for line in limits_not_kept(pool, limits, tasks):
            log.warning(line)
        return pool

    return make


def _load_class(row: PoolRow) -> Any:
    if not row.patches:
        return load(row.path)
    require(row.patches)
    if not is_patched_for(row.patches):
        log.warning(
            "this process is not patched for %s: a body that waits holds up the worker; start it"
            " with `taskq worker -P %s`, or patch first thing in your program",
            row.patches,
            row.patches,
        )
    return load(row.path)


# -- time limits ---------------------------------------------------------------------------------


def time_limits(conf: Any, told: Mapping[str, Any]) -> tuple[float | None, float | None]:
    """Return the soft and the hard limit of tasks that have none of their own."""
    return (
        told.get("soft_time_limit") or conf.task_soft_time_limit,
        told.get("time_limit") or conf.task_time_limit,
    )


def limits_not_kept(
    pool: Pool, limits: tuple[float | None, float | None], tasks: Mapping[str, Any]
) -> list[str]:
    """Say which limits were set for the worker or for tasks, and have no effect in this pool."""
    hard, soft = pool.keeps_limits
    lines: list[str] = []
    for kept, kind, name, of_all in (
        (soft, "soft", "soft_time_limit", limits[0]),
        (hard, "hard", "time_limit", limits[1]),
    ):
        limited = sorted(task for task, each in tasks.items() if getattr(each, name, None))
        if kept or not (limited or of_all):
            continue
        whose = "all tasks" if of_all else ", ".join(limited[:SHOWN_TASKS])
        lines.append(
            f"{type(pool).__name__} keeps no {kind} time limits: that of {whose} has no effect;"
            " use the pools prefork, threads or asyncio"
        )
    return lines
