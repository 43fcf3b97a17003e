"""Names to tasks, and the object that stands for a task until it is first touched."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from taskq.current import Proxy
from taskq.errors import InvalidTaskError, NotRegistered

__all__ = ["LazyTask", "TaskRegistry", "maybe_evaluate"]


class TaskRegistry(dict[str, Any]):
    """Task names to tasks."""

    NotRegistered = NotRegistered

    def __missing__(self, key: str) -> Any:
        raise self.NotRegistered(key)

    def register(self, task: Any) -> None:
        """Put a task under its name; a class is made into a task first."""
        if not task.name:
            raise InvalidTaskError(f"{task!r} has no name, so nobody could call it")
        self[task.name] = task() if isinstance(task, type) else task

    def unregister(self, name: Any) -> None:
        """Take a task out, given it or its name."""
        try:
            self.pop(getattr(name, "name", name))
        except KeyError:
            raise self.NotRegistered(name) from None

    def regular(self) -> Iterator[tuple[str, Any]]:
        """Return the tasks that are called."""
        return self.filter_types("regular")

    def periodic(self) -> Iterator[tuple[str, Any]]:
        """Return the tasks that say of themselves that they are periodic."""
        return self.filter_types("periodic")

    def filter_types(self, type: str) -> Iterator[tuple[str, Any]]:  # noqa: A002 - Celery's name
        """Return the tasks of one type, with their names."""
        return (
            (name, task) for name, task in self.items() if getattr(task, "type", "regular") == type
        )


class LazyTask(Proxy):
    """What ``@app.task`` returns: it becomes the task when it is first touched.

    So settings that a task's class depends on may be made after the function is decorated.
    """

    __slots__ = ("_made", "_make")

    def __init__(self, make: Callable[[], Any]) -> None:
        super().__init__(self._evaluate)
        object.__setattr__(self, "_make", make)
        object.__setattr__(self, "_made", None)

    def _evaluate(self) -> Any:
        """Return the task; the first call makes it."""
        made = object.__getattribute__(self, "_made")
        if made is None:
            made = object.__getattribute__(self, "_make")()
            object.__setattr__(self, "_made", made)
            object.__setattr__(self, "_find", lambda: made)
        return made

    @property
    def __doc__(self) -> str | None:  # type: ignore[override]  # that of the task, not of this class
        found: str | None = self._evaluate().__doc__
        return found

    def __maybe_evaluate__(self) -> Any:
        """Return the task."""
        return self._evaluate()

    def __evaluated__(self) -> bool:
        """Whether the task has been made."""
        return object.__getattribute__(self, "_made") is not None


def maybe_evaluate(value: Any) -> Any:
    """Return the task behind a lazy one, and anything else as it is."""
    return value.__maybe_evaluate__() if type(value) is LazyTask else value
