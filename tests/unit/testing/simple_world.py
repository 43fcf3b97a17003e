"""A scheduler with named processes, without apps and nodes."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import copy_context
from typing import Any

from taskq.ports import ExchangeSpec, Message, Outgoing, QueueSpec
from taskq_testing.sim.clock import Time
from taskq_testing.sim.hands import Hands
from taskq_testing.sim.randomness import Choices
from taskq_testing.sim.scheduler import Process, Scheduler
from taskq_testing.sim.trace import Trace

QUEUE = QueueSpec("celery", ExchangeSpec("celery"), "celery")


class Bench:
    """What a model needs around it."""

    def __init__(self, seed: int = 0, choices: list[int] | None = None) -> None:
        self.time = Time()
        self.trace = Trace()
        self.scheduler = Scheduler(self.time, Choices(seed, choices))

    def hands(self, node: str) -> Hands:
        return Hands(node, self.scheduler, self.trace)

    def spawn(self, name: str, run: Callable[[], Any], place: Any = None) -> Process:
        return self.scheduler.spawn(name, run, place=place, context=copy_context())

    def run(self) -> None:
        while self.scheduler.step():
            pass


def outgoing(task_id: str, *, queue: str = "celery", priority: int | None = None) -> Outgoing:
    headers = {"id": task_id, "task": "add", "retries": 0}
    properties = {} if priority is None else {"priority": priority}
    message = Message(headers, b"[]", "application/json", "utf-8", properties)
    return Outgoing(message, "", queue)
