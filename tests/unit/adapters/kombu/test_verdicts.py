"""Which verdicts RabbitMQ carries out by itself, and which need a message."""

from __future__ import annotations

from typing import Any

import pytest

from taskq.adapters.broker.kombu_again import CAME
from taskq.adapters.broker.kombu_verdicts import Given, Kind, Verdicts
from taskq.adapters.broker.kombu_ways import to_its_own_dead_letters
from taskq.ports import (
    Delivery,
    ExchangeSpec,
    Malformed,
    Message,
    QueueSpec,
    Settlement,
    Verdict,
)

DEAD: dict[str, Any] = {"x-dead-letter-exchange": "dlx"}
LIMIT: dict[str, Any] = {"x-delivery-limit": 5}


def given(attempts: int | None = None, **arguments: Any) -> Given:
    queue = QueueSpec("q", ExchangeSpec("x"), "k", arguments=arguments)
    delivery = Delivery(1, Message({"id": "a"}, b"", "", ""), "q", "x", "key", attempts=attempts)
    return Given(delivery, queue, "w1@h")


@pytest.mark.parametrize(
    ("verdict", "what", "is_open", "attempted", "kind"),
    [
        (Verdict.ACK, given(), True, False, None),
        (Verdict.ACK, given(3), False, False, None),
        (Verdict.CLAIM, given(), True, False, None),
        (Verdict.PARK, given(), True, False, Kind.PARK),
        (Verdict.PARK, given(), False, False, Kind.PARK),
        # Back: in its place where nothing is to be counted.
        (Verdict.REQUEUE, given(), True, False, None),
        (Verdict.REQUEUE, given(0), True, False, None),
        (Verdict.REQUEUE, given(1), True, False, Kind.AGAIN),
        (Verdict.REQUEUE, given(), True, True, Kind.AGAIN),
        (Verdict.REQUEUE, given(), False, False, Kind.AGAIN),
        (Verdict.REQUEUE, given(1, **LIMIT), True, True, None),
        (Verdict.REQUEUE, given(1, **LIMIT), False, True, Kind.AGAIN),
        # Dead: where the queue says, else where taskq keeps them.
        (Verdict.REJECT, given(), True, False, Kind.BURY),
        (Verdict.REJECT, given(), False, False, Kind.BURY),
        (Verdict.REJECT, given(**DEAD), True, False, None),
        (Verdict.REJECT, given(**DEAD), False, False, Kind.FORWARD),
    ],
)
def test_which_need_a_message(
    verdict: Verdict, what: Given, is_open: bool, attempted: bool, kind: Kind | None
) -> None:
    """A row for each case."""
    settlement = Settlement(1, verdict, "why", due_s=1.0, attempted=attempted)
    errand = Verdicts().errand(settlement, what, is_open=is_open)

    assert (None if errand is None else errand.kind) is kind


@pytest.mark.parametrize("is_open", [True, False])
def test_what_is_no_message_is_buried_or_left(is_open: bool) -> None:
    """It is never published again as a task."""
    queue = QueueSpec("q", ExchangeSpec("x"), "k")
    broken = Given(Malformed(1, "q", b"\xff", "bad"), queue, "w1@h")
    requeued, rejected = (
        Verdicts().errand(Settlement(1, verdict), broken, is_open=is_open)
        for verdict in (Verdict.REQUEUE, Verdict.REJECT)
    )

    assert requeued is None
    assert rejected is not None
    assert rejected.kind is Kind.BURY


@pytest.mark.parametrize(
    ("arguments", "route"),
    [
        (DEAD, ("dlx", "key")),
        ({**DEAD, "x-dead-letter-routing-key": "there"}, ("dlx", "there")),
        ({"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "dead"}, ("", "dead")),
    ],
)
def test_a_claimed_message_goes_where_rabbitmq_would_send_it(
    arguments: dict[str, Any], route: tuple[str, str]
) -> None:
    """With the key of the queue, or else its own."""
    settlement = Settlement(1, Verdict.REJECT, "cut off")
    errand = Verdicts().errand(settlement, given(**arguments), is_open=False)
    assert errand is not None
    outgoing = to_its_own_dead_letters(errand)

    assert (outgoing.exchange, outgoing.routing_key) == route
    assert outgoing.message.headers.keys() == {"id", CAME}
