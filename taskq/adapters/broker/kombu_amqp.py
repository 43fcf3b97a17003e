"""A worker's end of RabbitMQ, on py-amqp.

Made by ``KombuBroker.consume``.  The socket is read in large pieces without waiting.  Verdicts of
one call go out in one write: acknowledgements of the oldest open deliveries as one frame
(``multiple``), whatever is left as a frame each.

RabbitMQ does not answer an acknowledgement.  After a CLAIM the channel is asked something that it
does answer, in order, so that the claim cannot be lost together with the connection: without it
a body could start here and, after a cut, start again elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import count
from struct import Struct
from types import MappingProxyType
from typing import Any, Final

from amqp.exceptions import AMQPNotImplementedError

from taskq.adapters.broker.kombu_entities import consumer_arguments, is_quorum
from taskq.adapters.broker.kombu_intake import KombuIntake, message_from
from taskq.ports import Delivery, QueueSpec, Settlement, Verdict

DELIVERY_COUNT: Final = "x-delivery-count"

# RabbitMQ 4 has no prefetch for a whole channel any more.
LAST_WITH_GLOBAL_PREFETCH: Final = 3
MAX_PREFETCH: Final = 65_535  # two bytes on the wire

# A frame with ``basic.ack`` (tag, multiple) or ``basic.reject`` (tag, requeue).
_VERDICT_FRAME: Final = Struct(">BHIHHQBB")
_METHOD_FRAME: Final = 1
_VERDICT_SIZE: Final = 13
_BASIC: Final = 60
_ACK: Final = 80
_REJECT: Final = 90
_FRAME_END: Final = 0xCE

_REQUEUES: Final[Mapping[Verdict, bool]] = MappingProxyType(
    {Verdict.REQUEUE: True, Verdict.REJECT: False}
)


class AmqpIntake(KombuIntake[int]):
    """Implements ``ports.Intake`` on RabbitMQ; a handle is the channel's delivery tag."""

    _consumers: dict[str, str]  # queue name -> consumer tag

    def _begin(self) -> None:
        self._consumers = {}
        self._cancelled: list[str] = []
        self._consumer_numbers = count(1)
        self._shared = self._shares_prefetch()
        self._started = False
        self._link.declare([queue for queue in self._queues.values() if not queue.no_declare])

    def _start(self) -> None:
        """Consume: not before the first look, because the prefetch must be known by then."""
        self._started = True
        self._say_prefetch()
        for queue in self._queues.values():
            self._take_from(queue)

    # -- queues ----------------------------------------------------------------------------------

    def _consume(self, queue: QueueSpec) -> None:
        if self._started:
            self._take_from(queue)

    def _take_from(self, queue: QueueSpec) -> None:
        if not queue.no_declare:
            self._link.declare([queue])
        tag = f"{self._node}.{next(self._consumer_numbers)}"
        counts = is_quorum(queue)

        def on_message(message: Any) -> None:
            self._on_message(message, queue, counts=counts)

        self._link.channel.basic_consume(
            queue=queue.name,
            consumer_tag=tag,
            no_ack=queue.no_ack,
            callback=on_message,
            on_cancel=lambda _tag: self._cancelled.append(queue.name),
            arguments=consumer_arguments(queue),
        )
        self._consumers[queue.name] = tag

    def _cancel(self, name: str) -> None:
        if (tag := self._consumers.pop(name, None)) is not None:
            self._link.channel.basic_cancel(tag)

    def _consume_again(self) -> None:
        """The broker took queues away, so somebody deleted them: make them anew."""
        names, self._cancelled = self._cancelled, []
        self._link.forget_declared()
        for name in names:
            self._consumers.pop(name, None)
            if name in self._queues:
                self._take_from(self._queues[name])

    # -- prefetch --------------------------------------------------------------------------------

    _without_shared = False  # learned from a queue that refused

    def _shares_prefetch(self) -> bool:
        """Whether one limit can be set for all queues together, and changed at any time."""
        version = str(self._link.raw.server_properties.get("version", "0"))
        return (
            not self._without_shared
            and int(version.partition(".")[0] or 0) <= LAST_WITH_GLOBAL_PREFETCH
            and not any(is_quorum(queue) for queue in self._queues.values())
        )

    def _say_prefetch(self) -> None:
        limit = self._prefetch
        if limit and not self._shared:
            # Each consumer has a limit of its own: together they must not exceed what was asked.
            limit = max(1, limit // max(1, len(self._queues)))
        self._link.channel.basic_qos(0, min(limit, MAX_PREFETCH), a_global=self._shared)

    def _limit_prefetch(self) -> None:
        if not self._started:
            return
        self._say_prefetch()
        if not self._shared:
            # It applies to consumers that begin after it.
            for name in list(self._consumers):
                self._cancel(name)
                self._take_from(self._queues[name])

    def _on_failure(self, error: BaseException) -> None:
        # A quorum queue that was declared elsewhere, so that nobody could know its type.
        if isinstance(error, AMQPNotImplementedError):
            self._without_shared = True

    # -- deliveries ------------------------------------------------------------------------------

    @property
    def watched(self) -> Sequence[int]:
        """The socket."""
        sock = self._link.sock
        return () if sock is None else (sock.fileno(),)

    @property
    def poll_s(self) -> float | None:
        """None: the socket says when there is something."""
        return None

    def _collect(self) -> None:
        if not self._started:
            self._start()
        self._link.pump()
        if self._cancelled:
            self._consume_again()

    def _on_message(self, message: Any, queue: QueueSpec, *, counts: bool) -> None:
        properties, info = message.properties, message.delivery_info
        headers = properties.get("application_headers") or {}
        attempts = headers.get(DELIVERY_COUNT, 0 if counts else None)
        self._accept(
            None if queue.no_ack else info["delivery_tag"],
            lambda tag: Delivery(
                tag=tag,
                message=message_from(
                    message.body or b"",
                    headers,
                    properties,
                    properties.get("content_type"),
                    properties.get("content_encoding"),
                ),
                queue=queue.name,
                exchange=info["exchange"],
                routing_key=info["routing_key"],
                redelivered=bool(info["redelivered"]),
                attempts=attempts,
            ),
        )

    def _settle(self, settlements: Sequence[Settlement]) -> None:
        channel, raw = self._link.channel, self._link.raw
        frames = verdict_frames(channel.channel_id, self._open, settlements)
        raw.transport.write(b"".join(frames))
        raw.bytes_sent += len(frames)  # heartbeats look at it
        for settlement in settlements:
            self._open.pop(settlement.tag, None)
        if any(settlement.verdict is Verdict.CLAIM for settlement in settlements):
            self._say_prefetch()  # the question whose answer says that all before it was done

    def renew(self) -> float | None:
        """Send a heartbeat if one is due; notice if the broker's are missing."""
        with self._guarded():
            raw = self._link.raw
            if not raw.heartbeat:
                return None
            self._link.pump()  # what came while we were busy counts as a sign of life
            raw.heartbeat_tick(rate=self._checkrate)
            return float(raw.heartbeat) / self._checkrate


def verdict_frames(
    channel: int, given_out: Mapping[int, int], settlements: Sequence[Settlement]
) -> list[bytes]:
    """Say as few frames as possible; ``given_out`` maps our tags to the channel's, in order."""
    acked = {settlement.tag for settlement in settlements if settlement.verdict not in _REQUEUES}
    frames = []
    prefix_end = None
    for tag in given_out:
        if tag not in acked:
            break
        prefix_end = given_out[tag]
        acked.discard(tag)
    if prefix_end is not None:
        frames.append(_frame(channel, _ACK, prefix_end, flag=True))
    frames.extend(_frame(channel, _ACK, given_out[tag], flag=False) for tag in sorted(acked))
    frames.extend(
        _frame(channel, _REJECT, given_out[settlement.tag], flag=_REQUEUES[settlement.verdict])
        for settlement in settlements
        if settlement.verdict in _REQUEUES
    )
    return frames


def _frame(channel: int, method: int, tag: int, *, flag: bool) -> bytes:
    return _VERDICT_FRAME.pack(
        _METHOD_FRAME, channel, _VERDICT_SIZE, _BASIC, method, tag, flag, _FRAME_END
    )
