"""``apply`` of drawn canvases: here and now, with the same outcome."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from taskq_testing.strategies import Canvas, canvases
from tests.sim.canvas.interpreter import FAILURE, PENDING, Came, interpret, seen
from tests.sim.canvas.running import Stage, error_of, quiet_log

EXAMPLES = settings(max_examples=500, suppress_health_check=list(HealthCheck))


def came_here(result: Any) -> Any:
    """Show a handle; nothing is stored, so ``Ignore`` is the state, and no result is left out."""
    if result is None:
        return None
    if hasattr(result, "results"):
        return [came_here(each) for each in result.results]
    value, state = result.result, result.state
    if state == "IGNORED":
        return state
    if isinstance(value, BaseException):
        return FAILURE, error_of(value)
    return state, seen("", [value])


def fits(was: Any, came: Came) -> bool:
    """Compare; a chain that breaks ends with the step that did not succeed, whatever follows."""
    if isinstance(came, list):
        if isinstance(was, list):
            return len(was) == len(came) and all(map(fits, was, came))
        return all(fits(was, each) for each in came)
    if came is None:
        return was is None
    if came.state == PENDING:
        return bool(was == "IGNORED")
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
