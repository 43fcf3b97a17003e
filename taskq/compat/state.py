"""``celery._state``: the current app and task, under the private names that libraries use."""

from __future__ import annotations

from typing import Any, Final

from taskq import current
from taskq.app.log import get_logger
from taskq.errors import TaskqError

logger: Final = get_logger("taskq.app")


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


# -- where no app was given ------------------------------------------------------------------------


def enable_trace() -> None:
    """Log, with the stack, each use of the current app where one could have been given.

    Where nobody has made an app current, so that the default one would be used, raise.
    """
    current.watch_guesses(_tell_guess)


def disable_trace() -> None:
    """Do that no longer."""
    current.watch_guesses(None)


def _tell_guess(found: Any, is_current: bool) -> None:
    if not is_current:
        raise NoAppGivenError
    logger.warning("no app was given here, so it is the current one: %r", found, stack_info=True)


class NoAppGivenError(TaskqError):
    """No app was given, and none is current."""

    def __str__(self) -> str:
        return "no app was given here, and none is current: pass `app=`, or make yours current"


# ``celery.app.default_app``: what a program without an app of its own has.
app_proxy: Final = current.Proxy(current.get_current_app)
