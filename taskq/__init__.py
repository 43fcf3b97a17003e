"""taskq: a distributed task queue with Celery's API, settings, commands and wire protocol."""

from taskq.app.result import AsyncResult
from taskq.app.result_set import GroupResult, ResultSet
from taskq.app.task import Task
from taskq.app.tasking import shared_task
from taskq.canvas import (
    Signature,
    chain,
    chord,
    chunks,
    group,
    maybe_signature,
    signature,
    subtask,
    xmap,
    xstarmap,
)
from taskq.current import current_app, current_task
from taskq.wiring import TaskQ

__version__ = "0.1.0"

__all__ = [
    "AsyncResult",
    "GroupResult",
    "ResultSet",
    "Signature",
    "Task",
    "TaskQ",
    "__version__",
    "chain",
    "chord",
    "chunks",
    "current_app",
    "current_task",
    "group",
    "maybe_signature",
    "shared_task",
    "signature",
    "subtask",
    "xmap",
    "xstarmap",
]
