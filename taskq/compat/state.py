"""``celery._state``: the current app and task, under the private names that libraries use."""

from __future__ import annotations

from typing import Any, Final

from taskq import current


def _set_current_app(app: Any) -> None:
    current.set_current_app(app)


def _get_active_apps() -> Any:
    return current.active_apps


def _set_task_join_will_block(blocks: bool) -> None:
    current.join_blocks.set(blocks)


class _TaskStack:
    """The tasks that run in this context, the innermost on top."""

    @property
    def stack(self) -> list[Any]:
        """All of them, the outermost first."""
        frame, found = current.frames.get(), []
        while frame is not None:
            if frame.running:
                found.append(frame.task)
            frame = frame.below
        return found[::-1]

    @property
    def top(self) -> Any:
        """The innermost; None outside of all."""
        return current.get_current_task()

    def push(self, obj: Any) -> None:
        """Say that a task runs."""
        current.push_current_task(obj)

    def pop(self) -> Any:
        """Say that it runs no more."""
        return current.pop_current_task()

    def __len__(self) -> int:
        return len(self.stack)


_task_stack: Final = _TaskStack()


def __getattr__(name: str) -> Any:
    """Return what changes from one moment to the next."""
    if name == "default_app":
        return current._Process.default  # noqa: SLF001 - what the name means
    if name == "_task_join_will_block":
        return current.join_blocks.get()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


# ``celery.app.default_app``: what a program without an app of its own has.
app_proxy: Final = current.Proxy(current.get_current_app)
