"""Whether a result may be waited for here."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from taskq import current

__all__ = ["allow_join_result", "assert_will_not_block", "denied_join_result"]


def assert_will_not_block() -> None:
    """Raise where waiting would hold a slot of a worker that the awaited task may need."""
    if current.task_join_will_block():
        task = current.get_current_task()
        name = "a task" if task is None else f"task {task.name!r}"
        raise RuntimeError(
            f"Never call result.get() within a task!  {name} would hold its slot while it waits; "
            "use link=, a chain or a chord, or, if you know that it cannot dead-lock, "
            "get(disable_sync_subtasks=False)"
        )


@contextlib.contextmanager
def allow_join_result() -> Iterator[None]:
    """Let results be waited for inside."""
    token = current.join_blocks.set(False)
    try:
        yield
    finally:
        current.join_blocks.reset(token)


@contextlib.contextmanager
def denied_join_result() -> Iterator[None]:
    """Refuse to wait for results inside."""
    token = current.join_blocks.set(True)
    try:
        yield
    finally:
        current.join_blocks.reset(token)
