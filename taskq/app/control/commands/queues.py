"""Which queues a worker takes from."""

from __future__ import annotations

from typing import Any

from taskq.app.control.panel import control_command, inspect_command, ok
from taskq.app.control.plain import plain
from taskq.app.control.state import State
from taskq.ports import ExchangeSpec, QueueSpec

__all__ = ["active_queues", "add_consumer", "cancel_consumer"]


@control_command(
    args=[("queue", str), ("exchange", str), ("exchange_type", str), ("routing_key", str)],
    signature="<queue> [exchange [type [routing_key]]]",
)
def add_consumer(
    state: State,
    queue: str,
    exchange: str | None = None,
    exchange_type: str | None = None,
    routing_key: str | None = None,
    **options: Any,
) -> Any:
    """Take from one more queue."""
    queues = state.app.router.queues
    spec = (
        queues[queue]
        if queue in queues
        else queues.select_add(
            queue,
            exchange=exchange or queue,
            exchange_type=exchange_type or "direct",
            routing_key=routing_key or queue,
            **options,
        )
    )
    if queue not in state.queues:
        state.intake.add_queue(spec)
        state.queues[queue] = spec
    return ok(f"add consumer {queue}")


@control_command(args=[("queue", str)], signature="<queue>")
def cancel_consumer(state: State, queue: str, **_kwargs: Any) -> Any:
    """Take no more from a queue."""
    state.app.router.queues.deselect(queue)
    if queue in state.queues:
        state.intake.cancel_queue(queue)
        del state.queues[queue]
    return ok(f"no longer consuming from {queue}")


@inspect_command()
def active_queues(state: State) -> Any:
    """List the queues that are taken from."""
    return [_described(spec) for spec in state.queues.values()]


def _described(spec: QueueSpec) -> dict[str, Any]:
    arguments = spec.arguments
    return {
        "name": spec.name,
        "exchange": _exchange(spec.exchange),
        "routing_key": spec.routing_key,
        "queue_arguments": plain(arguments) or None,
        "binding_arguments": None,
        "consumer_arguments": None,
        "durable": spec.durable,
        "exclusive": spec.exclusive,
        "auto_delete": spec.auto_delete,
        "no_ack": spec.no_ack,
        "alias": None,
        "bindings": [
            {"exchange": _exchange(exchange), "routing_key": key} for exchange, key in spec.bindings
        ],
        "no_declare": spec.no_declare or None,
        "expires": spec.expires_s,
        "message_ttl": spec.message_ttl_s,
        "max_length": arguments.get("x-max-length"),
        "max_length_bytes": arguments.get("x-max-length-bytes"),
        "max_priority": spec.max_priority,
    }


def _exchange(spec: ExchangeSpec) -> dict[str, Any]:
    return {
        "name": spec.name,
        "type": spec.type,
        "arguments": plain(spec.arguments) or None,
        "durable": spec.durable,
        "passive": False,
        "auto_delete": spec.auto_delete,
        "delivery_mode": None,
        "no_declare": False,
    }
