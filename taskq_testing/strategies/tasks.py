"""The tasks that drawn canvases call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from taskq.app.app import App
from taskq.canvas import signature
from taskq.errors import Ignore, Reject

__all__ = ["CanvasTasks"]


class CanvasTasks:
    """Registers them with an app.

    ``note(what, tag, *more)`` is called by each body that begins: ``run`` with its arguments,
    ``errback`` with the id of the task that failed (None where it is not told).
    """

    def __init__(self, app: App, note: Callable[..., object]) -> None:
        @app.task(name="canvas.leaf", bind=True, max_retries=None)
        def leaf(self: Any, *args: Any, **what: Any) -> Any:
            note("run", what["tag"], args)
            if self.request.retries < what.get("retries", 0):
                raise self.retry(countdown=0)
            return _end(self, what, args)

        @app.task(name="canvas.item")
        def item(*numbers: int) -> list[int]:
            if any(number < 0 for number in numbers):
                raise ValueError(f"item {numbers}")
            return list(numbers)

        @app.task(name="canvas.old_errback")
        def old_errback(task_id: str | None = None, *, tag: str, fails: bool = False) -> None:
            note("errback", tag, task_id)
            if fails:
                raise ValueError(tag)

        @app.task(name="canvas.new_errback")
        def new_errback(
            request: Any, error: Any, traceback: Any, *, tag: str, fails: bool = False
        ) -> None:
            del error, traceback
            note("errback", tag, request.id)
            if fails:
                raise ValueError(tag)

        self.app = app
        self.leaf, self.item = leaf, item
        self.old_errback, self.new_errback = old_errback, new_errback


def _end(task: Any, what: dict[str, Any], args: tuple[Any, ...]) -> Any:
    match what.get("does", "RETURNS"):
        case "RAISES":
            raise ValueError(what["tag"])
        case "IGNORES":
            raise Ignore
        case "REJECTS":
            raise Reject(what["tag"], requeue=False)
        case "REPLACED":
            return task.replace(signature(what["by"], app=task.app))
        case _:
            return [what["tag"], *args]
