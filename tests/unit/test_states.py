"""Result states: one table, and the order that follows from it."""

from __future__ import annotations

import pytest

from taskq import states


def test_the_sets_are_celerys() -> None:
    """What is final, what is not, what carries an exception, and what ``get`` raises."""
    assert {"SUCCESS", "FAILURE", "REVOKED"} == states.READY_STATES
    assert {"PENDING", "RECEIVED", "STARTED", "REJECTED", "RETRY"} == states.UNREADY_STATES
    assert {"RETRY", "FAILURE", "REVOKED"} == states.EXCEPTION_STATES
    assert {"FAILURE", "REVOKED"} == states.PROPAGATE_STATES
    assert {"PENDING", "RECEIVED", "STARTED", "SUCCESS", "FAILURE"} <= states.ALL_STATES


@pytest.mark.parametrize(
    ("more_final", "less_final"),
    [("SUCCESS", "FAILURE"), ("FAILURE", "STARTED"), ("PROGRESS", "PENDING")],
)
def test_states_compare_by_how_final_they_are(more_final: str, less_final: str) -> None:
    """Also with one of somebody's own, which stands between those that are known."""
    high, low = states.state(more_final), states.state(less_final)

    assert high > low
    assert high >= low
    assert low < high
    assert low <= high
    assert not low > high
    assert states.precedence(more_final) < states.precedence(less_final)


def test_states_that_nobody_knows_are_alike() -> None:
    """Two of one's own are of one rank."""
    mine, yours = states.state("PROGRESS"), states.state("HALFWAY")

    assert mine >= yours
    assert mine <= yours
    assert not mine > yours
    assert not mine < yours
