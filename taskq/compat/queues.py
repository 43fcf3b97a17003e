"""``celery.app.amqp.Queues``: a table of kombu's queues, for programs that make their own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any
from weakref import WeakValueDictionary

from kombu.entity import Exchange, Queue

from taskq.errors import QueueNotFound

__all__ = ["Queues", "utf8dict"]


class Queues(dict[str, Any]):
    """Names to queues; one that is not there is made, where that is allowed."""

    _consume_from: dict[str, Any] | None = None

    def __init__(  # noqa: PLR0917 - Celery's signature
        self,
        queues: Any = None,
        default_exchange: Exchange | None = None,
        create_missing: bool = True,
        create_missing_queue_type: str | None = None,
        create_missing_queue_exchange_type: str | None = None,
        autoexchange: Callable[[str], Exchange] | None = None,
        max_priority: int | None = None,
        default_routing_key: str | None = None,
    ) -> None:
        super().__init__()
        self.aliases: WeakValueDictionary[str, Any] = WeakValueDictionary()
        self.default_exchange = default_exchange
        self.default_routing_key = default_routing_key
        self.create_missing = create_missing
        self.create_missing_queue_type = create_missing_queue_type
        self.create_missing_queue_exchange_type = create_missing_queue_exchange_type
        self.autoexchange = autoexchange or self._exchange_of
        self.max_priority = max_priority
        if isinstance(queues, Mapping):
            for name, options in queues.items():
                self.add(options) if isinstance(options, Queue) else self.add_compat(
                    name, **options
                )
        else:
            for queue in queues or ():
                self.add(queue)

    def _exchange_of(self, name: str) -> Exchange:
        kind = self.create_missing_queue_exchange_type
        return Exchange(name, type=kind) if kind else Exchange(name)

    def __getitem__(self, name: str) -> Any:
        return self.aliases[name] if name in self.aliases else super().__getitem__(name)

    def __setitem__(self, name: str, queue: Any) -> None:
        if self.default_exchange and not queue.exchange:
            queue.exchange = self.default_exchange
        super().__setitem__(name, queue)
        if queue.alias:
            self.aliases[queue.alias] = queue

    def __missing__(self, name: str) -> Any:
        if not self.create_missing:
            raise KeyError(name)
        return self.add(self.new_missing(name))

    def add(self, queue: Any, **kwargs: Any) -> Any:
        """Take in a queue, or a name with options."""
        if not isinstance(queue, Queue):
            return self.add_compat(queue, **kwargs)
        return self._add(queue)

    def add_compat(self, name: str, **options: Any) -> Any:
        """Take in a name with options, as old settings have them (``binding_key``)."""
        options.setdefault("routing_key", options.get("binding_key"))
        if options["routing_key"] is None:
            options["routing_key"] = name
        return self._add(Queue.from_dict(name, **options))

    def _add(self, queue: Any) -> Any:
        if queue.exchange is None or not queue.exchange.name:
            queue.exchange = self.default_exchange or queue.exchange
        if not queue.routing_key:
            queue.routing_key = self.default_routing_key
        if self.max_priority is not None:
            queue.queue_arguments = {
                "x-max-priority": self.max_priority,
                **(queue.queue_arguments or {}),
            }
        self[queue.name] = queue
        return queue

    def new_missing(self, name: str) -> Any:
        """Return what a queue that is known by its name alone is like."""
        kind = self.create_missing_queue_type
        arguments = {"x-queue-type": kind} if kind and kind != "classic" else None
        return Queue(name, self.autoexchange(name), name, queue_arguments=arguments)

    # -- what a worker takes from -----------------------------------------------------------------

    @property
    def consume_from(self) -> dict[str, Any]:
        """The queues that were selected; all of them, where none were."""
        return self if self._consume_from is None else self._consume_from

    def select(self, include: str | Iterable[str] | None) -> None:
        """Consume from these only."""
        if include:
            names = include.split(",") if isinstance(include, str) else include
            self._consume_from = {name: self[name] for name in names}

    def select_add(self, queue: Any, **kwargs: Any) -> Any:
        """Take in a queue, and consume from it too."""
        found = self.add(queue, **kwargs)
        if self._consume_from is not None:
            self._consume_from[found.name] = found
        return found

    def deselect(self, exclude: str | Iterable[str] | None) -> None:
        """Do not consume from these."""
        if not exclude:
            return
        names = exclude.split(",") if isinstance(exclude, str) else list(exclude)
        unknown = [name for name in names if name not in self.consume_from]
        if unknown:
            raise QueueNotFound(f"there is no queue {unknown[0]!r} to leave out")
        chosen = {key: queue for key, queue in self.consume_from.items() if key not in names}
        self._consume_from = chosen

    def format(self, indent: int = 0, indent_first: bool = True) -> str:
        """Return the queues that are consumed from, a line for each."""
        lines = [
            f".> {queue.name:<16} exchange={queue.exchange.name}({queue.exchange.type})"
            f" key={queue.routing_key}"
            for _, queue in sorted(self.consume_from.items())
        ]
        text = ("\n" + " " * indent).join(lines)
        return " " * indent + text if indent_first and text else text


def utf8dict(d: Mapping[Any, Any], encoding: str = "utf-8") -> dict[str, Any]:
    """Return a mapping with text for keys."""
    return {key.decode(encoding) if isinstance(key, bytes) else key: d[key] for key in d}
