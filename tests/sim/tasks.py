"""Tasks for the promises: a body, and options that a test chooses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from taskq import TaskQ


def make(app: TaskQ, body: Callable[..., Any], **options: Any) -> Any:
    """Register a body under options that are known at run time only."""
    return app.task(**options)(body)
