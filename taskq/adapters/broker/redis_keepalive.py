"""Keeps a lease alive while the worker's own loop runs a body.

Used where nobody calls ``renew`` for as long as a body takes: a solo pool runs bodies in the
thread of the loop.  It renews and does nothing else: whoever is taken over stays taken over,
and lost workers are looked for by ``renew`` alone.

Its limit: a body that runs in C and does not release the interpreter for longer than a lease lets
no thread run, this one neither.  Its message comes again then, and its own end is refused.
"""

from __future__ import annotations

import threading
from typing import Final

from taskq.adapters.broker.redis_layout import Layout
from taskq.adapters.broker.redis_lease import Lease
from taskq.adapters.broker.redis_link import ANY, LinkPool, Script

# KEYS: workers                        ARGV: token, lease in ms
KEEP: Final = Script(
    """
redis.call('ZREM', KEYS[1], '')
if not redis.call('ZSCORE', KEYS[1], ARGV[1]) then return 0 end
local now = redis.call('TIME')
local now_ms = tonumber(now[1]) * 1000 + math.floor(tonumber(now[2]) / 1000)
redis.call('ZADD', KEYS[1], now_ms + ARGV[2], ARGV[1])
return 1
"""
)


class Keepalive:
    """One thread for one lease."""

    def __init__(self, pool: LinkPool, layout: Layout, lease: Lease, every_s: float) -> None:
        self._pool, self._layout, self._lease, self._every_s = pool, layout, lease, every_s
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="taskq lease", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._over.wait(self._every_s):
            try:
                link = self._pool.take()
            except ANY:
                continue  # the loop meets the same, and says so; the next turn tries again
            try:
                link.run(KEEP, [self._layout.workers], [self._lease.token, self._lease.lease_ms])
            except ANY:
                link.close()
            else:
                self._pool.give(link)

    def stop(self) -> None:
        """End the thread."""
        self._over.set()
        self._thread.join()
