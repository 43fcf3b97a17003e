"""Messages that were given up, and why.  Part of the model of a broker."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from taskq.ports import DeadLetter
from taskq_testing.sim.topology import Held


@dataclass(frozen=True, slots=True)
class Letter:
    """One of them."""

    letter_id: str
    held: Held
    reason: str
    node: str
    at_s: float

    def told(self) -> DeadLetter:
        """As the port shows it."""
        held = self.held
        return DeadLetter(
            letter_id=self.letter_id,
            message=None if held.malformed else held.message,
            queue=held.queue,
            exchange=held.exchange,
            routing_key=held.routing_key,
            reason=self.reason,
            node=self.node,
            at_s=self.at_s,
            attempts=held.attempts,
            raw=held.message.body if held.malformed else b"",
        )


class DeadLetters:
    """All of them, in the order in which they came."""

    def __init__(self) -> None:
        self._letters: dict[str, Letter] = {}
        self._number = 0

    def __len__(self) -> int:
        return len(self._letters)

    def __iter__(self) -> Iterator[Letter]:
        return iter(self._letters.values())

    def bury(self, held: Held, reason: str, node: str, at_s: float) -> None:
        """Keep one more."""
        self._number += 1
        letter_id = f"letter-{self._number}"
        self._letters[letter_id] = Letter(letter_id, held, reason, node, at_s)

    def find(self, letter_id: str) -> Letter | None:
        """One of them."""
        return self._letters.get(letter_id)

    def newest(self, limit: int, offset: int) -> Sequence[Letter]:
        """Some, the newest first."""
        return list(reversed(self._letters.values()))[offset : offset + limit]

    def remove(self, letter_ids: Sequence[str] | None) -> list[Letter]:
        """Take some out, or all."""
        wanted = list(self._letters) if letter_ids is None else letter_ids
        found = [self._letters.pop(each, None) for each in wanted]
        return [letter for letter in found if letter is not None]
