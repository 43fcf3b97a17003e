"""Settings and words of the command line -> a worker."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, Final

from taskq.app.app import App
from taskq.app.log import mlevel
from taskq.core.options import WorkerOptions
from taskq.errors import ImproperlyConfigured
from taskq.ports import QueueSpec
from taskq.runtime.worker import Reconnecting, Worker, WorkerPlan
from taskq.wiring.nodenames import node_name
from taskq.wiring.pools import find_pool, pool_maker

AUTO: Final = "auto"
# Options that Celery's users know, and what to do as long as they are missing.
NOT_THERE_YET: Final[Mapping[str, str]] = MappingProxyType(
    {
        "autoscale": "say how many slots with --concurrency",
        "statedb": "nothing is revoked by this version, so nothing has to be kept",
        "beat": "send periodic tasks by the scheduler of your system, or by Celery's beat",
        "schedule_filename": "it belongs to --beat",
        "scheduler": "it belongs to --beat",
    }
)
HEARTBEAT_S: Final = 2.0  # what Celery's monitors expect


def make_worker(app: App, **told: Any) -> Worker:
    """Make the worker that ``app.Worker(...)`` and the command line ask for."""
    conf = app.conf
    told = {name: value for name, value in told.items() if value is not None}
    _refuse_what_is_not_there(told)
    if told.get("include"):
        conf.include = tuple(dict.fromkeys((*(conf.include or ()), *_names(told["include"]))))
    app.finalize()
    app.import_default_modules()
    pool_name = told.get("pool") or conf.worker_pool
    row = find_pool(pool_name)
    plan = WorkerPlan(
        hostname=node_name(told.get("hostname")),
        concurrency=1 if row.single else _concurrency(told.get("concurrency"), conf),
        pool_name=pool_name,
        queues=_queues(app, told),
        options=worker_options(app, told),
        reconnecting=_reconnecting(conf),
        purge=bool(told.get("purge")),
        blocks=row.single,
        heartbeat_s=_heartbeat_s(told),
    )
    make_pool = pool_maker(row, clock=app.ports.clock, conf=conf, told=told)
    return Worker(app, plan, make_pool=make_pool)


def _refuse_what_is_not_there(told: Mapping[str, Any]) -> None:
    for name, instead in NOT_THERE_YET.items():
        if told.get(name):
            option = name.replace("_", "-")
            raise ImproperlyConfigured(f"--{option} is not there yet; {instead}")
    for name in ("time_limit", "soft_time_limit"):
        if told.get(name):
            option = name.replace("_", "-")
            logging.getLogger("taskq.worker").warning(
                "--%s has no effect yet: no pool of this version keeps time limits", option
            )


def _names(given: str | Iterable[str]) -> list[str]:
    return given.split(",") if isinstance(given, str) else list(given)


def _concurrency(given: Any, conf: Any) -> int:
    value = given or conf.worker_concurrency
    if value in (None, AUTO, 0):
        return len(os.sched_getaffinity(0)) or 1
    return int(value)


def _queues(app: App, told: Mapping[str, Any]) -> tuple[QueueSpec, ...]:
    queues = app.router.queues
    queues.select(told.get("queues"))
    queues.deselect(told.get("exclude_queues"))
    return tuple(queues.consume_from.values())


def worker_options(app: App, told: Mapping[str, Any]) -> WorkerOptions:
    """Turn settings, and words of the command line where they were said, into what a core is told.

    For the real worker and for the simulated one.
    """
    conf = app.conf
    # A flag that was not given is False: it cannot turn off what the settings turn on.
    exact = told.get("disable_prefetch") or conf.worker_disable_prefetch
    multiplier = told.get("prefetch_multiplier")
    level = told.get("loglevel")
    return WorkerOptions(
        prefetch_multiplier=conf.worker_prefetch_multiplier if multiplier is None else multiplier,
        exact_prefetch=bool(exact) or told.get("optimization") == "fair",
        dispatch_budget_s=conf.taskq_dispatch_budget_s,
        narrate=logging.getLogger("taskq.worker").isEnabledFor(logging.INFO)
        if level is None
        else mlevel(level) <= logging.INFO,
        events=bool(told.get("task_events") or conf.worker_send_task_events),
        time_limit_s=told.get("time_limit"),
        soft_time_limit_s=told.get("soft_time_limit"),
        zone=app.timezone,
    )


def _heartbeat_s(told: Mapping[str, Any]) -> float | None:
    if told.get("without_heartbeat"):
        return None
    return float(told.get("heartbeat_interval") or HEARTBEAT_S)


def _reconnecting(conf: Any) -> Reconnecting:
    at_start = conf.broker_connection_retry_on_startup
    return Reconnecting(
        at_start=conf.broker_connection_retry if at_start is None else at_start,
        later=conf.broker_connection_retry,
        max_attempts=conf.broker_connection_max_retries,
    )
