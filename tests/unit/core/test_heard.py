"""Receivers in the program are told of what comes in, if there are any, before it runs."""

from __future__ import annotations

from typing import Any

import pytest

from taskq.core.effects import Received, Refused
from taskq.core.inputs import Connected, Delivered, Revoked
from taskq.core.worker import WorkerCore
from taskq.ports import Malformed, Revocation

from .helpers import START, at, core_of, delivery, iso, kinds, of


def hear(core: WorkerCore, *deliveries: Any) -> list[Any]:
    return core.handle(Delivered(deliveries, heard=True), at(0.0))


def test_a_task_is_told_before_it_runs() -> None:
    """Whoever counts them sees it come before it sees it begin."""
    effects = hear(core_of(), delivery(1), delivery(2))

    assert [effect.job.token for effect in of(Received, effects)] == [1, 2]
    assert kinds(effects).index("Received") < kinds(effects).index("Run")


def test_where_nobody_listens_nothing_is_told() -> None:
    """It would be work for each message."""
    core = core_of()
    effects = core.handle(
        Delivered((delivery(1), Malformed(2, raw=b"\xff", queue="celery", reason="no message"))),
        at(0.0),
    )

    assert of(Received, effects) == of(Refused, effects) == []


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (Malformed(1, raw=b"\xff", queue="celery", reason="no message"), "no message"),
        (delivery(1, eta="soon"), "bad time in the headers"),
    ],
)
def test_what_is_no_task_is_told_as_such(raw: Any, reason: str) -> None:
    """With the reason, and the bytes that came."""
    effects = hear(core_of(), raw)

    [refused] = of(Refused, effects)
    assert reason in refused.reason
    assert refused.raw == (raw.raw if isinstance(raw, Malformed) else raw.message.body)
    assert of(Received, effects) == []


def test_a_parked_task_is_told_when_it_has_come() -> None:
    """Not when it is sent to wait: then this worker has not taken it."""
    core = core_of()
    core.handle(Connected(parks=True), at(0.0))

    assert of(Received, hear(core, delivery(1, eta=iso(60)))) == []
    assert len(of(Received, hear(core, delivery(2, eta=iso(-60))))) == 1


def test_a_held_task_is_told_when_it_is_taken() -> None:
    """Where the broker keeps nothing, this worker has it from now on."""
    core = core_of()
    core.handle(Connected(parks=False), at(0.0))

    assert len(of(Received, hear(core, delivery(1, eta=iso(60))))) == 1


def test_what_ends_at_once_was_taken_in_as_well() -> None:
    """A revoked task ends here, and not elsewhere."""
    core = core_of()
    core.handle(Revoked((Revocation(START + 100.0, "t1"),)), at(0.0))

    assert kinds(hear(core, delivery(1)))[0] == "Received"
