"""``World``: a simulated world for applications as they are.

The simulation itself (``taskq_testing.sim``) knows no kombu and no adapter.  Here it gets what it
needs of them: the codec, and how a worker's settings and options become its plan.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from taskq.adapters.broker.serializers import KombuCodec
from taskq.app.app import App
from taskq.app.cluster import Presence
from taskq.ports import QueueSpec
from taskq.runtime.os_signals import callbacks
from taskq.wiring.workers import worker_options
from taskq_testing.asserting.workflows import WorkflowAssertions
from taskq_testing.checks.goals import BrokenPromise, Condition, Goals, Judged
from taskq_testing.checks.registry import CHECKS, run_checks, standing
from taskq_testing.draining import Drained, drain
from taskq_testing.faults.kinds import happen
from taskq_testing.nearest import nearest
from taskq_testing.sim.frozen import frozen_start
from taskq_testing.sim.node import Persistence, WorkerNode, WorkerSpec
from taskq_testing.sim.pool import KINDS, PoolKind
from taskq_testing.sim.world import SimWorld

# Options of ``start_worker``, under the names of the command line.
WORKER_OPTIONS: Final = (
    "prefetch_multiplier",
    "disable_prefetch",
    "optimization",
    "time_limit",
    "soft_time_limit",
    "pool",
    "autoscale",
    "max_tasks_per_child",
    "task_events",
    "heartbeat_interval",
    "statedb",
    # What a command line cannot say:
    "gossip",  # it listens to the heartbeats of others
    "mingle",  # it asks others at its start what was revoked
    "environment",  # variables of its operating system
    "child_start_s",  # how long a child takes until it is ready
)

# When a world begins that is not told when, and around which the time is not frozen.
DEFAULT_START: Final = "2030-01-01T00:00:00Z"


class World(WorkflowAssertions, SimWorld):
    """A broker, a result store, workers and clients in one thread, on a clock that jumps.

    >>> with World(app, seed=7) as world:            # doctest: +SKIP
    ...     world.start_worker("w1")
    ...     result = add.delay(2, 2)
    ...     world.run_until_quiet()
    ...     assert result.get() == 4
    """

    def __init__(
        self,
        apps: App | Iterable[App],
        *,
        seed: int = 0,
        start: str | datetime | float | None = None,
        broker: str = "redis",
        store: str = "counting",
        choices: list[int] | None = None,
        checks: Sequence[str] | None = None,
        zone: str | None = None,
    ) -> None:
        if start is None:
            start = frozen_start() or DEFAULT_START
        super().__init__(
            apps,
            codec=KombuCodec(),
            outfit=CommandLine(),
            seed=seed,
            start=start,
            broker=broker,
            store=store,
            choices=choices,
            zone=zone,
        )
        for name in checks or ():
            if name not in CHECKS:
                raise ValueError(f"no check is called {name!r}{nearest(name, CHECKS)}")
        self.checks = checks  # those that ``verify`` makes; None: all that can be made
        self.goals = Goals(self.trace)

    def drain(
        self,
        *queues: str,
        due_by_s: float = 0.0,
        limit: int | None = None,
        workflow: Any = None,
    ) -> Drained:
        """Run what waits in some queues (none named: in all), without a worker that goes on.

        What is due within ``due_by_s`` seconds from now; no more than ``limit`` bodies; of one
        ``workflow`` alone, given by a result of it or by the id of its first task.
        """
        return drain(
            self, self.start_worker, queues, due_by_s=due_by_s, limit=limit, workflow=workflow
        )

    def never(self, name: str, condition: Condition, **facts: Any) -> None:
        """From now on this must not be so: a function, or an event with its facts."""
        self.goals.add(name, condition, facts, wanted=False)

    def sometimes(self, name: str, condition: Condition, **facts: Any) -> None:
        """From now on this should be so once: in this world, or in one of the seeds of a run."""
        self.goals.add(name, condition, facts, wanted=True)

    def verify(self, *, one_of_many: bool = False) -> None:
        """Raise ``BrokenPromise`` where a standing check, ``never`` or ``sometimes`` is broken.

        At rest everything is checked; in the middle of something, what holds at every moment.
        """
        names = list(CHECKS) if self.quiet and self.workers else standing()
        chosen = names if self.checks is None else self.checks
        findings = run_checks(self, chosen) + self.goals.findings(one_of_many=one_of_many)
        if findings:
            raise BrokenPromise(findings, self.seed)

    def fault(self, name: str, /, **given: Any) -> None:
        """Let one of the named faults happen now; ``for_=`` stands for ``for``."""
        happen(self, name, {key.removesuffix("_"): value for key, value in given.items()})


def over_seeds(run: Callable[[int], World], seeds: Iterable[int]) -> None:
    """Run something with many seeds; ``run(seed)`` returns the world in which it happened.

    Each world is verified and closed; each ``sometimes`` must have been so in one of them.
    """
    judged = Judged()
    for seed in seeds:
        with run(seed) as world:
            world.verify(one_of_many=True)
            judged.take(world.goals)
    if findings := judged.findings():
        raise BrokenPromise(findings)


class CommandLine:
    """What the command line and the operating system tell a worker."""

    def specify(
        self,
        app: App,
        hostname: str,
        slots: int,
        queues: Sequence[str] | None,
        options: Mapping[str, Any],
    ) -> WorkerSpec:
        """Turn settings and options of the command line into what a worker is told."""
        for name in options:
            if name not in WORKER_OPTIONS:
                raise TypeError(
                    f"start_worker() knows no option {name!r}{nearest(name, WORKER_OPTIONS)}"
                )
        # The trace wants all lines.
        told = worker_options(app, {**options, "loglevel": "INFO"})
        kind = _pool_kind(options.get("pool") or app.conf.worker_pool)
        if told.autoscale is not None:
            slots = max(1, told.autoscale[1])
        heartbeat_s = options.get("heartbeat_interval")
        presence = Presence(
            hostname=hostname,
            pool_name=kind.name,
            concurrency=1 if kind.single else slots,
            queues=_queues(app, queues),
            remote_control=app.conf.worker_enable_remote_control,
            heartbeat_s=heartbeat_s,
            gossip=options.get("gossip", heartbeat_s is not None),
            mingle=options.get("mingle", False),
        )
        return WorkerSpec(
            presence=presence,
            options=replace(told, concurrency=presence.concurrency),
            pool=kind,
            max_tasks_per_child=options.get("max_tasks_per_child")
            or app.conf.worker_max_tasks_per_child,
            child_start_s=options.get("child_start_s", 0.0),
            state_file=options.get("statedb") or app.conf.worker_state_db,
            environment=options.get("environment", {}),
            persistence=_persistence(app.conf),
        )

    def signals(self, node: WorkerNode) -> Mapping[int, Callable[[], None]]:
        """Return what each signal of the operating system does to a worker."""
        soft = node.spec.options.soft_shutdown_s > 0
        return callbacks(node, soft=soft, environment=node.spec.environment, debug=_no_debugger)


def _persistence(conf: Any) -> Persistence:
    at_start = conf.broker_connection_retry_on_startup
    later = conf.broker_connection_retry
    return Persistence(
        later if at_start is None else at_start, later, conf.broker_connection_max_retries
    )


def _no_debugger() -> None:
    raise RuntimeError("a simulated worker has no debugger")


def _pool_kind(name: str) -> PoolKind:
    if name not in KINDS:
        raise ValueError(f"no pool is modelled as {name!r}{nearest(name, KINDS)}")
    return KINDS[name]


def _queues(app: App, names: Sequence[str] | None) -> tuple[QueueSpec, ...]:
    # Not by ``Queues.select``: workers of several kinds may stand on one app here.
    if names is None:
        return tuple(app.router.queues.consume_from.values())
    return tuple(app.router.queues[name] for name in names)
