"""``World``: a simulated world for applications as they are.

The simulation itself (``taskq_testing.sim``) knows no kombu and no adapter.  Here it gets what it
needs of them: the codec, and how a worker's settings and options become its plan.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from taskq.adapters.broker.serializers import KombuCodec
from taskq.app.app import App
from taskq.ports import QueueSpec
from taskq.wiring.workers import worker_options
from taskq_testing.nearest import nearest
from taskq_testing.sim.frozen import frozen_start
from taskq_testing.sim.node import WorkerSpec
from taskq_testing.sim.world import SimWorld

# Options of ``start_worker``, under the names of the command line.
WORKER_OPTIONS: Final = (
    "prefetch_multiplier",
    "disable_prefetch",
    "optimization",
    "time_limit",
    "soft_time_limit",
)


# When a world begins that is not told when, and around which the time is not frozen.
DEFAULT_START: Final = "2030-01-01T00:00:00Z"


class World(SimWorld):
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
        choices: list[int] | None = None,
    ) -> None:
        if start is None:
            start = frozen_start() or DEFAULT_START
        super().__init__(
            apps,
            codec=KombuCodec(),
            specify=worker_spec,
            seed=seed,
            start=start,
            broker=broker,
            choices=choices,
        )


def worker_spec(
    app: App, hostname: str, slots: int, queues: Sequence[str] | None, options: Mapping[str, Any]
) -> WorkerSpec:
    """Turn settings and options of the command line into what a worker is told."""
    for name in options:
        if name not in WORKER_OPTIONS:
            raise TypeError(
                f"start_worker() knows no option {name!r}{nearest(name, WORKER_OPTIONS)}"
            )

    return WorkerSpec(
        hostname=hostname,
        slots=slots,
        queues=_queues(app, queues),
        options=worker_options(app, {**options, "loglevel": "INFO"}),  # the trace wants all lines
    )


def _queues(app: App, names: Sequence[str] | None) -> tuple[QueueSpec, ...]:
    # Not by ``Queues.select``: workers of several kinds may stand on one app here.
    if names is None:
        return tuple(app.router.queues.consume_from.values())
    return tuple(app.router.queues[name] for name in names)
