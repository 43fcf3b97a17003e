"""What the documented steps of a consumer have in common."""

from __future__ import annotations

from typing import Any, Final

from taskq.worker.bootsteps import StartStopStep

__all__ = ["AT", "Place"]

# Where programs look for them.
AT: Final = "taskq.worker.consumer"


class Place(StartStopStep):
    """A step whose deeds are the worker's own; what it says of itself is what they come to."""

    def include_if(self, c: Any) -> bool:
        """Say whether it is there."""
        return bool(super().include_if(c))

    def create(self, c: Any) -> None:
        """There is nothing to make."""

    def info(self, c: Any) -> dict[str, Any] | None:
        """Return what ``inspect stats`` shows of it."""
        return super().info(c)

    def start(self, c: Any) -> None:
        """The worker has begun it."""

    def stop(self, c: Any) -> None:
        """The worker ends it."""

    def shutdown(self, c: Any) -> None:
        """The worker has ended it."""
