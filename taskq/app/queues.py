"""The queues that an app knows: what ``task_queues`` lists, the default one, and those made on use.

Users describe queues with kombu's objects, with dicts or by name alone.  Here each becomes a
``QueueSpec``; kombu is not imported, its objects are read by their attributes and kept as
``native`` for an adapter that can use them as they are.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from taskq.errors import ImproperlyConfigured, QueueNotFound
from taskq.ports import ExchangeSpec, QueueSpec

__all__ = ["Queues", "exchange_spec", "queue_spec"]


def exchange_spec(native: Any) -> ExchangeSpec:
    """Read a kombu exchange, or the name of a direct one."""
    if isinstance(native, str):
        return ExchangeSpec(native)
    return ExchangeSpec(
        name=native.name or "",
        type=native.type or "direct",
        durable=bool(native.durable),
        auto_delete=bool(native.auto_delete),
        arguments=dict(native.arguments or {}),
    )


def queue_spec(native: Any, default_exchange: ExchangeSpec, default_key: str) -> QueueSpec:
    """Read a kombu queue; what it does not name, exchange or key, is the default one."""
    exchange = exchange_spec(native.exchange) if native.exchange else ExchangeSpec("")
    key = native.routing_key or default_key
    if not exchange.name:
        exchange = default_exchange
    arguments = dict(native.queue_arguments or {})
    for attribute, argument in (
        ("max_length", "x-max-length"),
        ("max_length_bytes", "x-max-length-bytes"),
    ):
        if getattr(native, attribute, None) is not None:
            arguments[argument] = getattr(native, attribute)
    return QueueSpec(
        name=native.name,
        exchange=exchange,
        routing_key=key,
        durable=bool(native.durable),
        exclusive=bool(native.exclusive),
        auto_delete=bool(native.auto_delete),
        expires_s=getattr(native, "expires", None),
        message_ttl_s=getattr(native, "message_ttl", None),
        max_priority=getattr(native, "max_priority", None),
        arguments=arguments,
        bindings=tuple(
            (exchange_spec(each.exchange), each.routing_key or "")
            for each in (getattr(native, "bindings", None) or ())
        ),
        no_ack=bool(getattr(native, "no_ack", False)),
        no_declare=bool(getattr(native, "no_declare", False)),
        native=native,
    )


class Queues(dict[str, QueueSpec]):
    """Queue names to queues.  Asking for one that is not there makes it, where that is allowed."""

    def __init__(self, conf: Any) -> None:
        super().__init__()
        self.create_missing = bool(conf.task_create_missing_queues)
        self.missing_type: str = conf.task_create_missing_queue_type or "classic"
        self.missing_exchange_type: str | None = conf.task_create_missing_queue_exchange_type
        self.max_priority: int | None = conf.task_queue_max_priority
        name = conf.task_default_queue
        self.default_name: str = name if isinstance(name, str) else name.name
        self.default_exchange = ExchangeSpec(
            conf.task_default_exchange or self.default_name, conf.task_default_exchange_type
        )
        self.default_key: str = conf.task_default_routing_key or self.default_name
        self._selected: set[str] | None = None
        # kombu's ``Broadcast`` has a name of its own in each process, and one that all know it by.
        self._aliases: dict[str, str] = {}
        self._read(conf.task_queues)
        default = self._default(name, conf.task_default_queue_type)
        if not self:
            self.add(default)
        # Where queues are listed and this one is not, workers do not take from it.
        self.default: QueueSpec = self.get(self.default_name) or self._spec_of(default)

    def _read(self, queues: Any) -> None:
        if isinstance(queues, Mapping):
            for name, options in queues.items():
                if hasattr(options, "queue_arguments"):
                    self.add(options)
                else:
                    self.add_compat(name, **(options or {}))
            return
        for queue in queues or ():
            self.add(queue)

    def _default(self, configured: Any, queue_type: str | None) -> Any:
        if not isinstance(configured, str):
            return configured
        return QueueSpec(
            self.default_name,
            self.default_exchange,
            self.default_key,
            arguments=_type_argument(queue_type),
        )

    def __missing__(self, name: str) -> QueueSpec:
        if name in self._aliases:
            return self[self._aliases[name]]
        if not self.create_missing:
            raise QueueNotFound(f"Queue {name!r} missing from task_queues")
        return self.add(self.default if name == self.default_name else self.new_missing(name))

    def new_missing(self, name: str) -> QueueSpec:
        """Return what a queue that is known by its name alone is like."""
        exchange = ExchangeSpec(name, self.missing_exchange_type or "direct")
        return QueueSpec(name, exchange, name, arguments=_type_argument(self.missing_type))

    def add(self, queue: Any, **options: Any) -> QueueSpec:
        """Take in a kombu queue, a spec, or a name with options; return the spec."""
        if isinstance(queue, str):
            return self.add_compat(queue, **options)
        spec = self._spec_of(queue)
        self[spec.name] = spec
        if alias := getattr(queue, "alias", None):
            self._aliases[alias] = spec.name
        return spec

    def _spec_of(self, queue: Any) -> QueueSpec:
        if not isinstance(queue, QueueSpec):
            if not hasattr(queue, "queue_arguments"):
                raise ImproperlyConfigured(
                    f"task_queues: {queue!r} is no queue; use kombu.Queue, or a dict of options"
                )
            queue = queue_spec(queue, self.default_exchange, self.default_key)
        return self._with_priority(queue)

    def add_compat(self, name: str, **options: Any) -> QueueSpec:
        """Take in a queue that is described by a dict."""
        key = options.get("routing_key") or options.get("binding_key") or name
        exchange = options.get("exchange")
        if exchange is None or isinstance(exchange, str):
            exchange = ExchangeSpec(
                exchange or self.default_exchange.name,
                options.get("exchange_type") or self.default_exchange.type,
                durable=options.get("durable", True),
                auto_delete=options.get("auto_delete", False),
                arguments=dict(options.get("exchange_arguments") or {}),
            )
        else:
            exchange = exchange_spec(exchange)
        return self.add(
            QueueSpec(
                name,
                exchange,
                key,
                durable=options.get("durable", True),
                exclusive=options.get("exclusive", False),
                auto_delete=options.get("auto_delete", False),
                expires_s=options.get("expires"),
                message_ttl_s=options.get("message_ttl"),
                max_priority=options.get("max_priority"),
                arguments=dict(options.get("queue_arguments") or {}),
                no_ack=options.get("no_ack", False),
                no_declare=options.get("no_declare", False),
            )
        )

    def _with_priority(self, spec: QueueSpec) -> QueueSpec:
        """Add the app-wide ``x-max-priority`` to a queue that has none."""
        if (
            self.max_priority is None
            or spec.max_priority is not None
            or "x-max-priority" in spec.arguments
        ):
            return spec
        arguments = {**spec.arguments, "x-max-priority": self.max_priority}
        # ``native`` is dropped: it would be declared without the argument.
        return QueueSpec(
            **{
                name: getattr(spec, name)
                for name in QueueSpec.__slots__
                if name not in ("arguments", "native")
            },
            arguments=arguments,
        )

    def select(self, include: str | Iterable[str] | None) -> None:
        """Consume from these only."""
        if include:
            self._selected = {self[name].name for name in _names(include)}

    def select_add(self, queue: Any, **options: Any) -> QueueSpec:
        """Take in one more queue, and consume from it too."""
        spec = self.add(queue, **options)
        if self._selected is not None:
            self._selected.add(spec.name)
        return spec

    def deselect(self, exclude: str | Iterable[str] | None) -> None:
        """Do not consume from these."""
        if exclude:
            names = {self._aliases.get(name, name) for name in _names(exclude)}
            self._selected = set(self.consume_from) - names

    @property
    def consume_from(self) -> dict[str, QueueSpec]:
        """The queues that a worker takes from."""
        if self._selected is None:
            return dict(self)
        return {name: spec for name, spec in self.items() if name in self._selected}


def _names(names: str | Iterable[str]) -> list[str]:
    return [each.strip() for each in names.split(",")] if isinstance(names, str) else list(names)


def _type_argument(queue_type: str | None) -> dict[str, Any]:
    """Name the type of a queue; the ordinary one goes without saying, as brokers compare."""
    return {} if queue_type in (None, "classic") else {"x-queue-type": queue_type}
