# ruff: noqa: PLR0917 - the parameters are Celery's, and so is their order
"""Decides where a message goes.

In this order: the options of the call, the attributes of the task, ``task_routes``, the default
queue.  (The attributes stand before the routes, as they do in the reference.)  A queue on a direct
exchange is published to through the default exchange ``""`` with the queue's name as key, which
needs no binding; other exchanges are published to by name.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import translate
from importlib import import_module
from typing import Any

from taskq.app.queues import Queues, exchange_spec
from taskq.errors import ImproperlyConfigured
from taskq.ports import ExchangeSpec, QueueSpec

__all__ = ["Destination", "MapRoute", "Router", "expand_router_string", "prepare"]


@dataclass(frozen=True, slots=True)
class Destination:
    """Where one message goes."""

    exchange: str
    routing_key: str
    exchange_type: str = "direct"
    declare: tuple[QueueSpec | ExchangeSpec, ...] = ()


class MapRoute:
    """A mapping of task names, globs or regular expressions to routes; exact names come first."""

    def __init__(self, map: Any) -> None:  # noqa: A002 - Celery's name
        pairs = map.items() if isinstance(map, Mapping) else map
        self.map: dict[str, Any] = {}
        self.patterns: list[tuple[re.Pattern[str], Any]] = []
        for key, route in pairs:
            if isinstance(key, re.Pattern):
                self.patterns.append((key, route))
            elif any(sign in key for sign in "*?["):
                self.patterns.append((re.compile(translate(key)), route))
            else:
                self.map[key] = route

    def __call__(self, name: str, *_args: Any, **_kwargs: Any) -> dict[str, Any] | None:
        """Return the route of a task; None where no entry fits."""
        if name in self.map:
            return _as_route(self.map[name])
        for pattern, route in self.patterns:
            if pattern.match(name):
                return _as_route(route)
        return None


def _as_route(route: Any) -> dict[str, Any]:
    return {"queue": route} if isinstance(route, str) else dict(route)


def expand_router_string(router: Any) -> Any:
    """Import a router that is given by its path; call a class, and take ``route_for_task``."""
    if isinstance(router, str):
        module, _, name = router.replace(":", ".").rpartition(".")
        if not module:
            raise ImproperlyConfigured(f"task_routes: {router!r} is no import path of a router")
        router = getattr(import_module(module), name)
    return router() if isinstance(router, type) else router


def prepare(routes: Any) -> list[Any]:
    """Return the routers that ``task_routes`` describes, in order."""
    if routes is None:
        return []
    if isinstance(routes, str | Mapping) or not isinstance(routes, Iterable):
        routes = (routes,)
    return [_router_of(each) for each in routes]


def _router_of(route: Any) -> Any:
    if isinstance(route, Mapping | list | tuple):
        return MapRoute(route)
    return expand_router_string(route)


class Router:
    """Applies the routes of one app, and knows its queues."""

    def __init__(self, app: Any, routes: Any = None, queues: Queues | None = None) -> None:
        self.app = app
        self.queues = Queues(app.conf) if queues is None else queues
        self.source = app.conf.task_routes if routes is None else routes
        self.routes = prepare(self.source)
        # Whether the answer for a task without options of its own is always the same.
        self.is_static = all(type(each) is MapRoute for each in self.routes)
        self._known: dict[str | None, Destination] = {}

    def route(
        self,
        options: dict[str, Any],
        name: str,
        args: Any = (),
        kwargs: Any = None,
        task_type: Any = None,
    ) -> dict[str, Any]:
        """Add the route of a task to the options of a call; the options win."""
        options = dict(options)
        if options.get("queue") is not None:
            options = self.expand_destination(options)
        found = self.lookup_route(name, args, kwargs or {}, options, task_type)
        if found:
            given = {key: value for key, value in options.items() if value is not None}
            routed: dict[str, Any] = {**options, **self.expand_destination(found), **given}
            return routed
        if options.get("queue") is None:
            options["queue"] = self.queues.default
        return options

    def expand_destination(self, route: Any) -> dict[str, Any]:
        """Put the queue in place of its name."""
        expanded = _as_route(route)
        queue = expanded.get("queue")
        if queue is not None:
            expanded["queue"] = self.queue(queue)
        return expanded

    def queue(self, queue: Any) -> QueueSpec:
        """Return the queue for its name, or for a kombu object."""
        if isinstance(queue, QueueSpec):
            return queue
        return self.queues[queue] if isinstance(queue, str) else self.queues.add(queue)

    def lookup_route(
        self,
        name: str,
        args: Any = None,
        kwargs: Any = None,
        options: Any = None,
        task_type: Any = None,
    ) -> Any:
        """Ask the routers in order; the first answer counts."""
        for router in self.routes:
            found = self.query_router(router, name, args, kwargs, options, task_type)
            if found:
                return found
        return None

    def query_router(
        self, router: Any, task: str, args: Any, kwargs: Any, options: Any, task_type: Any
    ) -> Any:
        """Ask one router."""
        old_style = getattr(router, "route_for_task", None)
        if old_style is not None:
            return old_style(task, args, kwargs)
        return router(task, args, kwargs, options, task=task_type)

    def destination(self, options: Mapping[str, Any]) -> Destination:
        """Say where a message with routed options goes."""
        queue: QueueSpec | None = options.get("queue")
        exchange, key = options.get("exchange"), options.get("routing_key")
        kind = options.get("exchange_type")
        if exchange is None and not key and kind is None and queue is not None:
            return self._of_queue(queue)
        spec = None if exchange is None or isinstance(exchange, str) else exchange_spec(exchange)
        if spec is not None:
            exchange = spec.name
        declare: tuple[QueueSpec | ExchangeSpec, ...] = () if spec is None else (spec,)
        if queue is None:
            default = self.queues.default
            return Destination(
                default.exchange.name if exchange is None else exchange,
                key or default.routing_key,
                kind or (spec.type if spec else "direct"),
                declare,
            )
        kind = kind or (spec.type if spec else queue.exchange.type)
        declare = (*declare, queue)
        if (not exchange or not key) and kind == "direct":
            return Destination("", queue.name, "direct", declare)
        return Destination(
            queue.exchange.name if exchange is None else exchange,
            key or queue.routing_key,
            kind,
            declare,
        )

    def _of_queue(self, queue: QueueSpec) -> Destination:
        """Say where a message for one queue goes, when nothing else was said."""
        known = self._known.get(queue.name)
        if known is None or known.declare[0] is not queue:
            if queue.exchange.type == "direct":
                known = Destination("", queue.name, "direct", (queue,))
            else:
                known = Destination(
                    queue.exchange.name or self.queues.default_exchange.name,
                    queue.routing_key or self.queues.default_key,
                    queue.exchange.type,
                    (queue,),
                )
            self._known[queue.name] = known
        return known
