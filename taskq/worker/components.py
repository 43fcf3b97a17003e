"""The documented steps of a worker, as places that a program's own steps may require.

What stands at these places is done by the worker itself; they are there so that the order is the
documented one, and is shown by ``taskq graph bootsteps``.
"""

from __future__ import annotations

from typing import Any, ClassVar

from taskq.worker.bootsteps import StartStopStep, Step

__all__ = ["Beat", "Consumer", "Hub", "Pool", "StateDB", "Timer"]


class Timer(Step):
    """What is called later, in the thread of the worker's loop."""


class Hub(StartStopStep):
    """The loop's waiting."""

    requires: ClassVar[Any] = (Timer,)


class Pool(StartStopStep):
    """What runs tasks.  A step that requires it starts when there are slots."""

    requires: ClassVar[Any] = (Hub,)


class Beat(StartStopStep):
    """The scheduler, of a worker with ``-B``."""

    label = "Beat"
    conditional = True

    def include_if(self, parent: Any) -> bool:
        """Only if it was asked for."""
        return bool(parent.told.get("beat"))


class StateDB(Step):
    """The file that keeps revocations between two lives."""

    def include_if(self, parent: Any) -> bool:
        """Only if there is such a file."""
        return parent.plan.state_file is not None


class Consumer(StartStopStep):
    """What takes messages; it has a blueprint of its own, and comes last."""

    last = True
