"""A pool of links for publishing: safe to use from many threads, and after a fork.

Owned by ``KombuBroker``.  A link belongs to one thread while it is out.  A process that was
forked finds another process id here, and begins with an empty pool of its own.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from taskq.adapters.broker.errors import BrokerError
from taskq.adapters.broker.kombu_links import Deadline, Link
from taskq.adapters.broker.kombu_settings import ANSWER_TIMEOUT_S


class LinkPool:
    """Lends links."""

    def __init__(self, make: Callable[[], Link], limit: int | None) -> None:
        self._make, self._limit = make, limit or 0  # 0: each use opens and closes one
        self._begin()

    def _begin(self) -> None:
        self._pid = os.getpid()
        self._changed = threading.Condition()
        self._free: list[Link] = []
        self._lent = 0
        self._generation = 0

    @contextmanager
    def link(self, deadline: Deadline) -> Iterator[Link]:
        """Lend a link, connected; one that was in use when an error came up is not kept."""
        if self._pid != os.getpid():
            self._begin_after_fork()
        link, generation = self._take(deadline), self._generation
        kept = False
        try:
            if link.raw is None or link.stale():
                link.abandon()
                link.connect(deadline)
            link.limit(deadline)
            yield link
            kept = True
        finally:
            self._give_back(link, kept=kept and generation == self._generation)

    def _begin_after_fork(self) -> None:
        inherited = self._free
        self._begin()
        for link in inherited:
            link.disown()

    def _take(self, deadline: Deadline) -> Link:
        with self._changed:
            while self._limit and self._lent >= self._limit:
                if not self._changed.wait(deadline.left()):
                    raise self._exhausted(deadline)
            self._lent += 1
            return self._free.pop() if self._free else self._make()

    def _exhausted(self, deadline: Deadline) -> BrokerError:
        waited_s = ANSWER_TIMEOUT_S if deadline.seconds is None else deadline.seconds
        return BrokerError(
            self._make().where,
            f"all {self._limit} connections of the pool stayed in use for {waited_s:.3g} s",
            "raise broker_pool_limit, or publish from fewer threads",
        )

    def _give_back(self, link: Link, *, kept: bool) -> None:
        if not kept:
            link.abandon()
        elif not self._limit:
            link.close()
        with self._changed:
            self._lent -= 1
            if kept and self._limit:
                self._free.append(link)
            self._changed.notify()

    def close(self) -> None:
        """Close what is free; what is lent is closed when it comes back."""
        if self._pid != os.getpid():
            self._begin_after_fork()
        with self._changed:
            free, self._free = self._free, []
            self._generation += 1
        for link in free:
            link.close()
