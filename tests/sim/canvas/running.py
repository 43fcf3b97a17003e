"""Runs a drawn canvas, and says what was seen of it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from taskq import TaskQ
from taskq_testing import World
from taskq_testing.strategies import Canvas, CanvasTasks, build
from tests.sim.canvas.interpreter import seen


class Stage:
    """One app for many examples; its bodies write down what they are called with."""

    def __init__(self, name: str) -> None:
        self.app = TaskQ(name, set_as_current=False)
        self.runs: Counter[str] = Counter()
        self.errbacks: Counter[str] = Counter()
        self.told: list[tuple[str, str | None]] = []
        self.tasks = CanvasTasks(self.app, self._note)
        self.app.conf.task_acks_late = True

    def _note(self, what: str, tag: str, more: Any) -> None:
        if what == "run":
            self.runs[seen(tag, more)] += 1
        else:
            self.errbacks[tag] += 1
            self.told.append((tag, more))

    def sent(self, canvas: Canvas, *, ids: str | None = None, header_errbacks: bool = False) -> Any:
        """Send it; a new page for what is written down."""
        self.runs.clear()
        self.errbacks.clear()
        self.told.clear()
        self.app.conf.task_allow_error_cb_on_chord_header = header_errbacks
        return build(canvas, self.tasks, ids=ids).apply_async()


@dataclass(frozen=True)
class Ended:
    """A world in which a canvas came to its end."""

    world: World
    result: Any


def came_of(result: Any) -> Any:
    """Show states and values of a handle as the interpreter does."""
    if result is None:
        return None
    if hasattr(result, "results"):
        return [came_of(each) for each in result.results]
    return shown(result.state, result.result)


def shown(state: str, value: Any) -> Any:
    if isinstance(value, BaseException):
        return state, error_of(value)
    return state, seen("", [value])


def error_of(error: BaseException) -> tuple[str, ...]:
    name = type(error).__name__
    return (name, str(error)) if name == "ValueError" else (name,)


def expected_of(came: Any) -> Any:
    """Show what the interpreter says in the same way; what is not kept is as if it had not come."""
    if came is None:
        return None
    if isinstance(came, list):
        return [expected_of(each) for each in came]
    if came.state == "PENDING" or not came.kept:
        return shown("PENDING", None)
    return (came.state, came.value) if came.state == "FAILURE" else shown(came.state, came.value)
