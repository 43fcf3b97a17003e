"""Gives back what a lost Celery worker had taken.

kombu keeps what its workers have taken in one hash, with an index of when; a worker of Celery's
that finds something older than ``visibility_timeout`` there puts it back.  Where the last of them
was killed nobody would: so workers of ours look as well, when they renew their leases.

Kept to kombu's rule: a worker that holds a message longer than that loses it, alive or not.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from taskq.adapters.broker.redis_layout import Layout
from taskq.adapters.broker.redis_link import Link, Script
from taskq.adapters.broker.redis_routes import Routes
from taskq.adapters.broker.redis_wire import read_envelope, returned
from taskq.ports import Clock

__all__ = ["Unacked"]

# kombu's default.
VISIBILITY_S: Final = 3600.0
# So many are looked at in one renewal.
MOST_AT_ONCE: Final = 100

# KEYS: index, hash, lists              ARGV: tag, latest moment, envelope
# One step, and only if nobody else was faster: a message is in one place, always.
GIVE_BACK: Final = Script(
    """
local taken = redis.call('ZSCORE', KEYS[1], ARGV[1])
if not taken or tonumber(taken) > tonumber(ARGV[2]) then return 0 end
redis.call('ZREM', KEYS[1], ARGV[1])
redis.call('HDEL', KEYS[2], ARGV[1])
for i = 3, #KEYS do redis.call('RPUSH', KEYS[i], ARGV[3]) end
return 1
"""
)


class Unacked:
    """kombu's record of what is out, as it is found in one Redis."""

    def __init__(
        self, layout: Layout, routes: Routes, clock: Clock, options: Mapping[str, Any]
    ) -> None:
        self._layout, self._routes, self._clock = layout, routes, clock
        self._hash = layout.key(options.get("unacked_key") or "unacked")
        self._index = layout.key(options.get("unacked_index_key") or "unacked_index")
        self._visibility_s = float(options.get("visibility_timeout") or VISIBILITY_S)

    def give_back(self, link: Link) -> int:
        """Put what was taken too long ago into its lists again; returns how many were."""
        latest_s = self._clock.read().wall_s - self._visibility_s
        tags = link.ask(
            "ZRANGEBYSCORE", self._index, "-inf", repr(latest_s), "LIMIT", 0, MOST_AT_ONCE
        )
        return sum(self._give_back(link, tag, latest_s) for tag in tags)

    def _give_back(self, link: Link, tag: bytes, latest_s: float) -> int:
        record = link.ask("HGET", self._hash, tag)
        if record is None:
            return 0  # acknowledged just now, or another was faster
        try:
            message, exchange, routing_key = json.loads(record)
            parsed = read_envelope(json.dumps(message).encode())
        except (TypeError, ValueError):
            return 0  # not written by kombu: it stays where its owner looks for it
        priority = parsed["properties"].get("priority")
        lists = [
            self._layout.list_of(queue, priority)
            for queue in self._routes.queues_of(link, exchange or "", routing_key or "")
        ]
        keys = [self._index, self._hash, *lists]
        given: int = link.run(
            GIVE_BACK, keys, [tag, repr(latest_s), returned(parsed, counted=False)]
        )
        return given
