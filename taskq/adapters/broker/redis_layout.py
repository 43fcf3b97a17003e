"""Names of keys and channels in Redis: kombu's for all that others meet, and our own.

One record, used by the Redis broker, its intake and its inboxes.  Queues, bindings and channels
are those of kombu 5.7's own Redis transport, so that its clients and workers meet ours on one
key.  What is ours alone begins with ``taskq.``.
"""

from __future__ import annotations

import re
from bisect import bisect
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

from taskq.ports import QueueSpec

SEP: Final = "\x06\x16"
PRIORITY_STEPS: Final = (0, 3, 6, 9)
HIGHEST_PRIORITY: Final = 9
# kombu keeps a binding of an expiring queue for twice the queue's life, and at least an hour.
BINDING_LIVES: Final = 2
SHORTEST_BINDING_MS: Final = 60 * 60 * 1000


class Layout:
    """Names of keys and channels under the given transport options."""

    def __init__(self, options: Mapping[str, Any], db: int) -> None:
        self.prefix: str = options.get("global_keyprefix") or ""
        self.sep: str = options.get("sep") or SEP
        self.steps: tuple[int, ...] = tuple(options.get("priority_steps") or PRIORITY_STEPS)
        self.fanout_patterns = bool(options.get("fanout_patterns", True))
        fanout = options.get("fanout_prefix", True)
        text = fanout if isinstance(fanout, str) else ("/{db}." if fanout else "")
        self.fanout_prefix = text.format(db=db)
        self.workers = self.key("taskq.workers")
        # Ids of dead letters by when they died, and what each says.
        self.dead = self.key("taskq.dead")
        self.letters = self.key("taskq.dead-letters")
        # What was revoked, until when.
        self.revoked = self.key("taskq.revoked")
        # Where what is parked of a task is found.
        self.parked_tasks = self.key("taskq.parked-tasks")
        # Who listens, and when that is over unless it says so again.
        self.listeners = self.key("taskq.listeners")
        self.binding_deadlines = self.key("_kombu.binding_deadlines")

    def key(self, name: str) -> str:
        """Put the prefix of this application in front."""
        return f"{self.prefix}{name}"

    def lease(self, token: str) -> str:
        """Messages that one intake has taken: tag -> list and envelope."""
        return f"{self.prefix}taskq.lease.{token}"

    def claimed(self, token: str) -> str:
        """Tags of those whose body may have started."""
        return f"{self.prefix}taskq.claimed.{token}"

    def taken_over(self, token: str) -> str:
        """Says that another worker has taken over what this intake had."""
        return f"{self.prefix}taskq.taken.{token}"

    def parked(self, queue: str) -> str:
        """What waits for its time: ids by the moment when it is due."""
        return f"{self.prefix}taskq.parked.{queue}"

    def parked_messages(self, queue: str) -> str:
        """What those ids mean: id -> task id, list and envelope."""
        return f"{self.prefix}taskq.parked-messages.{queue}"

    def bindings(self, exchange: str) -> str:
        """Which queues are bound to an exchange."""
        return f"{self.prefix}_kombu.binding.{exchange}"

    def permanent_bindings(self, exchange: str) -> str:
        """Those of them that do not lapse."""
        return f"{self.prefix}_kombu.binding_permanent.{exchange}"

    def list_of(self, queue: str, priority: Any = 0) -> str:
        """Return the list for messages of this priority."""
        try:
            number = max(0, min(int(priority), HIGHEST_PRIORITY))
        except (TypeError, ValueError):
            number = 0
        step = self.steps[bisect(self.steps, number) - 1]
        return f"{self.prefix}{queue}{self.sep}{step}" if step else f"{self.prefix}{queue}"

    def lists_of(self, queue: str) -> tuple[str, ...]:
        """Return all lists of a queue, the one that is served first in front."""
        return tuple(self.list_of(queue, step) for step in self.steps)

    def member(self, queue: QueueSpec, exchange_type: str, routing_key: str) -> str:
        """Return how a binding is written in the set of its exchange."""
        pattern = topic_pattern(routing_key) if exchange_type == "topic" else ""
        return self.sep.join((routing_key, pattern, queue.name))

    def channel(self, exchange: str, routing_key: str) -> str:
        """Return the channel to which a fanout exchange publishes."""
        base = f"{self.prefix}{self.fanout_prefix}{exchange}"
        return f"{base}/{routing_key}" if routing_key and self.fanout_patterns else base

    def pattern(self, exchange: str, routing_key: str) -> str:
        """Return the pattern to which a queue bound to a fanout exchange listens."""
        return self.channel(exchange, routing_key.replace("#", "*"))

    def queues_bound(
        self, members: Sequence[bytes], exchange_type: str, routing_key: str
    ) -> list[str]:
        """Return the queues to which a message goes, each once, in a settled order."""
        found = set()
        for member in members:
            key, pattern, queue = [*member.decode().split(self.sep, 2), "", ""][:3]
            if not queue:
                continue
            if exchange_type == "topic":
                matched = bool(_compiled(pattern or topic_pattern(key)).match(routing_key))
            else:
                matched = key == routing_key
            if matched:
                found.add(queue)
        return sorted(found)


def topic_pattern(routing_key: str) -> str:
    """Write a topic's binding key as the regular expression that kombu keeps beside it."""
    wildcards = {"*": r"[^\.]+", "#": r".*?"}
    words = [wildcards.get(word) or _escaped(word) for word in routing_key.split(".")]
    return "^" + r"\.".join(words) + "$"


def _escaped(word: str) -> str:
    """Escape as kombu does, which escapes more than ``re.escape``: others read the pattern."""
    return "".join(
        letter
        if letter.isalnum() or letter in "#*"
        else "\\000"
        if letter == "\0"
        else "\\" + letter
        for letter in word
    )


@lru_cache(maxsize=1024)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)
