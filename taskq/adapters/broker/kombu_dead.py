"""The queue of dead letters over kombu, ``taskq.dead``: declared, looked through, emptied.

To look into a queue is to take everything out of it and to put everything back.  So whoever looks
does it alone, on a connection of its own: should it break, RabbitMQ puts everything back by
itself, each letter where it was.  On RabbitMQ the queue has a limit, of which the oldest letters
fall off; emulated transports get the same by hand.
"""

from __future__ import annotations

import contextlib
import heapq
import logging
from collections import deque
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from itertools import count, islice
from typing import Any, Final, Protocol

from amqp.exceptions import AccessRefused, NotFound, PreconditionFailed

from taskq.adapters.broker.errors import BrokerError
from taskq.adapters.broker.kombu_courier import Courier
from taskq.adapters.broker.kombu_letters import QUEUE, read, replayed
from taskq.adapters.broker.kombu_links import Link
from taskq.adapters.broker.kombu_messages import amqp_message, undecoded, virtual_message
from taskq.ports import Clock, DeadLetter, Message

logger: Final = logging.getLogger(__name__)

DEFAULT_MOST: Final = 100_000
# How many are sent again in one round trip.
BATCH: Final = 100
# For how long a letter that should be there may not come: somebody took it meanwhile.
QUIET_S: Final = 5.0
# How often to try while somebody else looks, and how long to wait in between.
TURNS: Final = 25
TURN_S: Final = 0.2


class Look(Protocol):
    """Everything in the queue, taken out for a while; what is not ``done`` goes back."""

    def letters(self) -> Iterator[tuple[Any, Message]]:
        """Go through them, the oldest first."""

    def done(self, handle: Any) -> None:
        """Do not put this one back."""

    def end(self) -> None:
        """Put the others back."""


class DeadLetterQueue:
    """What is done to all letters, or to some."""

    def __init__(self, courier: Courier, clock: Clock, most: int = DEFAULT_MOST) -> None:
        self._courier, self._clock, self._most = courier, clock, most

    # -- for those who bury ----------------------------------------------------------------------

    def ready(self, link: Link) -> None:
        """Make sure that the queue is there, and that there is room in it."""
        if link.speaks_amqp:
            link.once("dead letters", lambda: self._declare(link))
        else:
            self._make_room(link)

    def _declare(self, link: Link) -> None:
        # Classic: RabbitMQ 4 drops what was taken out of a quorum queue and put back too often.
        arguments = {
            "x-queue-type": "classic",
            "x-max-length": self._most,
            "x-overflow": "drop-head",
        }
        try:
            with link.side_channel() as channel:
                _declare(channel, arguments)
        except PreconditionFailed:
            # It was made with another limit, or by hand.  That holds until somebody deletes it.
            logger.info("%s: the queue %s exists with arguments of its own", link.where, QUEUE)

    def _make_room(self, link: Link) -> None:
        waiting = _declare(link.channel, {}).message_count
        for _ in range(waiting - self._most + 1):
            link.channel.basic_get(QUEUE, no_ack=True)

    # -- for operators ---------------------------------------------------------------------------

    def count(self) -> int:
        """How many there are, also while somebody has them out to look at them."""
        with self._courier.own_link("counting dead letters") as link:
            if not link.speaks_amqp:
                return int(_declare(link.channel, {}).message_count)
            waiting, lookers = _state(link)
            for _ in range(TURNS if lookers else 0):
                self._clock.sleep(TURN_S)
                waiting, lookers = _state(link)
                if not lookers:
                    break
            return waiting

    def newest(self, limit: int, offset: int) -> Sequence[DeadLetter]:
        """Return some of them, the newest first."""
        with self._look() as look:
            numbers = count()
            letters = ((letter, next(numbers)) for _, letter in _read(look))
            best = heapq.nlargest(limit + offset, letters, key=lambda one: (one[0].at_s, one[1]))
        return [letter for letter, _ in best[offset:]]

    def find(self, letter_id: str) -> DeadLetter | None:
        """Return one."""
        with self._look() as look:
            return next((one for _, one in _read(look) if one.letter_id == letter_id), None)

    def replay(self, letter_ids: Collection[str] | None) -> int:
        """Send some, or all, to their queues again."""
        sent, failure = 0, None
        with self._look() as look:
            # What is no message stays: nobody could do anything with it.
            chosen = (one for one in _chosen(look, letter_ids) if one[1].message is not None)
            while batch := list(islice(chosen, BATCH)):
                outgoing = [replayed(letter) for _, letter in batch]
                pending = list(outgoing)
                try:
                    self._courier.publish_again(pending)
                except BrokerError as error:
                    failure = error
                left = {id(one) for one in pending}
                for (handle, _), one in zip(batch, outgoing, strict=True):
                    if id(one) not in left:
                        look.done(handle)
                        sent += 1
        if failure is not None:
            if not sent:
                raise failure
            logger.warning("Some dead letters stay where they are: %s", failure)
        return sent

    def purge(self, letter_ids: Collection[str] | None) -> int:
        """Throw some, or all, away."""
        if letter_ids is None:
            with self._courier.borrowed("purging dead letters") as link:
                self.ready(link)
                return int(link.channel.queue_purge(QUEUE) or 0)
        purged = 0
        with self._look() as look:
            for handle, _ in _chosen(look, letter_ids):
                look.done(handle)
                purged += 1
        return purged

    @contextmanager
    def _look(self) -> Iterator[Look]:
        with self._courier.own_link("looking at dead letters") as link:
            look = self._amqp_look(link) if link.speaks_amqp else VirtualLook(link)
            try:
                yield look
            finally:
                # Where the connection is gone, everything is back already.
                with contextlib.suppress(*link.failures):
                    look.end()

    def _amqp_look(self, link: Link) -> Look:
        for _ in range(TURNS):
            waiting, lookers = _state(link)
            if not waiting and not lookers:
                return NothingToSee()
            try:
                return AmqpLook(link, waiting)
            except AccessRefused:
                self._clock.sleep(TURN_S)
        raise BrokerError(
            link.where, "somebody else is looking at the dead letters", "try again in a moment"
        )


class NothingToSee:
    """There is no queue, or nothing in it."""

    def letters(self) -> Iterator[tuple[Any, Message]]:
        """None."""
        return iter(())

    def done(self, handle: Any) -> None:
        """There is nothing to be done."""

    def end(self) -> None:
        """There is nothing to be put back."""


class AmqpLook:
    """On RabbitMQ: a consumer that has the queue for itself."""

    def __init__(self, link: Link, waiting: int) -> None:
        self._link, self._channel, self._waiting = link, link.channel, waiting
        self._come: deque[Any] = deque()
        self._tag = self._channel.basic_consume(QUEUE, exclusive=True, callback=self._come.append)

    def letters(self) -> Iterator[tuple[Any, Message]]:
        """Go through what was there at the beginning."""
        for _ in range(self._waiting):
            while not self._come:
                try:
                    self._link.wait(QUIET_S)
                except TimeoutError:
                    return
            message = self._come.popleft()
            yield message.delivery_info["delivery_tag"], amqp_message(message)

    def done(self, handle: Any) -> None:
        """Acknowledge."""
        self._channel.basic_ack(handle)

    def end(self) -> None:
        """Take no more, and put back what is out."""
        self._channel.basic_cancel(self._tag)
        self._channel.basic_recover(requeue=True)


class VirtualLook:
    """On an emulated transport: everything is taken, and put back in the same order."""

    def __init__(self, link: Link) -> None:
        self._channel = link.channel
        self._channel.Message = undecoded(self._channel.Message)
        self._out: dict[Any, None] = {}
        self._waiting = _declare(self._channel, {}).message_count

    def letters(self) -> Iterator[tuple[Any, Message]]:
        """Go through what was there at the beginning."""
        for _ in range(self._waiting):
            message = self._channel.basic_get(QUEUE)
            if message is None:
                return
            self._out[message.delivery_tag] = None
            yield message.delivery_tag, virtual_message(message)

    def done(self, handle: Any) -> None:
        """Acknowledge."""
        self._channel.basic_ack(handle)
        self._out.pop(handle)

    def end(self) -> None:
        """Put back what is out, and what was not reached behind it, so that the order stays."""
        for _ in self.letters():
            pass
        for handle in self._out:
            self._channel.basic_reject(handle, requeue=True)


def _state(link: Link) -> tuple[int, int]:
    """Say how many letters are in the queue, and how many look at others that they took out."""
    try:
        found = link.channel.queue_declare(QUEUE, passive=True)
    except NotFound:
        return 0, 0
    return found.message_count, found.consumer_count


def _declare(channel: Any, arguments: dict[str, Any]) -> Any:
    return channel.queue_declare(
        QUEUE, durable=True, exclusive=False, auto_delete=False, arguments=arguments
    )


def _read(look: Look) -> Iterator[tuple[Any, DeadLetter]]:
    return ((handle, read(message)) for handle, message in look.letters())


def _chosen(look: Look, letter_ids: Collection[str] | None) -> Iterator[tuple[Any, DeadLetter]]:
    """Go through the letters with these ids, or all; ends when each was found."""
    missing = None if letter_ids is None else set(letter_ids)
    for handle, letter in _read(look):
        if missing is None:
            yield handle, letter
        elif letter.letter_id in missing:
            missing.discard(letter.letter_id)
            yield handle, letter
        if missing is not None and not missing:
            return
