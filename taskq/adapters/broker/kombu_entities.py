"""Queues and exchanges: taskq's specifications and kombu's objects, each from the other.

Used by the kombu driver to declare, and by ``surface`` to show Celery programs what they know.
A specification that was made from a user's kombu object keeps it as ``native``, and that one is
declared: it may carry what a specification does not name.
"""

from __future__ import annotations

from collections.abc import Hashable
from copy import copy
from typing import Any, Final, TypeAlias, cast

from kombu.entity import Exchange, Queue, binding

from taskq.ports import ExchangeSpec, QueueSpec

Spec: TypeAlias = QueueSpec | ExchangeSpec

QUEUE_TYPE: Final = "x-queue-type"


def to_exchange(spec: ExchangeSpec) -> Exchange:
    """Make kombu's exchange."""
    return Exchange(
        spec.name,
        type=spec.type,
        durable=spec.durable,
        auto_delete=spec.auto_delete,
        arguments=dict(spec.arguments) or None,
    )


def to_queue(spec: QueueSpec) -> Queue:
    """Make kombu's queue, or return the user's own."""
    if isinstance(spec.native, Queue):
        return _filled_in(spec.native, spec)
    return Queue(
        spec.name,
        exchange=to_exchange(spec.exchange),
        routing_key=spec.routing_key,
        durable=spec.durable,
        exclusive=spec.exclusive,
        auto_delete=spec.auto_delete,
        expires=spec.expires_s,
        message_ttl=spec.message_ttl_s,
        max_priority=spec.max_priority,
        queue_arguments=dict(spec.arguments) or None,
        bindings=_bindings(spec),
        no_ack=spec.no_ack,
        no_declare=spec.no_declare or None,
    )


def _bindings(spec: QueueSpec) -> list[binding] | None:
    """List all bindings, if there are several: kombu then forgets about exchange and key."""
    if not spec.bindings:
        return None
    own = [(spec.exchange, spec.routing_key)] if spec.exchange.name else []
    return [binding(to_exchange(source), key) for source, key in (*own, *spec.bindings)]


def _filled_in(native: Any, spec: QueueSpec) -> Queue:
    """Give a user's queue what it left open; what it says itself stays."""
    nowhere = not (native.exchange and native.exchange.name) and bool(spec.exchange.name)
    if not nowhere and native.routing_key == spec.routing_key:
        return cast("Queue", native)
    filled = copy(native)
    if nowhere:
        filled.exchange = to_exchange(spec.exchange)
    filled.routing_key = native.routing_key or spec.routing_key
    return cast("Queue", filled)


def to_entity(spec: Spec) -> Queue | Exchange:
    """Make either."""
    return to_queue(spec) if isinstance(spec, QueueSpec) else to_exchange(spec)


# kombu gives its entities their attributes at run time, so nothing is known of them before.
def from_exchange(exchange: Any) -> ExchangeSpec:
    """Describe kombu's exchange."""
    if exchange is None:
        return ExchangeSpec("")
    return ExchangeSpec(
        name=exchange.name or "",
        type=exchange.type or "direct",
        durable=bool(exchange.durable),
        auto_delete=bool(exchange.auto_delete),
        arguments=dict(exchange.arguments or {}),
    )


def from_queue(queue: Any) -> QueueSpec:
    """Describe kombu's queue."""
    return QueueSpec(
        name=queue.name or "",
        exchange=from_exchange(queue.exchange),
        routing_key=queue.routing_key or "",
        durable=bool(queue.durable),
        exclusive=bool(queue.exclusive),
        auto_delete=bool(queue.auto_delete),
        expires_s=queue.expires,
        message_ttl_s=queue.message_ttl,
        max_priority=queue.max_priority,
        arguments=dict(queue.queue_arguments or {}),
        bindings=tuple(
            (from_exchange(bound.exchange), bound.routing_key or "")
            for bound in queue.bindings or ()
        ),
        no_ack=bool(queue.no_ack),
        no_declare=bool(queue.no_declare),
        native=queue,
    )


def key_of(spec: Spec) -> Hashable:
    """Tell apart what is declared once for each connection."""
    if isinstance(spec, ExchangeSpec):
        return spec.name, spec.type
    return spec.name, spec.exchange.name, spec.routing_key, len(spec.bindings)


def is_quorum(spec: QueueSpec) -> bool:
    """Whether RabbitMQ counts deliveries of this queue, and has no global prefetch for it."""
    return bool(queue_argument(spec, QUEUE_TYPE) == "quorum")


def consumer_arguments(spec: QueueSpec) -> dict[str, Any] | None:
    """What a user's queue wants said when it is consumed from."""
    return getattr(spec.native, "consumer_arguments", None)


def queue_argument(spec: QueueSpec, name: str) -> Any:
    """Return what the declaration of a queue says; what a policy says nobody here knows."""
    own = getattr(spec.native, "queue_arguments", None) or {}
    return own.get(name, spec.arguments.get(name))
