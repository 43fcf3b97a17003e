"""What a scene of a fault is played on, and the list of all scenes."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from taskq import TaskQ
from taskq_testing import World

BOTH = ("redis", "rabbitmq")


class Stage:
    """A world, three tasks, one fault."""

    def __init__(self, app: TaskQ, make: Callable[..., World], broker: str, fault: str) -> None:
        self.app, self.make, self.broker, self.name = app, make, broker, fault
        self.open: World
        self.result: Any
        self.ran: list[Any] = []
        ran = self.ran

        @app.task(name="note")
        def note(value: Any = None, **_: Any) -> Any:
            ran.append(value)
            return value

        @app.task(name="nap", acks_late=True)
        def nap(seconds: float = 10) -> str:
            time.sleep(seconds)
            return "slept"

        @app.task(name="clock")
        def clock() -> str:
            return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime())

        self.note, self.nap, self.clock = note, nap, clock

    def world(self, *workers: str, **options: Any) -> World:
        """An open world with workers."""
        world = self.make(self.app, broker=self.broker, **options)
        for name in workers or ("w1",):
            world.start_worker(name)
        self.open = world
        return world

    def happens(self, **given: Any) -> None:
        """The fault of this scene happens now."""
        self.open.fault(self.name, **given)

    def begun(self) -> World:
        """A world in which one late task has begun."""
        world = self.world()
        self.result = self.nap.delay()
        world.run_until(lambda: world.trace.count("task.start"))
        return world

    def took(self, act: Callable[[], object]) -> float:
        """How much virtual time something takes."""
        began_s: float = self.open.now_s
        act()
        return self.open.now_s - began_s


Scene: TypeAlias = Callable[[Stage], bool]


@dataclass(frozen=True)
class Play:
    """One scene: true if the fault was seen."""

    fault: str
    scene: Scene
    brokers: Sequence[str]


SCENES: list[Play] = []


def shows(fault: str, *brokers: str) -> Callable[[Scene], Scene]:
    """Keep a scene in the list, for one kind of broker or for both."""
    family = fault.partition(".")[0]
    own = {"redis": ("redis",), "amqp": ("rabbitmq",), "backend": ("rabbitmq",)}.get(family, BOTH)

    def keep(scene: Scene) -> Scene:
        SCENES.append(Play(fault, scene, brokers or own))
        return scene

    return keep
