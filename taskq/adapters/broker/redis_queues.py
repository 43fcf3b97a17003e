"""Which queues an intake takes from: their lists, in which order, and what is kept alive.

Used by ``redis_intake``.  Owned here: the order of lists (a priority goes before a queue, queues
take turns), patterns of fanout queues, bindings of queues that expire or go with their worker.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final

from taskq.adapters.broker.redis_layout import Layout
from taskq.adapters.broker.redis_link import Link
from taskq.adapters.broker.redis_routes import Routes, is_fanout, queue_life_ms, routes_of
from taskq.adapters.broker.redis_scripts import SWEEP_BINDINGS
from taskq.ports import Clock, QueueSpec

SWEEP_EVERY_S: Final = 60.0
SWEPT_AT_ONCE: Final = 100


class Queues:
    """The queues of one intake."""

    def __init__(self, layout: Layout, routes: Routes, clock: Clock, order: str) -> None:
        self._layout, self._routes, self._clock, self._order = layout, routes, clock, order
        self._specs: dict[str, QueueSpec] = {}
        self._rotation: list[str] = []
        self._queue_of_list: dict[str, str] = {}
        self._swept_s = 0.0
        self.leased: list[tuple[str, str]] = []  # (queue, list), in the order of taking
        self.unleased: list[tuple[str, str]] = []  # the same of queues without acks

    @property
    def specs(self) -> Collection[QueueSpec]:
        """All of them."""
        return self._specs.values()

    @property
    def keys(self) -> list[str]:
        """All lists that are taken from."""
        return [key for _, key in (*self.leased, *self.unleased)]

    @property
    def names(self) -> list[str]:
        """All queues that are lists."""
        return self._rotation

    def add(self, queue: QueueSpec) -> None:
        """Take from one more."""
        self._specs[queue.name] = queue
        for key in self._layout.lists_of(queue.name):
            self._queue_of_list[key] = queue.name
        self._arrange()

    def remove(self, name: str) -> None:
        """Take from one less; its lists are still known by name."""
        self._specs.pop(name, None)
        self._arrange()

    def rotate(self, served: str) -> None:
        """Who was served first goes to the end, so that a busy queue does not starve others."""
        if self._order != "round_robin" or len(self._rotation) < 2:  # noqa: PLR2004 - a pair
            return
        self._rotation.remove(served)
        self._rotation.append(served)
        self._order_lists()

    def name_of(self, key: str) -> str:
        """Name the queue of a list; that of another worker's queue is read from its name."""
        known = self._queue_of_list.get(key)
        if known is None:
            known = key.removeprefix(self._layout.prefix).partition(self._layout.sep)[0]
        return known

    def patterns(self) -> Mapping[str, list[str]]:
        """What to listen to, and for which queues."""
        patterns: dict[str, list[str]] = {}
        for name, queue in self._specs.items():
            for exchange, routing_key in routes_of(queue):
                if exchange.type == "fanout":
                    pattern = self._layout.pattern(exchange.name, routing_key)
                    patterns.setdefault(pattern, []).append(name)
        return patterns

    def keep_alive(self, link: Link) -> None:
        """What expires unused is used by this worker: queues, and the bindings to them."""
        expiring = [queue for queue in self._specs.values() if queue_life_ms(queue)]
        if not expiring:
            return
        link.ask_many(
            [
                ("PEXPIRE", key, queue_life_ms(queue))
                for queue in expiring
                for key in self._layout.lists_of(queue.name)
            ]
        )
        for queue in expiring:
            for exchange, routing_key in routes_of(queue):
                self._routes.bind(link, queue, exchange, routing_key)
        self._sweep(link)

    def delete_temporary(self, link: Link) -> None:
        """A fanout queue that goes with its consumer leaves no binding behind, as with kombu."""
        for queue in self._specs.values():
            if queue.auto_delete and is_fanout(queue):
                for exchange, routing_key in routes_of(queue):
                    member = self._layout.member(queue, exchange.type, routing_key)
                    link.ask_many(
                        [
                            ("SREM", self._layout.bindings(exchange.name), member),
                            ("SREM", self._layout.permanent_bindings(exchange.name), member),
                        ]
                    )
                link.ask("DEL", *self._layout.lists_of(queue.name))

    def _sweep(self, link: Link) -> None:
        now_s = self._clock.read().elapsed_s
        if now_s - self._swept_s < SWEEP_EVERY_S:
            return
        self._swept_s = now_s
        prefixes = [self._layout.bindings(""), self._layout.permanent_bindings("")]
        link.run(SWEEP_BINDINGS, [self._layout.binding_deadlines], [*prefixes, SWEPT_AT_ONCE])

    def _arrange(self) -> None:
        with_lists = [name for name, queue in self._specs.items() if not is_fanout(queue)]
        kept = [name for name in self._rotation if name in with_lists]
        self._rotation = kept + [name for name in with_lists if name not in kept]
        if self._order == "sorted":
            self._rotation.sort()
        self._order_lists()

    def _order_lists(self) -> None:
        """A priority goes before a queue: the most urgent step of all queues first."""
        by_queue = {name: self._layout.lists_of(name) for name in self._rotation}
        ordered = [
            (name, by_queue[name][step])
            for step in range(len(self._layout.steps))
            for name in self._rotation
        ]
        self.leased = [pair for pair in ordered if not self._specs[pair[0]].no_ack]
        self.unleased = [pair for pair in ordered if self._specs[pair[0]].no_ack]
