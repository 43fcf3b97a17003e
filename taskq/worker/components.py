"""The documented steps of a worker, as places that a program's own steps may require.

What stands at these places is done by the worker itself; they are there so that the order is the
documented one, and is shown by ``taskq graph bootsteps``.
"""

from __future__ import annotations

from typing import Any, ClassVar, Final

from taskq.app.log import get_logger
from taskq.worker.bootsteps import StartStopStep, Step

__all__ = ["Beat", "Consumer", "Hub", "Pool", "StateDB", "Timer"]


logger: Final = get_logger("taskq.worker")


class Place(StartStopStep):
    """A step whose deeds are the worker's own."""

    def include_if(self, w: Any) -> bool:
        """Say whether it is there."""
        return bool(super().include_if(w))

    def create(self, w: Any) -> None:
        """There is nothing to make."""

    def info(self, w: Any) -> dict[str, Any] | None:
        """Return what ``inspect stats`` shows of it."""
        return super().info(w)

    def start(self, w: Any) -> None:
        """The worker has begun it."""

    def stop(self, w: Any) -> None:
        """The worker ends it."""

    def close(self, w: Any) -> None:
        """The worker is about to end it."""

    def terminate(self, w: Any) -> None:
        """The worker ends it at once."""


class Timer(Step):
    """What is called later, in the thread of the worker's loop."""

    def create(self, w: Any) -> None:
        """Let it tell what this step may want to know."""
        w.timer.tell(self.on_timer_error, self.on_timer_tick)

    def on_timer_error(self, exc: Exception) -> None:
        """Hear what a call has raised; it has been logged."""

    def on_timer_tick(self, delay: float) -> None:
        """Hear, after calls were made, in how many seconds the next one is due."""
        logger.debug("the next call of the timer is due in %g s", delay)


class Hub(Place):
    """The loop's waiting."""

    requires: ClassVar[Any] = (Timer,)


class Pool(Place):
    """What runs tasks.  A step that requires it starts when there are slots."""

    requires: ClassVar[Any] = (Hub,)

    def info(self, w: Any) -> dict[str, Any]:
        """Return what the pool says of itself."""
        return {"pool": w.pool.info}


class Beat(Place):
    """The scheduler, of a worker with ``-B``."""

    label = "Beat"
    conditional = True

    def include_if(self, w: Any) -> bool:
        """Only if it was asked for."""
        return bool(w.told.get("beat"))


class StateDB(Step):
    """The file that keeps revocations between two lives."""

    def create(self, w: Any) -> None:
        """The worker opens it."""

    def include_if(self, w: Any) -> bool:
        """Only if there is such a file."""
        return w.plan.state_file is not None


class Consumer(Place):
    """What takes messages; it has a blueprint of its own, and comes last."""

    last = True
