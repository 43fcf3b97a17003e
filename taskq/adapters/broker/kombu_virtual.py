"""A worker's end of the transports on which kombu emulates AMQP: memory, filesystem, SQS, ...

Made by ``KombuBroker.consume``.  These have no socket to watch, so they are asked, the less often
the longer nothing came.  Some of kombu's channels throw away what is unacknowledged when they are
closed, so it is put back before.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Sequence
from typing import Any, Final

from taskq.adapters.broker.kombu_again import arrived
from taskq.adapters.broker.kombu_entities import consumer_arguments
from taskq.adapters.broker.kombu_intake import BATCH, KombuIntake
from taskq.adapters.broker.kombu_links import is_virtual
from taskq.adapters.broker.kombu_memory import bell_of
from taskq.adapters.broker.kombu_messages import undecoded, virtual_message
from taskq.ports import Delivery, ExchangeSpec, Malformed, QueueSpec, Settlement, Verdict

# Short enough for tasks that follow each other, long enough for an idle worker to cost nothing.
SHORTEST_POLL_S: Final = 0.01
LONGEST_POLL_S: Final = 0.05

POLLING_INTERVAL: Final = "polling_interval"  # transport option; on SQS each look costs money


class VirtualIntake(KombuIntake[Any]):
    """Implements ``ports.Intake`` on emulated transports; a handle is kombu's delivery tag."""

    _poll_s = SHORTEST_POLL_S

    @property
    def parks(self) -> bool:
        """No: what is not due yet waits in the worker."""
        return False

    def _begin(self) -> None:
        self._consumers: dict[str, str] = {}
        channel = self._link.channel
        if is_virtual(channel):
            channel.Message = undecoded(channel.Message)
        self._limit_prefetch()
        for queue in self._queues.values():
            self._consume(queue)

    def _consume(self, queue: QueueSpec) -> None:
        if not queue.no_declare:
            self._link.declare([queue])
        channel, tag = self._link.channel, f"{self._node}.{queue.name}"
        channel.basic_consume(
            queue=queue.name,
            no_ack=queue.no_ack,
            callback=lambda message: self._on_message(message, queue),
            consumer_tag=tag,
            arguments=consumer_arguments(queue),
        )
        self._consumers[queue.name] = tag
        if is_virtual(channel):
            deliver = self._link.raw._callbacks  # noqa: SLF001 - the only place where raw messages pass
            deliver[queue.name] = self._tolerant(deliver[queue.name], queue.name)

    def _cancel(self, name: str) -> None:
        self._link.channel.basic_cancel(self._consumers.pop(name))

    def _limit_prefetch(self) -> None:
        self._link.channel.basic_qos(0, self._prefetch, False)

    # -- deliveries ------------------------------------------------------------------------------

    @property
    def watched(self) -> Sequence[int]:
        """None: these transports have to be asked, unless the queues are in this process."""
        bell = bell_of(self._link.channel)
        return () if bell is None else (bell.fileno(),)

    @property
    def poll_s(self) -> float | None:
        """What the transport wants, else short after news and longer without."""
        if bell_of(self._link.channel) is not None:
            return None
        options = self._link.connection.transport_options or {}
        wanted = options.get(POLLING_INTERVAL)
        return self._poll_s if wanted is None else float(wanted)

    def _collect(self) -> None:
        transport, bell = self._link.connection.transport, bell_of(self._link.channel)
        before = len(self._inbox)
        while len(self._inbox) - before < BATCH:
            try:
                transport.drain_events(self._link.raw, timeout=0)
            except TimeoutError:
                break
            except ValueError as error:  # what was in the queue is no JSON, and is gone from it
                self._take_malformed("", getattr(error, "doc", ""), error)
        if bell is not None:
            self._link.channel.ring()  # what was left may be taken next time
        idle = len(self._inbox) == before
        self._poll_s = min(self._poll_s * 2, LONGEST_POLL_S) if idle else SHORTEST_POLL_S

    def _tolerant(self, deliver: Callable[[Any], None], queue: str) -> Callable[[Any], None]:
        def deliver_or_report(raw: Any) -> None:
            try:
                deliver(raw)
            except (KeyError, TypeError, ValueError, AttributeError) as error:
                self._take_malformed(queue, raw, error)

        return deliver_or_report

    def _take_malformed(self, queue: str, raw: Any, error: Exception) -> None:
        data = raw if isinstance(raw, str) else json.dumps(raw, default=repr)
        reason = f"{type(error).__name__}: {error}"
        # It is gone from the queue: the transport knows no such delivery.
        spec = self._queues.get(queue) or QueueSpec(queue, ExchangeSpec(""), queue)
        self._accept(None, spec, Malformed(next(self._numbers), queue, data.encode(), reason))

    def _on_message(self, message: Any, queue: QueueSpec) -> None:
        info = message.delivery_info or {}
        came = arrived(
            virtual_message(message),
            info.get("exchange") or "",
            info.get("routing_key") or "",
        )
        again = bool(info.get("redelivered") or getattr(message, "again", False))
        delivery = Delivery(
            tag=next(self._numbers),
            message=came.message,
            queue=queue.name,
            exchange=came.exchange,
            routing_key=came.routing_key,
            redelivered=again or bool(came.attempts),
            attempts=came.attempts,
        )
        self._accept(None if queue.no_ack else message.delivery_tag, queue, delivery)

    def _settle(self, settlements: Sequence[Settlement]) -> None:
        channel = self._link.channel
        for settlement in settlements:
            handle = self._open.pop(settlement.tag)
            if settlement.verdict in {Verdict.ACK, Verdict.CLAIM}:
                channel.basic_ack(handle)
            else:
                channel.basic_reject(handle, requeue=settlement.verdict is Verdict.REQUEUE)

    def close(self) -> None:
        """Put back what is open: the channels of some transports would drop it."""
        if self._link.channel is not None:
            with self._guarded():
                self._put_back()
        super().close()

    def _drop(self) -> None:
        # A connection that works is given up by who calls ``reconnect`` for reasons of their own.
        if self._link.channel is not None:
            with contextlib.suppress(*self._link.failures):
                self._put_back()
        super()._drop()

    def _put_back(self) -> None:
        for handle in self._open.values():
            self._link.channel.basic_reject(handle, requeue=True)
        self._forget_open()
