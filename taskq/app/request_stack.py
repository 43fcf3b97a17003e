"""The requests of one task that run in this context, as a stack."""

from __future__ import annotations

from typing import Any

from taskq import current

__all__ = ["RequestStack"]


class RequestStack:
    """The requests of one task that run in this context, the last one on top."""

    def __init__(self, task: Any) -> None:
        self._task = task

    def push(self, request: Any) -> None:
        """Put a request on top."""
        current.push_request(self._task, request)

    def pop(self) -> Any:
        """Take the uppermost request; None where there is none."""
        return current.pop_request(self._task)

    @property
    def top(self) -> Any:
        """The uppermost request."""
        frame = current.frame_of(self._task)
        return None if frame is None else frame.request

    @property
    def stack(self) -> list[Any]:
        """All of them, from the bottom up."""
        found = []
        frame = current.frames.get()
        while frame is not None:
            if frame.task is self._task and frame.request is not None:
                found.append(frame.request)
            frame = frame.below
        return found[::-1]

    def __len__(self) -> int:
        return len(self.stack)
