"""What a command is given: the worker as it is now, and the ways to change it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from taskq.core.inputs import Input
from taskq.core.views import TaskView
from taskq.core.worker import WorkerCore
from taskq.ports import Intake, Pool, QueueSpec, Reading


@dataclass(slots=True)
class State:
    """One worker, for commands.

    What decides something is an input: ``tell`` hands it to the core when the command has
    returned.  What is asked of the broker or the pool itself goes through ``intake`` and ``pool``.
    """

    app: Any
    hostname: str
    core: WorkerCore
    intake: Intake
    pool: Pool
    tell: Callable[[Input], None]
    started: Reading
    pool_name: str = "solo"
    concurrency: int = 1
    # What it takes from, by name.
    queues: dict[str, QueueSpec] = field(default_factory=dict)
    beat: Callable[[], None] = lambda: None  # sends a heartbeat
    elect: Callable[[str, str, Any], None] = lambda _id, _topic, _action: None
    # Whether it answers a greeting of another worker: where there are many, not all do.
    answers: Callable[[str], bool] = lambda _node: True
    usage: Callable[[], Mapping[str, float]] = dict
    memory: list[str] = field(default_factory=list)  # samples of how much is used
    tset: type[set[Any]] = set

    @property
    def now(self) -> Reading:
        """The time."""
        reading: Reading = self.app.ports.clock.read()
        return reading

    def views(self, stage: str) -> list[TaskView]:
        """Return the tasks that are at a stage: active, reserved or scheduled."""
        return [view for view in self.core.views() if view.stage == stage]

    @property
    def consumer(self) -> Any:
        """Celery's way to reach the worker: here the state is all there is."""
        return self

    @property
    def controller(self) -> Any:
        """The same."""
        return self
