# ruff: noqa: PLR0917 - the parameters are kombu's, and so is their order
"""The two ends between which ``migrate`` moves messages: what takes, and what publishes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, Final

from taskq.errors import TaskqError
from taskq.ports import (
    Broker,
    Delivery,
    Malformed,
    Message,
    Outgoing,
    PublishOptions,
    QueueSpec,
    Settlement,
    Verdict,
)
from taskq.runtime.waiter import Waiter
from taskq.wiring.brokers import broker_at
from taskq.wiring.nodenames import node_name

__all__ = ["End", "Producer", "Taken", "broker_of"]

NODE: Final = "migrate"
# The longest wait between two looks at the lease.
LOOK_S: Final = 1.0
# A message that goes nowhere is refused, where the broker can say so: it stays where it was.
HANDED_OVER: Final = PublishOptions(mandatory=True)


def broker_of(app: Any, place: Any) -> Broker:
    """Return the broker at a URL, or behind a connection of kombu's; None is the app's own."""
    if place is None:
        broker: Broker = app.ports.broker
        return broker
    url = place if isinstance(place, str) else place.as_uri(include_password=True)
    return broker_at(app, url)


def let_go(app: Any, broker: Broker) -> None:
    """Close a broker that is not the app's own."""
    if broker is not app.ports.broker:
        broker.close()


class Taken:
    """A message that was taken, with kombu's names."""

    def __init__(self, end: End, delivery: Delivery, accept: Any = None) -> None:
        self._end, self._delivery, self._accept = end, delivery, accept
        message = delivery.message
        self.headers: Mapping[str, Any] = message.headers
        self.properties: Mapping[str, Any] = message.properties
        self.body = message.body
        self.content_type, self.content_encoding = message.content_type, message.content_encoding
        self.delivery_tag = delivery.tag
        self.acknowledged = False
        self.delivery_info: dict[str, Any] = {
            "exchange": delivery.exchange,
            "routing_key": delivery.routing_key,
            "queue": delivery.queue,
            "redelivered": delivery.redelivered,
        }

    @cached_property
    def payload(self) -> Any:
        """The body, decoded; None where it cannot be, or must not."""
        app = self._end.app
        codec, conf = app.ports.codec, app.conf
        accept = codec.accepted(self._accept or conf.accept_content)
        body = self.body
        try:
            if compression := self.headers.get("compression"):
                body = codec.decompress(body, compression, conf.taskq_max_body_bytes)
            return codec.decode(body, self.content_type, self.content_encoding, accept)
        except TaskqError:
            return None  # it is moved as it is

    def described(self) -> dict[str, Any]:
        """Return what predicates get: the headers, with what the body says of the arguments."""
        if "task" not in self.headers:  # protocol 1: all of it is in the body
            found = self.payload if isinstance(self.payload, Mapping) else {}
            return {"task": None, "id": None, **found}
        args, kwargs, embed = self._parts()
        return {**self.headers, **embed, "args": args, "kwargs": kwargs}

    def _parts(self) -> tuple[Any, Any, Mapping[str, Any]]:
        payload = self.payload
        if isinstance(payload, list | tuple) and len(payload) == 3:  # noqa: PLR2004 - protocol 2
            args, kwargs, embed = payload
            return args, kwargs, embed or {}
        return (), {}, {}

    def ack(self) -> None:
        """It is done with where it was."""
        if not self.acknowledged:
            self.acknowledged = True
            self._end.settle(self._delivery.tag, Verdict.ACK)


class End:
    """Takes messages, and gives back what nobody has acknowledged."""

    def __init__(
        self, app: Any, broker: Broker, queues: Sequence[QueueSpec], accept: Any = None
    ) -> None:
        self.app, self._accept, self._broker = app, accept, broker
        self._intake = broker.consume(queues, node_name(NODE))
        # What is left alone stays in hand until the end: else it would come again and again.
        self._intake.set_prefetch(0)
        self._waiter = Waiter()
        self._renew_at_s: float | None = 0.0

    def take(self, silence_s: float, *, forever: bool = False) -> Iterator[Taken]:
        """Return messages until nothing has come for so long."""
        silent_since_s = self._now_s()
        while True:
            self._renew()
            came = self._intake.receive()
            for delivery in came:
                if isinstance(delivery, Malformed):
                    continue  # it goes back as it is
                yield Taken(self, delivery, self._accept)
                self._renew()
            now_s = self._now_s()
            if came:
                silent_since_s = now_s
                continue
            left_s = silent_since_s + silence_s - now_s
            if left_s <= 0 and not forever:
                return
            self._waiter.wait(self._patience_s(left_s, forever=forever), self._intake.watched)

    def _patience_s(self, left_s: float, *, forever: bool) -> float:
        poll_s = self._intake.poll_s
        waits = [LOOK_S, *(() if forever else (left_s,)), *(() if poll_s is None else (poll_s,))]
        return max(0.0, float(min(waits)))

    def _now_s(self) -> float:
        elapsed_s: float = self.app.ports.clock.read().elapsed_s
        return elapsed_s

    def _renew(self) -> None:
        now_s = self._now_s()
        if self._renew_at_s is not None and self._renew_at_s <= now_s:
            again_s = self._intake.renew()
            self._renew_at_s = None if again_s is None else now_s + again_s

    def settle(self, tag: int, verdict: Verdict) -> None:
        """Settle one message."""
        self._intake.settle([Settlement(tag, verdict)])

    def close(self) -> None:
        """Give back what is in hand."""
        try:
            self._intake.close()
        finally:
            self._waiter.close()
            let_go(self.app, self._broker)


class Producer:
    """Publishes to a broker; ``publish`` returns when the broker has the message."""

    def __init__(self, app: Any, broker: Broker) -> None:
        self.app, self._broker = app, broker
        self._declared: dict[str, QueueSpec] = {}

    def close(self) -> None:
        """Let go of connections."""
        let_go(self.app, self._broker)

    def declare(self, queue: QueueSpec) -> None:
        """Make sure of a queue."""
        if queue.name not in self._declared:
            self._broker.declare([queue])
            self._declared[queue.name] = queue

    def publish(
        self,
        body: bytes,
        exchange: str,
        routing_key: str,
        headers: Mapping[str, Any],
        content_type: str,
        content_encoding: str,
        **properties: Any,
    ) -> None:
        """Hand a message over."""
        message = Message(headers, body, content_type, content_encoding, properties)
        kind = self._kind_of(exchange)
        self._broker.publish([Outgoing(message, exchange, routing_key, kind, options=HANDED_OVER)])

    def _kind_of(self, exchange: str) -> str:
        """Return the type of an exchange, where a queue is known that is bound to it."""
        known = {**self.app.router.queues, **self._declared}
        types = (spec.exchange.type for spec in known.values() if spec.exchange.name == exchange)
        return next(types, "direct")
