"""Somebody who listens on Redis, as the Inbox port: to a channel, or to a list of its own.

A fanout exchange is a channel; of any other exchange a listener has a list (``redis_ears`` reads
them).  Owned here: that its queue is bound while it lives, and goes with it.  Used by one thread.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from taskq.adapters.broker.redis_ears import POLL_S, ChannelEar, Ear, ListEar, PollingEar
from taskq.adapters.broker.redis_layout import BINDING_LIVES, SHORTEST_BINDING_MS, Layout
from taskq.adapters.broker.redis_link import ANY, Link, LinkPool
from taskq.adapters.broker.redis_routes import Route, is_fanout, queue_life_ms, routes_of
from taskq.adapters.broker.redis_scripts_listening import LEAVE, LISTEN
from taskq.adapters.broker.redis_waiting import QUIET_S
from taskq.adapters.broker.redis_wire import delivery_of
from taskq.ports import Clock, Malformed, Message, QueueSpec

log: Final = logging.getLogger(__name__)

# A listener says that it lives so often in its time that two words may be missed.
WORDS: Final = 3
# A listener's time: that of its queue, but never so short that a pause of its process ends it.
SHORTEST_LIFE_MS: Final = 60_000
LIVES: Final = 2
LIFE_MS: Final = 60 * 60 * 1000
CLEARED_AT_ONCE: Final = 100
# A reply that was under way when its listener left has come by then.
LINGER_MS: Final = 60_000


class RedisInbox:
    """One listener."""

    def __init__(
        self,
        queue: QueueSpec,
        *,
        pool: LinkPool,
        layout: Layout,
        clock: Clock,
        has_sockets: bool,
    ) -> None:
        self._queue, self._pool, self._layout, self._clock = queue, pool, layout, clock
        self._has_sockets = has_sockets
        self._keys = () if is_fanout(queue) else layout.lists_of(queue.name)
        life_ms = queue_life_ms(queue)
        self._life_ms = max(life_ms * LIVES, SHORTEST_LIFE_MS) if life_ms else LIFE_MS
        self._binding_ms = max(life_ms * BINDING_LIVES, SHORTEST_BINDING_MS)
        self._speak_at_s = 0.0
        self._open = True
        self._ear = self._make_ear()
        with self._speaking():
            self._ear.open()
            self._say_that_it_lives()

    def _make_ear(self) -> Ear:
        patterns = [
            self._layout.pattern(exchange.name, routing_key)
            for exchange, routing_key in routes_of(self._queue)
            if exchange.type == "fanout"
        ]
        channel = ChannelEar(self._pool, self._clock, patterns)
        if not self._has_sockets:
            return PollingEar(self._pool, self._clock, self._keys, channel)
        return ListEar(self._pool, self._clock, self._keys) if self._keys else channel

    @property
    def watched(self) -> Sequence[int]:
        """File descriptors that become readable when ``receive`` may have something."""
        return self._ear.descriptors

    @property
    def poll_s(self) -> float | None:
        """How often to call ``receive`` though nothing became readable."""
        return min(self._life_ms / 1000 / WORDS, QUIET_S) if self._has_sockets else POLL_S

    def receive(self) -> Sequence[Message]:
        """Return what has come since the last call; never waits."""
        with self._speaking():
            if self._clock.read().elapsed_s >= self._speak_at_s:
                self._say_that_it_lives()
            heard = self._ear.hear()
        return [message for raw in heard if (message := self._read(raw)) is not None]

    def wait(self, timeout_s: float) -> None:
        """Return when ``receive`` may have something, or the time is over."""
        left_s = self._speak_at_s - self._clock.read().elapsed_s
        with self._speaking():
            self._ear.wait(max(0.0, min(timeout_s, left_s)))

    def reconnect(self) -> None:
        """Try once to listen again."""
        with self._speaking():
            self._ear.close()
            self._ear.open()
            self._say_that_it_lives()

    def close(self) -> None:
        """Listen no longer, and leave nothing behind."""
        if not self._open:
            return
        self._open = False
        self._ear.close()
        layout = self._layout
        keys = [layout.listeners, layout.binding_deadlines]
        rest = (layout.bindings(""), LINGER_MS if self._keys else 0)
        try:
            with self._pool.lent() as link:
                for route in routes_of(self._queue):
                    link.run(LEAVE, keys, [self._record(route), *rest])
        except ANY as error:
            self._pool.doubt(error)
            # Whoever listens next clears it away when its time is over.
            log.info("%s: %s was not unbound: %s", self._pool.name, self._queue.name, error)

    # -- inside ----------------------------------------------------------------------------------

    @contextmanager
    def _speaking(self) -> Iterator[None]:
        try:
            yield
        except ANY as error:
            self._pool.doubt(error)
            raise self._pool.gone(error) from error

    def _say_that_it_lives(self) -> None:
        with self._pool.lent() as link:
            for route in routes_of(self._queue):
                self._bind(link, route)
        self._speak_at_s = self._clock.read().elapsed_s + self._life_ms / 1000 / WORDS

    def _bind(self, link: Link, route: Route) -> None:
        layout, (exchange, routing_key) = self._layout, route
        link.run(
            LISTEN,
            [layout.listeners, layout.binding_deadlines, layout.bindings(exchange.name)],
            [
                self._record(route),
                self._life_ms,
                layout.member(self._queue, exchange.type, routing_key),
                exchange.name,
                self._binding_ms,
                layout.bindings(""),
                CLEARED_AT_ONCE,
                *self._keys,
            ],
        )

    def _record(self, route: Route) -> str:
        exchange, routing_key = route
        member = self._layout.member(self._queue, exchange.type, routing_key)
        return json.dumps([exchange.name, member, *self._keys])

    def _read(self, raw: bytes) -> Message | None:
        read = delivery_of(0, raw, self._queue.name)
        if isinstance(read, Malformed):
            log.warning("%s: dropped what is no message: %s", self._queue.name, read.reason)
            return None
        return read.message
