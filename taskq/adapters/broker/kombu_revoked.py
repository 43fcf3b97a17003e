"""Revocations on RabbitMQ: a stream, which can be read from its beginning by everybody.

``taskq.revoked`` is a queue of type ``stream``: reading takes nothing out of it, and it forgets by
age and size.  Where its end is, nobody says; so a reader writes a mark, and reads until the mark.
RabbitMQ has streams since 3.9.  Where there are none, that is said once, and revocations are known
only to the workers that hear of them, and to their state files.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from amqp.exceptions import InternalError, NotFound, PreconditionFailed

from taskq.adapters.broker.errors import BrokerError
from taskq.adapters.broker.kombu_courier import CALL_TIMEOUT_S, Courier
from taskq.adapters.broker.kombu_links import Deadline, Link
from taskq.ports import Clock, Message, Outgoing, Randomness, Revocation

logger: Final = logging.getLogger(__name__)

QUEUE: Final = "taskq.revoked"
ARGUMENTS: Final[Mapping[str, Any]] = {
    "x-queue-type": "stream",
    "x-max-age": "7D",
    # About 30,000 revocations; a worker that begins reads them all.  It forgets by segments.
    "x-max-length-bytes": 5_000_000,
    "x-stream-max-segment-size-bytes": 500_000,
}
# What a reader may have in its hands without having said that it read it.
WINDOW: Final = 500
# After a restart of RabbitMQ a stream is not there at once.  A worker that begins waits so long.
PATIENCE_S: Final = 10.0
LOOK_S: Final = 0.5

MARK: Final = "mark"


class RevocationStream:
    """Writes and reads."""

    def __init__(self, courier: Courier, clock: Clock, randomness: Randomness) -> None:
        self._courier, self._clock, self._randomness = courier, clock, randomness
        self._missing = False

    def write(self, revocations: Sequence[Revocation]) -> None:
        """Add some."""
        self._publish(
            [
                {"id": one.task_id, "headers": dict(one.headers), "until": one.until_s}
                for one in revocations
            ]
        )

    def read(self) -> Sequence[Revocation]:
        """Return those whose time is not over; of several for one task the last."""
        mark = self._randomness.uuid()
        if not self._publish([{MARK: mark}]):
            return ()
        found: dict[str, Revocation] = {}
        now_s = self._clock.read().wall_s
        with self._courier.own_link("reading what was revoked") as link:
            for one in self._until(mark, link):
                if one.until_s > now_s:
                    found[one.task_id or _key(one)] = one
        return list(found.values())

    def _publish(self, records: Sequence[Mapping[str, Any]]) -> bool:
        """Write records; says whether there is a stream."""
        if self._missing or not records:
            return False
        deadline = Deadline(self._clock, PATIENCE_S)
        while True:
            try:
                self._courier.publish_again([_outgoing(record) for record in records], _ready)
            except BrokerError as error:
                if _has_no_streams(error.__cause__):
                    self._missing = True
                    logger.warning(NO_STREAMS, error.where, error.why)
                    return False
                if not isinstance(error.__cause__, NotFound):
                    raise
                if deadline.over:
                    logger.warning("Revoked tasks are not remembered for now: %s", error)
                    return False
                self._clock.sleep(LOOK_S)
            else:
                return True

    def _until(self, mark: str, link: Link) -> Iterator[Revocation]:
        """Read from the first record to the mark."""
        come: list[Any] = []
        channel, deadline = link.channel, Deadline(self._clock, CALL_TIMEOUT_S)
        channel.basic_qos(0, WINDOW, a_global=False)
        channel.basic_consume(QUEUE, callback=come.append, arguments={"x-stream-offset": "first"})
        while True:
            link.wait(deadline.left())
            for message in come:
                record = _record(message.body)
                if record.get(MARK) == mark:
                    return
                if (revocation := _revocation(record)) is not None:
                    yield revocation
            if come:
                channel.basic_ack(come[-1].delivery_info["delivery_tag"], multiple=True)
                come.clear()


NO_STREAMS: Final = (
    "%s has no streams, so revoked tasks are remembered by the workers that run now, and in their"
    " state files (--statedb): %s"
)


def _has_no_streams(refusal: BaseException | None) -> bool:
    """Whether a RabbitMQ does not know the type, or was told not to have it."""
    return isinstance(refusal, PreconditionFailed) or (
        isinstance(refusal, InternalError) and "feature flag" in str(refusal)
    )


def _ready(link: Link) -> None:
    link.once("revocations", lambda: _declare(link))


def _declare(link: Link) -> None:
    try:
        with link.side_channel() as channel:
            channel.queue_declare(
                QUEUE, durable=True, exclusive=False, auto_delete=False, arguments=dict(ARGUMENTS)
            )
    except PreconditionFailed as refusal:
        # It may be there already, with other limits; else there are no streams.
        try:
            with link.side_channel() as channel:
                channel.queue_declare(QUEUE, passive=True)
        except NotFound:
            raise refusal from None


def _outgoing(record: Mapping[str, Any]) -> Outgoing:
    body = json.dumps(record, default=str).encode()
    message = Message({}, body, "application/json", "utf-8", {"delivery_mode": 2})
    return Outgoing(message, "", QUEUE)


def _record(body: Any) -> Mapping[str, Any]:
    try:
        record = json.loads(body)
    except (ValueError, TypeError):
        return {}  # somebody else's; there is nothing to revoke in it
    return record if isinstance(record, dict) else {}


def _revocation(record: Mapping[str, Any]) -> Revocation | None:
    until_s, headers = record.get("until"), record.get("headers")
    if not isinstance(until_s, int | float):
        return None
    return Revocation(
        until_s=float(until_s),
        task_id=str(record.get("id") or ""),
        headers=headers if isinstance(headers, dict) else {},
    )


def _key(revocation: Revocation) -> str:
    return json.dumps(revocation.headers, sort_keys=True, default=str)
