"""How a body that must not go on is ended, and nobody else with it.

A slot that is killed takes along whatever it runs at that moment.  Where others wait behind the
one that is meant, it may have ended and one of them have begun before the signal arrives.  So
those are asked back first, and the slot is killed when it has answered.  One that does not answer
(its process is frozen) has begun none of them, and is killed without an answer.

Owned here: who is to be ended, and when.  Not owned: why (``revoking.py``, ``limits.py``), and
what follows from the loss of the slot (``losing.py``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from taskq.core.delivery import Entry
from taskq.core.effects import Effect, Kill
from taskq.core.handing import Handing
from taskq.core.house import House
from taskq.core.rates import NEVER

SIGKILL: Final = 9
# How long a slot has to answer.  Pools look after some milliseconds what a child has not begun.
ANSWER_S: Final = 0.5


@dataclass(frozen=True, slots=True)
class Sentence:
    """A body that is to be ended."""

    slot: int
    signal: int
    by_s: float  # without an answer until then, at once


class Killing:
    """Ends bodies."""

    def __init__(self, house: House, handing: Handing) -> None:
        self._house, self._handing = house, handing
        self._sentences: dict[int, Sentence] = {}  # by token
        self.next_s = NEVER  # when a slot that does not answer is killed

    def end(self, entry: Entry, signal: int, effects: list[Effect]) -> None:
        """End a body that was given to a slot."""
        slot = None if entry.slot is None else self._house.slots.get(entry.slot)
        if slot is None or entry.job.token not in slot.tokens:
            return  # its slot has left without it, and its ending is on its way
        if slot.oldest == entry.job.token and slot.killed_by == SIGKILL:
            return  # no signal is stronger, and a pool that cannot end it has said so
        by_s = self._house.now.elapsed_s + ANSWER_S
        self._sentences[entry.job.token] = Sentence(slot.number, signal, by_s)
        self._handing.recall(slot, effects)

    def look(self, effects: list[Effect]) -> None:
        """Carry out what can be carried out now; forget those that have ended."""
        self.next_s = NEVER
        for token, sentence in list(self._sentences.items()):
            slot = self._house.slots.get(sentence.slot)
            if slot is None or token not in slot.tokens:
                del self._sentences[token]
            elif token != slot.oldest:
                continue  # it comes back, or it begins
            elif len(slot.tokens) == 1 or sentence.by_s <= self._house.now.elapsed_s:
                del self._sentences[token]
                slot.killed_by = sentence.signal
                effects.append(Kill(slot.number, sentence.signal))
            else:
                self._handing.recall(slot, effects)
                self.next_s = min(self.next_s, sentence.by_s)
