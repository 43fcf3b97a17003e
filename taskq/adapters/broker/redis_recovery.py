"""Takes over what lost workers had: back to its list, or into the hands of who tells its end.

Called by an intake when it renews its lease.  A lost worker's lease is first renamed to an
heir's token, in the same script that finds its deadline passed; then its messages are dealt
with a bounded number at a time.  An heir has a deadline too, so whoever tends it may be lost
as well.  Each message leaves the heir's lease in the step that puts it somewhere else:

* what was claimed may have run, so it goes into the finder's own lease, still claimed, until the
  end of its task is told; should the finder be lost too, it is found again;
* what was not claimed goes back to the front of its list, counted;
* what cannot be read any more is a dead letter.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from taskq.adapters.broker.redis_layout import Layout
from taskq.adapters.broker.redis_lease import ENTRIES_PER_CALL, Lease
from taskq.adapters.broker.redis_letters import letter_head
from taskq.adapters.broker.redis_link import Link
from taskq.adapters.broker.redis_operations import Held, Operation, Tag, adopt, bury
from taskq.adapters.broker.redis_routes import Push
from taskq.adapters.broker.redis_scripts import RENEW
from taskq.adapters.broker.redis_wire import message_of, place_of, read_envelope, returned
from taskq.ports import LostMessage

# For how long a worker that was asleep can learn that it was taken over.
REMEMBER_TAKEN_OVER_MS: Final = 24 * 60 * 60 * 1000
CLAIMED: Final = "worker lost after the body may have started"
DAMAGED: Final = "the record of who had it is damaged"


class Recovery:
    """The heirs that one intake tends."""

    def __init__(
        self,
        layout: Layout,
        lease: Lease,
        queue_of: Callable[[str], str],
        new_id: Callable[[], str],
    ) -> None:
        self._layout, self._lease, self._queue_of = layout, lease, queue_of
        self._new_id = new_id
        self.heirs: list[str] = []
        self.lost: list[LostMessage] = []

    def renew(self, link: Link) -> bool:
        """Renew the lease and those of the heirs, and look for workers that did not renew theirs.

        Returns whether there may be more to do at once.
        """
        layout, lease = self._layout, self._lease
        tokens = [lease.token, *self.heirs]
        arguments = [
            lease.lease_ms,
            layout.lease(""),
            layout.claimed(""),
            layout.taken_over(""),
            REMEMBER_TAKEN_OVER_MS,
            self._new_id(),
            *tokens,
        ]
        reply = link.run(RENEW, [layout.workers], arguments)
        ours = dict(zip(tokens, reply, strict=False))
        self.heirs[:] = [heir for heir in self.heirs if ours[heir]]
        if len(reply) > len(tokens):
            # A name that is no text is nobody's whom we know: what it has stays where it is.
            self.heirs.append(reply[-1].decode(errors="replace"))
        if not ours[lease.token]:
            lease.restore(link)
        return self.tend(link)

    def tend(self, link: Link) -> bool:
        """Deal with some messages of the first heir; True if there may be more to do."""
        if not self.heirs:
            return False
        heir = self.heirs[0]
        some = self._lease.tags(link, heir)[:ENTRIES_PER_CALL]
        dealt_with = self._deal_with(link, heir, some)
        if not link.ask("HLEN", self._layout.lease(heir)):
            link.ask_many(
                [("DEL", self._layout.claimed(heir)), ("ZREM", self._layout.workers, heir)]
            )
            self.heirs.pop(0)
        elif not dealt_with:
            # Something is in the way.  The heir's turn comes again when its deadline has passed.
            self.heirs.pop(0)
        return bool(self.heirs)

    def note(self, tag: int, held: Held) -> bool:
        """Remember one that was found, for ``lost_claims``; False where it is no message."""
        try:
            parsed = read_envelope(held.raw)
            message = message_of(parsed)
        except ValueError:
            return False
        exchange, routing_key = place_of(parsed)
        queue, node = self._queue_of(held.key), held.lost_by or ""
        self.lost.append(LostMessage(tag, message, queue, exchange, routing_key, node, CLAIMED))
        return True

    def _deal_with(self, link: Link, heir: str, tags: Sequence[Tag]) -> int:
        """The youngest first: each is put in front of those before, so the order stays."""
        if not tags:
            return 0
        node = heir.rpartition(".")[0]
        claimed = dict(
            zip(tags, link.ask("SMISMEMBER", self._layout.claimed(heir), *tags), strict=True)
        )
        operations: list[Operation] = []
        found: dict[int, tuple[int, Held]] = {}
        for tag, held in self._lease.entries(link, heir, tags):
            push = self._fate(held, node, claimed=bool(claimed[tag]))
            if push.command == "ADOPT":
                found[len(operations)] = push.life_ms, held._replace(lost_by=held.lost_by or node)
            operations.append(Operation("E", tag, pushes=(push,)))
        said = self._lease.run(link, heir, operations)
        for number, (tag, held) in found.items():
            if said.did(number):
                self._lease.hold(tag, held)
                self.note(tag, held)
        return sum(said.did(number) for number in range(len(operations)))

    def _fate(self, held: Held, node: str, *, claimed: bool) -> Push:
        """Where a message goes whose worker was lost."""
        if not held.key:
            return bury(letter_head(DAMAGED, node, ""))
        try:
            parsed = read_envelope(held.raw)
            message_of(parsed)
        except ValueError as error:
            if claimed or held.lost_by is not None:
                return bury(letter_head(str(error), node, self._queue_of(held.key)))
            # It was delivered as malformed and not settled yet; the next worker sees the same.
            return Push("RPUSH", held.key, held.raw)
        if claimed or held.lost_by is not None:
            return adopt(self._lease.token, self._lease.next_tag())
        return Push("RPUSH", held.key, returned(parsed, counted=True))
