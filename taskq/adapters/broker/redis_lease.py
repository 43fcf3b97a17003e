"""What one intake has taken, and the server's record of it.

A lease is a token with a deadline in ``taskq.workers``, a hash of what was taken and a set of
what was claimed.  ``Lease`` runs the scripts; ``redis_intake`` decides what to ask for.

What can go wrong, and what follows:

* The worker dies: its deadline passes, another intake takes over (``redis_recovery``).
* The worker sleeps too long and is taken over: its token is gone and ``taskq.taken.<token>``
  says so.  What it holds is no longer its own: marked lost, never settled.
* The server lost its data: the token is gone and nothing says that somebody has taken over.
  Then what the worker holds is written back, for nobody else has it.
* A reply is lost on the way: who asked asks again after ``reconnect``.  Doing it twice does
  nothing, for a tag leaves the lease only once, and while the token stands nobody else can
  have removed it.  What was taken but never arrived is found by comparing tags.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from taskq.adapters.broker.errors import BrokerError
from taskq.adapters.broker.redis_layout import Layout
from taskq.adapters.broker.redis_link import Link
from taskq.adapters.broker.redis_operations import (
    Along,
    Held,
    Level,
    Operation,
    Said,
    Tag,
    lease_entry,
    read_lease_entry,
    read_said,
    read_tag,
    tag_order,
)
from taskq.adapters.broker.redis_routes import Push, Routes
from taskq.adapters.broker.redis_scripts import REGISTER, TAKE
from taskq.adapters.broker.redis_scripts_commit import COMMIT
from taskq.adapters.results.redis_records import ResultWrite

# Operations in one script: the server does nothing else meanwhile, so this bounds its pause.
OPERATIONS_PER_CALL: Final = 100
# Messages that one call takes, at most, where the prefetch does not say less.
MOST_TAKEN: Final = 1000
# Entries of a lease read or written in one call.
ENTRIES_PER_CALL: Final = 200


class Lease:
    """The tags that are out, and the token that they are out under."""

    def __init__(
        self,
        layout: Layout,
        routes: Routes,
        lease_s: float,
        new_token: Callable[[], str],
        most_letters: int,
    ) -> None:
        self._layout, self._routes = layout, routes
        self._lease_ms = int(lease_s * 1000)
        self._new_token = new_token
        # What the script that settles is told each time, beside token and operations.
        self._terms = (self._lease_ms, most_letters, layout.parked(""), layout.parked_messages(""))
        self.token = new_token()
        self.held: dict[Tag, Held] = {}
        self.claimed: set[Tag] = set()
        self.lost: list[int] = []
        self._last_tag = 0

    @property
    def open(self) -> int:
        """How many are neither settled nor claimed."""
        return len(self.held) - len(self.claimed)

    def open_after(self, operations: Iterable[Operation]) -> int:
        """How many will be open once these are carried out, as far as that is certain."""
        ending = {one.tag for one in operations if one.mode in "DC" and not one.levels}
        return self.open - sum(tag in self.held and tag not in self.claimed for tag in ending)

    @property
    def lease_ms(self) -> int:
        """How long the lease is good for after the last word from here."""
        return self._lease_ms

    def next_tag(self) -> int:
        """Return a tag for something that is not leased."""
        self._last_tag += 1
        return self._last_tag

    def register(self, link: Link) -> None:
        """Begin the lease."""
        link.run(REGISTER, [self._layout.workers], [self.token, self._lease_ms])

    def take(
        self, link: Link, keys: Sequence[str], room: int
    ) -> tuple[list[tuple[int, int, bytes]], str]:
        """Take up to ``room`` messages.

        Returns tag, number of the list and envelope of each; and a complaint about a list.
        """
        first = self._last_tag
        # Reserved before the call: if its reply is lost, the tags are never used again.
        self._last_tag += room
        arguments = [self.token, self._lease_ms, first, room]
        script_keys = [self._layout.workers, self._layout.lease(self.token), *keys]
        reply = link.run(TAKE, script_keys, arguments)
        if reply == 0:
            self.restore(link)
            script_keys[1] = self._layout.lease(self.token)
            reply = link.run(TAKE, script_keys, [self.token, *arguments[1:]])
        return self._taken(reply or [], keys, first)

    def _taken(
        self, reply: list[Any], keys: Sequence[str], tag: int
    ) -> tuple[list[tuple[int, int, bytes]], str]:
        taken: list[tuple[int, int, bytes]] = []
        complaint = ""
        at = 0
        while at < len(reply):
            number, count = reply[at], reply[at + 1]
            at += 2
            if number < 0:
                complaint = f"{keys[-number - 1]}: {count.decode(errors='replace')}"
                continue
            key = keys[number - 1]
            for raw in reply[at : at + count]:
                tag += 1
                self.held[tag] = Held(raw, key)
                taken.append((tag, number - 1, raw))
            at += count
        return taken, complaint

    # -- settling --------------------------------------------------------------------------------

    def do(self, link: Link, operations: Sequence[Operation], along: Along | None = None) -> None:
        """Carry out, in order.  Tags that are not ours (any more) are left out.

        With the last of them something may be taken along, if that costs no step of its own.
        """
        last = len(operations) - OPERATIONS_PER_CALL
        for start in range(0, len(operations), OPERATIONS_PER_CALL):
            some = operations[start : start + OPERATIONS_PER_CALL]
            self._do_batch(link, some, along if start >= last else None)

    def _do_batch(self, link: Link, batch: Sequence[Operation], along: Along | None = None) -> None:
        batch = [
            one for one in batch if one.tag in self.held or (one.tag is None and not one.is_plain)
        ]
        if all(one.mode in "DE" and one.is_plain for one in batch):
            self._forget_tags(link, batch)
            return
        said = self.run(link, self.token, batch, along)
        if not said.registered and said.left_out:
            batch, left_out = self._settle_done(batch, said)
            if not self.restore(link):
                return
            said = self.run(link, self.token, left_out)
            batch = left_out
        self._settle_done(batch, said)
        if said.failed:
            self._complain(link, batch, said.failed)

    def _settle_done(
        self, batch: Sequence[Operation], said: Said
    ) -> tuple[Sequence[Operation], list[Operation]]:
        """Note what has taken effect; returns the batch, and what was left out of it."""
        out = set(said.left_out)
        for number, one in enumerate(batch):
            one.missing = said.missing.get(number)
            if one.tag is None or number in said.failed or one.missing is not None:
                continue
            if number in out and not said.registered:
                continue
            # Left out though the token stands: it was done before, and its reply was lost.
            if one.mode == "C" and number not in out:
                self.claimed.add(one.tag)
            else:
                self._drop(one.tag)
        return batch, [batch[number] for number in said.left_out]

    def _complain(self, link: Link, batch: Sequence[Operation], failed: Mapping[int, str]) -> None:
        number, why = next(iter(failed.items()))
        lists = [push.key for push in batch[number].pushes]
        lists += [one.routing_key for one in batch[number].outgoing]
        lists += [level.key for level in batch[number].levels]
        raise BrokerError(
            link.server.name,
            f"could not do what an ended message asks for ({', '.join(lists)}: {why})",
            "the message stays leased until this is put right or the worker ends",
        )

    def _forget_tags(self, link: Link, batch: Sequence[Operation]) -> None:
        """Plain acks need no script.  The lease goes first: claimed without a lease is nothing."""
        if not batch:
            return
        tags = [one.tag for one in batch]
        commands: list[tuple[Any, ...]] = [("HDEL", self._layout.lease(self.token), *tags)]
        claimed = [tag for tag in tags if tag in self.claimed]
        if claimed:
            commands.append(("SREM", self._layout.claimed(self.token), *claimed))
        link.ask_many(commands)
        for tag in tags:
            assert tag is not None, "an operation without a tag acks nothing"
            self._drop(tag)

    def run(
        self, link: Link, token: str, batch: Sequence[Operation], along: Along | None = None
    ) -> Said:
        """Run operations on the lease of a token; says what was left out and what failed."""
        layout = self._layout
        arguments: list[Any] = [token, *self._terms]
        first = self._last_tag
        if along is None:
            arguments += ("", "", "")
        else:
            # Reserved before the call, as in ``take``.
            self._last_tag += along.room
            arguments += (along.room, first, sum(len(one.begins) for one in batch))
        for one in batch:
            pushes: Sequence[Push] = one.pushes
            if one.outgoing:
                pushes = (*self._routes.pushes(link, one.outgoing, one.texts), *pushes)
                if one.begins and along is not None:
                    pushes = _handed(pushes, {one.texts[number] for number in one.begins})
            tag = "" if one.tag is None else one.tag
            arguments += (one.mode, tag, len(pushes), len(one.results), len(one.levels))
            arguments += ("",) if one.growth is None else (one.growth.mark, *one.growth[::2])
            _write(arguments, pushes, one.results)
            for level in one.levels:
                self._write_level(link, arguments, level)
        keys = [
            layout.workers,
            layout.lease(token),
            layout.claimed(token),
            layout.dead,
            layout.letters,
            layout.parked_tasks,
        ]
        if along is None:
            return read_said(link.run(COMMIT, keys, arguments))
        reply, taken, claimed = link.run(COMMIT, [*keys, *along.keys], arguments)
        said = read_said(reply)
        along.taken, complaint = self._taken(taken, along.keys, first)
        along.done = said.registered and not complaint
        self.claimed.update(claimed)
        return said

    def _write_level(self, link: Link, arguments: list[Any], level: Level) -> None:
        pushes = self._routes.pushes(link, level.outgoing, level.texts) if level.outgoing else ()
        parts = level.part.each
        arguments += (level.key, level.life_ms, len(parts), int(level.ends))
        arguments += (len(pushes), len(level.results), level.guard_ms)
        for part, payload in zip(parts, level.payloads, strict=True):
            arguments += (part.mark, part.index, payload)
        _write(arguments, pushes, level.results)

    def mode(self, tag: Tag) -> str:
        """Which mode ends this tag."""
        return "E" if tag in self.claimed else "D"

    def _drop(self, tag: Tag) -> None:
        self.held.pop(tag, None)
        self.claimed.discard(tag)

    def _lose(self, tag: Tag) -> None:
        self._drop(tag)
        if isinstance(tag, int):
            self.lost.append(tag)

    # -- when the token is gone ------------------------------------------------------------------

    def restore(self, link: Link) -> bool:
        """Begin anew after the token was gone; True if what is held is ours still (or again)."""
        if link.ask("EXISTS", self._layout.taken_over(self.token)):
            for tag in list(self.held):
                self._lose(tag)
            self.token = self._new_token()
            self.register(link)
            return False
        self.register(link)
        for tags in _slices(sorted(self.held, key=tag_order)):
            fields: list[Any] = []
            for tag in tags:
                fields += (tag, lease_entry(self.held[tag]))
            link.ask("HSET", self._layout.lease(self.token), *fields)
        if self.claimed:
            link.ask("SADD", self._layout.claimed(self.token), *self.claimed)
        return True

    def unknown(self, link: Link) -> list[tuple[int, Held]]:
        """Find what was taken for this token though nobody here has it: a reply was lost."""
        tags = [tag for tag in self.tags(link, self.token) if tag not in self.held]
        found: list[tuple[int, Held]] = []
        for tag, held in reversed(self.entries(link, self.token, tags)):
            if isinstance(tag, int):
                self.hold(tag, held)
                found.append((tag, held))
        self.unclaim(link, [tag for tag, held in found if held.lost_by is None])
        return found

    def unclaim(self, link: Link, tags: Sequence[int]) -> None:
        """What was claimed as it was taken has not begun, and does not begin now."""
        if tags:
            link.ask("SREM", self._layout.claimed(self.token), *tags)
            self.claimed.difference_update(tags)

    def hold(self, tag: Tag, held: Held) -> None:
        """Note what the server has for this token."""
        self.held[tag] = held
        if held.lost_by is not None:
            self.claimed.add(tag)

    def tags(self, link: Link, token: str) -> list[Tag]:
        """Return what is in a lease, the youngest first."""
        names = link.ask("HKEYS", self._layout.lease(token))
        return sorted(map(read_tag, names), key=tag_order, reverse=True)

    def entries(self, link: Link, token: str, tags: Sequence[Tag]) -> list[tuple[Tag, Held]]:
        """Read what is under some tags."""
        found: list[tuple[Tag, Held]] = []
        for some in _slices(tags):
            entries = link.ask("HMGET", self._layout.lease(token), *some)
            found += (
                (tag, read_lease_entry(entry))
                for tag, entry in zip(some, entries, strict=True)
                if entry is not None
            )
        return found

    def dissolve(self, link: Link) -> None:
        """End the lease; what is still in it is for others to take over, at once."""
        layout = self._layout
        if link.ask("HLEN", layout.lease(self.token)):
            link.ask("ZADD", layout.workers, "XX", 0, self.token)
        else:
            link.ask_many(
                [("DEL", layout.claimed(self.token)), ("ZREM", layout.workers, self.token)]
            )


def _write(arguments: list[Any], pushes: Sequence[Push], results: Sequence[ResultWrite]) -> None:
    for push in pushes:
        arguments += (push.command, push.key, push.value, push.life_ms)
    for result in results:
        arguments += (result.key, result.life_ms, result.blockers, result.payload)


def _handed(pushes: Iterable[Push], begins: Collection[str]) -> tuple[Push, ...]:
    return tuple(
        replace(push, command="HAND") if push.command == "LPUSH" and push.value in begins else push
        for push in pushes
    )


def _slices(tags: Sequence[Any]) -> Iterable[Sequence[Any]]:
    return (tags[at : at + ENTRIES_PER_CALL] for at in range(0, len(tags), ENTRIES_PER_CALL))
