"""Runs drawn canvases in a world, and says where what was seen is not what must be."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from taskq import TaskQ
from taskq_testing import World
from taskq_testing.checks.registry import run_checks
from taskq_testing.strategies import Canvas, CanvasTasks, build
from tests.sim.canvas.interpreter import FAILURE, Came, One, Report, interpret, ones, seen


@contextmanager
def quiet_log() -> Iterator[None]:
    """Leave out what is logged of errbacks that fail: they are thousands."""
    logger = logging.getLogger("taskq.app.trace")
    logger.setLevel(logging.CRITICAL)
    yield
    logger.setLevel(logging.NOTSET)


class Stage:
    """One app for many examples; its bodies write down what they are called with."""

    def __init__(self, name: str) -> None:
        self.app = TaskQ(name, set_as_current=False)
        self.app.conf.task_acks_late = True
        self.runs: Counter[str] = Counter()
        self.errbacks: Counter[str] = Counter()
        self.tasks = CanvasTasks(self.app, self._note)

    def _note(self, what: str, tag: str, more: Any) -> None:
        if what == "run":
            self.runs[seen(tag, more)] += 1
        else:
            self.errbacks[tag] += 1

    def signature(self, canvas: Canvas, *, header_errbacks: bool, ids: str | None = "") -> Any:
        """Make the signature, and turn to a new page."""
        self.runs.clear()
        self.errbacks.clear()
        self.app.conf.task_allow_error_cb_on_chord_header = header_errbacks
        return build(canvas, self.tasks, ids=ids)


@dataclass(frozen=True)
class Difference:
    """Something that was seen, and what it must be."""

    about: str
    was: Any
    must_be: Any

    @property
    def holds(self) -> bool:
        """Whether it is as it must be after all."""
        return bool(self.was == self.must_be)

    def __str__(self) -> str:
        return f"{self.about}: {self.was!r}, and must be {self.must_be!r}"


def differences(
    stage: Stage,
    canvas: Canvas,
    *,
    header_errbacks: bool = False,
    broker: str = "redis",
    seed: int = 0,
    trouble: Callable[[World], None] | None = None,
) -> list[Difference]:
    """Send a canvas, let trouble happen, wait until all is quiet, and look.

    Trouble is over late acks: bodies may run again, and what comes of them must be the same.
    """
    expected = interpret(canvas, header_errbacks=header_errbacks)
    with World(stage.app, seed=seed, broker=broker) as world:
        for name in ("w1",) if trouble is None else ("w1", "w2"):
            world.start_worker(name, slots=2)
        result = stage.signature(canvas, header_errbacks=header_errbacks).apply_async()
        if trouble is not None:
            trouble(world)
        world.run_until_quiet()
        found = [*of_results(stage.app, result, expected), *_of_world(world)]
        if trouble is None:
            found += _of_counts(stage, world, expected)
        else:
            found += _of_repeated_counts(stage, world, expected, broker)
    return [each for each in found if not each.holds]


# -- what is compared ----------------------------------------------------------------------------


def of_results(app: TaskQ, result: Any, expected: Report) -> Iterator[Difference]:
    yield Difference("results", came_of(result), shown(expected.came))
    for task_id, one in expected.states.items():
        stored = came_of(app.AsyncResult(task_id))
        yield Difference(f"states of {task_id}", stored, shown(one))
    yield Difference("get()", _got(result, expected), True)


def _of_world(world: World) -> Iterator[Difference]:
    waiting = [group_id for group_id, chord in world.store.chords.items() if not chord.ended]
    yield Difference("chords that wait", waiting, [])
    yield Difference("promises", list(map(str, run_checks(world))), [])


def _of_counts(stage: Stage, world: World, expected: Report) -> Iterator[Difference]:
    yield Difference("bodies", stage.runs, expected.runs)
    yield Difference("errbacks", stage.errbacks, expected.errbacks)
    yield Difference("messages", world.trace.count("task.send"), expected.messages)


def _of_repeated_counts(
    stage: Stage, world: World, expected: Report, broker: str
) -> Iterator[Difference]:
    """Each at least as often as it must be, none that must not be; and none is sent twice."""
    yield Difference("bodies", set(stage.runs), set(expected.runs))
    yield Difference("errbacks", set(stage.errbacks), set(expected.errbacks))
    yield Difference("bodies that did not run", expected.runs - stage.runs, Counter())
    yield Difference("errbacks that were not told", expected.errbacks - stage.errbacks, Counter())
    if broker == "redis":  # elsewhere what is sent and what is remembered of it are two steps
        yield Difference("messages", world.trace.count("task.send"), expected.messages)


def _got(result: Any, expected: Report) -> bool:
    """Whether ``get`` returns what it must, or raises what has failed on the way to it."""
    if result is None or not all(one.kept for one in ones(expected.came)):
        return True
    try:
        value = result.get()
    except Exception as error:
        return error_of(error) in expected.errors
    return all(one.state != FAILURE for one in ones(expected.came)) and (
        seen("", [value]) == seen("", [_value(expected.came)])
    )


# -- how it is shown -----------------------------------------------------------------------------


def came_of(result: Any) -> Any:
    """Show the state and the value of a handle."""
    if result is None:
        return None
    if hasattr(result, "results"):
        return [came_of(each) for each in result.results]
    value = result.result
    return result.state, error_of(value) if isinstance(value, BaseException) else seen("", [value])


def shown(came: Came) -> Any:
    """Show what must come of it in the same way."""
    if came is None:
        return None
    if isinstance(came, list):
        return [shown(each) for each in came]
    if not came.kept:
        return came.before, seen("", [None])
    return came.state, came.value if came.state == FAILURE else seen("", [came.value])


def _value(came: Came) -> Any:
    if isinstance(came, list):
        return [_value(each) for each in came]
    return came.value if isinstance(came, One) else None


def error_of(error: BaseException) -> tuple[str, ...]:
    name = type(error).__name__
    return (name, str(error)) if name == "ValueError" else (name,)
