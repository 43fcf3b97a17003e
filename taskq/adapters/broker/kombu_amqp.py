"""A worker's end of RabbitMQ, on py-amqp.

Made by ``KombuBroker.consume``.  The socket is read in large pieces without waiting.  Verdicts of
one call go out in one write: acknowledgements of the oldest open deliveries as one frame
(``multiple``), whatever is left as a frame each.

RabbitMQ does not answer an acknowledgement.  After a CLAIM the channel is asked something that it
does answer, in order, so that the claim cannot be lost together with the connection: without it
a body could start here and, after a cut, start again elsewhere.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Sequence
from itertools import count
from typing import Any, Final

from amqp.exceptions import AccessRefused, AMQPNotImplementedError

from taskq.adapters.broker.errors import BrokerGoneError
from taskq.adapters.broker.kombu_again import arrived, count_in
from taskq.adapters.broker.kombu_delay import DELIVERY_EXCHANGE, Delays, undelayed_key
from taskq.adapters.broker.kombu_entities import consumer_arguments, is_quorum
from taskq.adapters.broker.kombu_frames import verdict_frames
from taskq.adapters.broker.kombu_intake import IntakeParts, KombuIntake
from taskq.adapters.broker.kombu_links import Deadline, Link
from taskq.adapters.broker.kombu_messages import amqp_message
from taskq.ports import Delivery, Malformed, Message, QueueSpec, Settlement, Verdict

logger: Final = logging.getLogger(__name__)

DELIVERY_COUNT: Final = "x-delivery-count"
TEXT: Final = frozenset({str})

# RabbitMQ 4 has no prefetch for a whole channel any more.
LAST_WITH_GLOBAL_PREFETCH: Final = 3
MAX_PREFETCH: Final = 65_535  # two bytes on the wire


class AmqpIntake(KombuIntake[int]):
    """Implements ``ports.Intake`` on RabbitMQ; a handle is the channel's delivery tag."""

    def __init__(
        self,
        link: Link,
        queues: Sequence[QueueSpec],
        *,
        node: str,
        parts: IntakeParts,
        delays: Delays,
        is_late: Callable[[str], bool] | None = None,
    ) -> None:
        super().__init__(link, queues, node=node, parts=parts)
        self._delays, self._is_late = delays, is_late
        self._ask_every_s = parts.ask_every_s
        self._may_delay = True
        self._consumers: dict[str, str] = {}  # queue name -> consumer tag
        # Messages that came again, and whose count has to be raised before they are given out.
        self._uncounted: list[int] = []

    @property
    def parks(self) -> bool:
        """Yes: RabbitMQ delays messages in queues of its own, unless it forbids to use them."""
        return self._may_delay

    def _begin(self) -> None:
        self._consumers = {}
        self._cancelled: list[str] = []
        self._uncounted = []
        self._consumer_numbers = count(1)
        self._shared = self._shares_prefetch()
        self._started = False
        self._link.declare([queue for queue in self._queues.values() if not queue.no_declare])
        self._begin_delays(list(self._queues.values()))

    def _begin_delays(self, queues: Sequence[QueueSpec]) -> None:
        try:
            self._delays.begin(self._link, queues)
        except AccessRefused as error:
            self._may_delay = False
            logger.warning(
                "%s: what is not due yet waits in this worker, since its user may not use the"
                " queues celery_delayed_*: %s",
                self._link.where,
                error,
            )

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
            self._begin_delays([queue])

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
                self._consume(self._queues[name])

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
        if self._uncounted:
            self._count_again()

    def _on_message(self, message: Any, queue: QueueSpec, *, counts: bool) -> None:
        info = message.delivery_info
        handle = None if queue.no_ack else info["delivery_tag"]
        tag = next(self._numbers)
        sent = amqp_message(message)
        why = self._link.why_spoiled()
        if why is None and not TEXT.issuperset(map(type, sent.headers)):
            why = "the name of a header is no text"
        if why is not None:
            self._accept(handle, queue, Malformed(tag, queue.name, sent.body, why))
            return
        came = arrived(sent, info["exchange"], info["routing_key"])
        plain, exchange, routing_key = came.message, came.exchange, came.routing_key
        if exchange == DELIVERY_EXCHANGE:  # Celery's delays do not say where it came from
            exchange, routing_key = queue.exchange.name, undelayed_key(routing_key)
        again = bool(info["redelivered"])
        attempts = self._attempts(plain, came.attempts, again=again, counts=counts)
        delivery = Delivery(
            tag=tag,
            message=plain,
            queue=queue.name,
            exchange=exchange,
            routing_key=routing_key,
            redelivered=again or bool(came.attempts),
            attempts=attempts,
        )
        self._accept(handle, queue, delivery)
        if again and attempts and handle is not None and DELIVERY_COUNT not in plain.headers:
            self._uncounted.append(tag)

    # -- how often a message was begun -----------------------------------------------------------

    def _attempts(
        self, message: Message, known: int | None, *, again: bool, counts: bool
    ) -> int | None:
        """Add up what the header says and what the broker says.

        A message that was never acknowledged may have begun only if its task acknowledges late.
        """
        if not again and known is None and DELIVERY_COUNT not in message.headers:
            return 0 if counts else None
        counted = count_in(message.headers, DELIVERY_COUNT)
        task = message.headers.get("task")
        if self._is_late is not None and isinstance(task, str) and not self._is_late(task):
            return None
        if counted is not None:
            return (known or 0) + counted
        # A classic queue says that a message comes again, and not how often.
        if again and isinstance(task, str):
            return (known or 0) + 1
        return known or 0 if counts else known

    def _count_again(self) -> None:
        """Raise the count of messages that came again, so that it outlives this worker too.

        To change a header is to publish the message anew, behind those that wait; the worker gets
        it when it is its turn.  What came last goes first: of several that a worker had when it
        was lost, the one that began first is the likeliest to have ended it.  Where the broker
        takes nothing, they are given out as they are.
        """
        tags, self._uncounted = self._uncounted, []
        gone, settled = self._errands.recount([self._given[tag] for tag in reversed(tags)])
        if gone:
            self._inbox = [one for one in self._inbox if one.tag not in gone]
            for tag in gone:
                del self._given[tag]
        self._settle_some(settled)

    # -- verdicts --------------------------------------------------------------------------------

    def _settle(self, settlements: Sequence[Settlement]) -> None:
        channel, raw = self._link.channel, self._link.raw
        frames = verdict_frames(channel.channel_id, self._open, settlements)
        raw.transport.write(b"".join(frames))
        raw.bytes_sent += len(frames)  # heartbeats look at it
        for settlement in settlements:
            self._open.pop(settlement.tag, None)
        if any(settlement.verdict is Verdict.CLAIM for settlement in settlements):
            self._say_prefetch()  # the question whose answer says that all before it was done

    def close(self) -> None:
        """Hand back what is unsettled and unclaimed, and let go of the connection.

        What the worker has not even seen goes back as such, so that it does not count.
        """
        with contextlib.suppress(BrokerGoneError), self._guarded():
            for name in list(self._consumers):
                self._cancel(name)
            self.settle([Settlement(one.tag, Verdict.REQUEUE) for one in self._inbox])
        super().close()

    def renew(self) -> float | None:
        """Send a heartbeat if one is due; notice if the broker's are missing."""
        with self._guarded():
            raw = self._link.raw
            if not raw.heartbeat:
                return self._ask_for_a_sign()
            self._link.pump()  # what came while we were busy counts as a sign of life
            raw.heartbeat_tick(rate=self._checkrate)
            return float(raw.heartbeat) / self._checkrate

    def _ask_for_a_sign(self) -> float | None:
        """Ask anything, for nobody else would notice that the connection carries nothing."""
        if self._ask_every_s is not None and self._started:
            self._link.limit(Deadline(self._clock, self._ask_every_s))
            self._say_prefetch()
            self._link.limit(Deadline(self._clock, None))
        return self._ask_every_s
