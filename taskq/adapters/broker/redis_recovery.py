"""Takes over what lost workers had: back to its list, or to the dead letters.

Called by an intake when it renews its lease.  A lost worker's lease is first renamed to an
heir's token, in the same script that finds its deadline passed; then its messages are dealt
with a bounded number at a time.  An heir has a deadline too, so whoever tends it may be lost
as well.  Each message leaves the heir's lease in the step that puts it somewhere else.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from taskq.adapters.broker.redis_lease import (
    ENTRIES_PER_CALL,
    Held,
    Lease,
    Operation,
    read_lease_entry,
)
from taskq.adapters.broker.redis_link import Link
from taskq.adapters.broker.redis_routes import Push
from taskq.adapters.broker.redis_wire import (
    Layout,
    dead_entry,
    deliveries_of,
    message_of,
    place_of,
    read_envelope,
    returned,
)
from taskq.ports import LostMessage

CLAIMED: Final = "worker lost after the body may have started"
TOO_OFTEN: Final = "worker lost, for the {count}th delivery in a row; the limit is {limit}"


class Recovery:
    """The heirs that one intake tends."""

    def __init__(
        self,
        layout: Layout,
        lease: Lease,
        *,
        delivery_limit: int,
        queue_of: Callable[[str], str],
        now: Callable[[], str],
    ) -> None:
        self._layout, self._lease = layout, lease
        self._delivery_limit = delivery_limit
        self._queue_of, self._now = queue_of, now
        self.heirs: list[str] = []
        self.lost: list[LostMessage] = []

    def tend(self, link: Link) -> bool:
        """Deal with some messages of the first heir; True if there may be more to do."""
        if not self.heirs:
            return False
        heir = self.heirs[0]
        lease = self._layout.lease(heir)
        tags = sorted((int(tag) for tag in link.ask("HKEYS", lease)), reverse=True)
        some = tags[:ENTRIES_PER_CALL]
        if some:
            self._deal_with(link, heir, some)
        if len(tags) == len(some):
            link.ask_many(
                [("DEL", self._layout.claimed(heir)), ("ZREM", self._layout.workers, heir)]
            )
            self.heirs.pop(0)
        return bool(self.heirs)

    def _deal_with(self, link: Link, heir: str, tags: Sequence[int]) -> None:
        """The youngest first: each is put in front of those before, so the order stays."""
        entries = link.ask("HMGET", self._layout.lease(heir), *tags)
        claimed = link.ask("SMISMEMBER", self._layout.claimed(heir), *tags)
        node = heir.rpartition(".")[0]
        operations: list[Operation] = []
        lost: dict[int, LostMessage] = {}
        for tag, entry, was_claimed in zip(tags, entries, claimed, strict=True):
            if entry is None:
                continue
            push, dead = self.fate(read_lease_entry(entry), node, claimed=bool(was_claimed))
            if dead is not None:
                lost[len(operations)] = dead
            operations.append(Operation("E", tag, pushes=(push,)))
        said = self._lease.run(link, heir, operations)
        self.lost.extend(
            dead
            for number, dead in lost.items()
            if number not in said.left_out and number not in said.failed
        )

    def fate(self, held: Held, node: str, *, claimed: bool) -> tuple[Push, LostMessage | None]:
        """Where a message goes whose worker was lost."""
        queue = self._queue_of(held.key)
        try:
            parsed = read_envelope(held.raw)
            message = message_of(parsed)
        except ValueError:
            # It was delivered as malformed and not settled yet; the next worker sees the same.
            return Push("RPUSH", held.key, held.raw), None
        count = deliveries_of(parsed) + 1
        if claimed:
            reason = CLAIMED
        elif count >= self._delivery_limit:
            reason = TOO_OFTEN.format(count=count, limit=self._delivery_limit)
        else:
            return Push("RPUSH", held.key, returned(parsed, counted=True)), None
        exchange, routing_key = place_of(parsed)
        entry = dead_entry(held.raw, reason, self._now(), queue, node)
        return (
            Push("LPUSH", self._layout.dead, entry),
            LostMessage(message, queue, exchange, routing_key, node, reason),
        )
