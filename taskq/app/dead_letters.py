"""``app.dead_letters``: the messages that were given up."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from taskq.errors import TaskqError
from taskq.ports import DeadLetter, KeepsDeadLetters

__all__ = ["DeadLetters", "NoDeadLettersError"]

# How many are read at once.
PAGE: Final = 100


class NoDeadLettersError(TaskqError, NotImplementedError):
    """Dead letters were asked for, and the broker keeps none that can be looked at."""

    def __init__(self, broker: str) -> None:
        super().__init__(broker)
        self.broker = broker

    def __str__(self) -> str:
        return (
            f"{self.broker}: this broker keeps no dead letters that can be looked at;"
            " Redis and RabbitMQ do, where a message that is given up goes elsewhere is a"
            " matter of its own settings"
        )


class DeadLetters:
    """What the broker of an app keeps of messages that nobody gets any more, and why."""

    def __init__(self, app: Any) -> None:
        self._app = app

    @property
    def _broker(self) -> KeepsDeadLetters:
        broker = self._app.ports.broker
        if isinstance(broker, KeepsDeadLetters):
            return broker
        raise NoDeadLettersError(broker.name)

    def list(self, limit: int = PAGE, offset: int = 0) -> Sequence[DeadLetter]:
        """Return some, the newest first."""
        return self._broker.dead_letters(limit, offset)

    def __iter__(self) -> Iterator[DeadLetter]:
        """Return all that there are now, the newest first."""
        seen: set[str] = set()
        offset = 0
        while page := self.list(PAGE, offset):
            # New ones come in front, and shift those behind.
            fresh = [letter for letter in page if letter.letter_id not in seen]
            seen.update(letter.letter_id for letter in fresh)
            yield from fresh
            offset += len(page)

    def count(self) -> int:
        """Return how many there are."""
        return self._broker.dead_letter_count()

    def __len__(self) -> int:
        return self.count()

    def show(self, letter_id: str) -> DeadLetter | None:
        """Return one; None if it is not there (any more)."""
        return self._broker.dead_letter(letter_id)

    def replay(self, *letter_ids: str, all: bool = False) -> int:  # noqa: A002 - as one says it
        """Send some again, or all; returns how many that were.  Their attempts begin anew."""
        return self._broker.replay_dead_letters(_some(letter_ids, everything=all))

    def purge(self, *letter_ids: str, all: bool = False) -> int:  # noqa: A002 - as one says it
        """Throw some away, or all; returns how many that were."""
        return self._broker.purge_dead_letters(_some(letter_ids, everything=all))


def _some(letter_ids: tuple[str, ...], *, everything: bool) -> Sequence[str] | None:
    if everything and letter_ids:
        raise ValueError("name some dead letters, or say all=True; not both")
    if not everything and not letter_ids:
        raise ValueError("name the dead letters, or say all=True")
    return None if everything else letter_ids
