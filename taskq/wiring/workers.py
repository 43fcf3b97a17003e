"""Settings and words of the command line -> the plan of a worker."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Final, NamedTuple

from taskq import signals
from taskq.app.app import App
from taskq.app.cluster.presence import HEARTBEAT_S, Presence
from taskq.app.log import mlevel
from taskq.core.options import WorkerOptions
from taskq.errors import ImproperlyConfigured
from taskq.runtime.machine import ThisMachine
from taskq.runtime.worker import MakePool, Reconnecting, WorkerPlan
from taskq.wiring.nodenames import node_name
from taskq.wiring.pools import find_pool, pool_maker

AUTO: Final = "auto"
CLUSTER: Final = "cluster"


class Beginning(NamedTuple):
    """A worker as receivers of ``celeryd_init`` and ``celeryd_after_setup`` know it: not made yet.

    So they can change settings and queues, and it has them.
    """

    app: App
    hostname: str


def plan_worker(app: App, told: Mapping[str, Any]) -> tuple[WorkerPlan, MakePool]:
    """Work out what ``app.Worker(...)`` and the command line ask for."""
    conf = app.conf
    told = {name: value for name, value in told.items() if value is not None}
    if told.get("include"):
        conf.include = tuple(dict.fromkeys((*(conf.include or ()), *_names(told["include"]))))
    app.finalize()
    app.import_default_modules()
    hostname = node_name(told.get("hostname"))
    _select_queues(app, told)
    # A receiver may still add queues of its own.
    signals.celeryd_after_setup.send(sender=hostname, instance=Beginning(app, hostname), conf=conf)
    pool_name = told.get("pool") or conf.worker_pool
    row = find_pool(pool_name)
    options = worker_options(app, told)
    concurrency = 1 if row.single else _concurrency(told.get("concurrency"), options, conf)
    plan = WorkerPlan(
        presence=Presence(
            hostname=hostname,
            pool_name=pool_name,
            concurrency=concurrency,
            queues=tuple(app.router.queues.consume_from.values()),
            remote_control=conf.worker_enable_remote_control,
            heartbeat_s=_heartbeat_s(told),
            gossip=not told.get("without_gossip"),
            mingle=not told.get("without_mingle"),
            machine=ThisMachine(),
        ),
        options=replace(options, concurrency=concurrency),
        reconnecting=_reconnecting(conf),
        purge=bool(told.get("purge")),
        blocks=row.single,
        state_file=told.get("statedb") or conf.worker_state_db,
        beat=_beat(told),
    )
    return plan, pool_maker(
        row, clock=app.ports.clock, conf=conf, told=told, tasks=app.tasks, app=app
    )


def _beat(told: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return what the beat beside a worker is told; None: there is none."""
    if told.get("beat"):
        return {
            "schedule_filename": told.get("schedule_filename"),
            "scheduler_cls": told.get("scheduler"),
        }
    for name in ("schedule_filename", "scheduler"):
        if told.get(name):
            option = name.replace("_", "-")
            raise ImproperlyConfigured(f"--{option} belongs to --beat; say that, too, or neither")
    return None


def _names(given: str | Iterable[str]) -> list[str]:
    return given.split(",") if isinstance(given, str) else list(given)


def _concurrency(given: Any, options: WorkerOptions, conf: Any) -> int:
    if options.autoscale is not None:
        return max(1, options.autoscale[1])  # the least; more come with the work
    value = given or conf.worker_concurrency
    if value in (None, AUTO, 0):
        return len(os.sched_getaffinity(0)) or 1
    return int(value)


def _select_queues(app: App, told: Mapping[str, Any]) -> None:
    queues = app.router.queues
    queues.select(told.get("queues"))
    queues.deselect(told.get("exclude_queues"))


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
        delivery_limit=conf.taskq_delivery_limit,
        eta_task_limit=conf.worker_eta_task_limit,
        rate_limits=not conf.worker_disable_rate_limits,
        shares_rates=conf.taskq_rate_limit_scope == CLUSTER,
        autoscale=_autoscale(told.get("autoscale")),
        autoscale_keep_s=_from_environment("AUTOSCALE_KEEPALIVE", 30.0),
        can_restart_pool=conf.worker_pool_restarts,
        soft_shutdown_s=conf.worker_soft_shutdown_timeout,
        soft_shutdown_on_idle=conf.worker_enable_soft_shutdown_on_idle,
        most_revocations=int(_from_environment("CELERY_WORKER_REVOKES_MAX", 50_000)),
        revoke_expires_s=_from_environment("CELERY_WORKER_REVOKE_EXPIRES", 10_800.0),
        cancels_on_connection_loss=conf.worker_cancel_long_running_tasks_on_connection_loss,
        reduces_prefetch=conf.worker_enable_prefetch_count_reduction,
    )


def _from_environment(name: str, default: float) -> float:
    text = os.environ.get(name)
    try:
        return float(text) if text else default
    except ValueError as error:
        raise ImproperlyConfigured(f"{name}={text!r} in the environment is no number") from error


def _autoscale(said: Any) -> tuple[int, int] | None:
    """Read ``MAX,MIN``; MIN may be left out."""
    if not said:
        return None
    words = said.split(",") if isinstance(said, str) else list(said)
    try:
        most, least = (int(words[0]), int(words[1]) if len(words) > 1 else 0)
    except (ValueError, IndexError) as error:
        raise ImproperlyConfigured(
            f"--autoscale {said!r}: say the most and the least number of slots, as in 10,3"
        ) from error
    return max(most, least), min(most, least)


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
