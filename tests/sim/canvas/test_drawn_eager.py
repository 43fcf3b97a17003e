"""Drawn canvases here and now: the same as in a worker, which is told by the worker itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Final

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from taskq import signals
from taskq.app.eager.place import EagerPlace
from taskq_testing import World
from taskq_testing.strategies import Canvas, canvases
from tests.sim.canvas.interpreter import FAILURE, PENDING, Came, interpret, seen
from tests.sim.canvas.running import Stage, came_of, error_of, quiet_log

EXAMPLES = settings(max_examples=300, suppress_health_check=list(HealthCheck))

HEARD: Final = (
    "before_task_publish",
    "after_task_publish",
    "task_received",
    "task_prerun",
    "task_postrun",
    "task_success",
    "task_failure",
    "task_retry",
    "task_revoked",
    "task_internal_error",
)


@contextmanager
def heard() -> Iterator[Counter[tuple[str, str]]]:
    """Count the signals of each task."""
    found: Counter[tuple[str, str]] = Counter()

    def listen(name: str) -> Any:
        def hear(sender: Any, **_told: Any) -> None:
            known = sender if isinstance(sender, str) else getattr(sender, "name", "the worker")
            found[name, known] += 1

        return hear

    with ExitStack() as stack:
        for name in HEARD:
            signal, receiver = getattr(signals, name), listen(name)
            signal.connect(receiver, weak=False)
            stack.callback(signal.disconnect, receiver)
        yield found


def came_here(result: Any) -> Any:
    """Show a handle."""
    if result is None:
        return None
    if hasattr(result, "results"):
        return [came_here(each) for each in result.results]
    value, state = result.result, result.state
    return state, error_of(value) if isinstance(value, BaseException) else seen("", [value])


def fits(was: Any, came: Came) -> bool:
    """Compare; a handle tells also what is not stored, where there was a body."""
    if isinstance(came, list):
        return len(was) == len(came) and all(map(fits, was, came))
    if came is None:
        return was is None
    state, _ = was
    if came.state == PENDING:
        return state in {PENDING, "IGNORED"}
    if not came.kept and state == PENDING:
        return True
    return bool(
        was == (came.state, came.value if came.state == FAILURE else seen("", [came.value]))
    )


@EXAMPLES
@given(canvas=canvases(), header_errbacks=st.booleans())
def test_apply_agrees(canvas: Canvas, header_errbacks: bool) -> None:
    """Results, bodies, callbacks and errbacks are those that workers would have made."""
    stage = Stage("eager")
    expected = interpret(canvas, header_errbacks=header_errbacks)

    with quiet_log():
        signature = stage.signature(canvas, header_errbacks=header_errbacks, ids=None)
        result = signature.apply()

    assert fits(came_here(result), expected.came), (came_here(result), expected.came)
    assert stage.runs == expected.runs
    assert stage.errbacks == expected.errbacks


@EXAMPLES
@given(canvas=canvases(), header_errbacks=st.booleans())
def test_a_worker_does_the_same(canvas: Canvas, header_errbacks: bool) -> None:
    """States in the store, signals, bodies and errbacks, and messages are those of a worker."""
    stage = Stage("eager")
    ids = list(interpret(canvas, header_errbacks=header_errbacks).states)

    def look(sent: int, told: Counter[tuple[str, str]]) -> dict[str, Any]:
        return {
            "states": {each: came_of(stage.app.AsyncResult(each)) for each in ids},
            "bodies": Counter(stage.runs),
            "errbacks": Counter(stage.errbacks),
            "messages": sent,
            "signals": Counter(told),
        }

    with quiet_log(), heard() as told, World(stage.app) as world:
        world.start_worker("w1", slots=1)
        stage.signature(canvas, header_errbacks=header_errbacks).apply_async()
        world.run_until_quiet()
        in_a_worker = look(world.trace.count("task.send"), told)
    stage.app.conf.task_always_eager = True
    place = EagerPlace(stage.app)
    with quiet_log(), heard() as told, place.opened():
        stage.signature(canvas, header_errbacks=header_errbacks).apply_async()
        here = look(len(place.sent), told)

    assert here == in_a_worker
