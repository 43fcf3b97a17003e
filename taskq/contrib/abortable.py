"""Tasks that can be asked to end, and look now and then whether they were.

A body that takes long asks ``self.is_aborted()`` and returns early; whoever sent it says
``result.abort()``.  The wish travels through the result store, so it reaches a task that runs
anywhere, on every store that keeps states (not ``rpc://``, whose results go to who has sent a task,
and not to the task).
"""

from __future__ import annotations

from typing import Any, Final

from taskq.app.result import AsyncResult
from taskq.app.task import Task

__all__ = ["ABORTED", "AbortableAsyncResult", "AbortableTask"]

# The state of a task that was asked to end, and has not.
ABORTED: Final = "ABORTED"


class AbortableAsyncResult(AsyncResult[Any]):
    """The result of a task that can be asked to end."""

    def is_aborted(self) -> bool:
        """Say whether it was asked to."""
        return bool(self.state == ABORTED)

    def abort(self) -> Any:
        """Ask it to end; a task that has ended is left as it is.

        It ends at the next place where it looks; what it returns then is its result.
        """
        if self.ready():
            return None
        return self.backend.store_result(self.id, None, ABORTED)


class AbortableTask(Task[..., Any]):
    """A task that looks whether it was asked to end; give it as ``base=``, with ``bind=True``."""

    abstract = True

    def AsyncResult(self, task_id: str, **kwargs: Any) -> AbortableAsyncResult:  # noqa: N802 - Celery's name
        """Make a handle of a result of this task."""
        return AbortableAsyncResult(
            task_id, backend=self.backend, task_name=self.name, app=self.app, **kwargs
        )

    def is_aborted(self, **kwargs: Any) -> bool:
        """Say whether the task that runs here (or ``task_id``) was asked to end."""
        task_id = kwargs.get("task_id", self.request.id)
        return task_id is not None and self.AsyncResult(task_id).is_aborted()
