"""What a commit takes along: the next step of a chain is taken, and claimed, by who publishes it.

Looked at after slots were given what is ready.  Owned here: which follow-ups would begin at once.
Not owned: how many messages may be open (``window.py``), who gets what has come (``handing.py``).

A claim says that a body is about to begin, so it is asked for where nothing but the way from the
broker to a slot is between: a slot has nothing to do, nothing else is ready for it, and nothing
that stands in the headers keeps the message from it.  What is taken in front of it is handed out
before it, so the broker claims only among the first that it gives.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from taskq.core.effects import Commit, Effect, Finish
from taskq.core.house import House
from taskq.core.traits import TaskTraits
from taskq.ports import Message


class Foresight:
    """Looks ahead from what has ended."""

    def __init__(self, house: House, traits: Callable[[str], TaskTraits | None]) -> None:
        self._house, self._traits = house, traits

    def look(self, effects: list[Effect]) -> None:
        """Let the commit take along, and say what would begin."""
        if self._house.options.exact_prefetch:
            return  # how many may be taken is known only after the commit
        for place, effect in enumerate(effects):
            if type(effect) is Commit:
                effects[place] = Commit(self._with_what_begins(effect.finished), takes=True)

    def _with_what_begins(self, finished: tuple[Finish, ...]) -> tuple[Finish, ...]:
        places = self._places()
        if not places:
            return finished
        marked: list[Finish] = []
        for finish in finished:
            begins = self._begins(finish, places)
            places -= len(begins)
            marked.append(replace(finish, begins=begins) if begins else finish)
        return tuple(marked)

    def _places(self) -> int:
        """How many slots have nothing to do, and will not be given anything else."""
        house = self._house
        if house.ready or house.rates.any:
            return 0
        budget_s, now_s = house.pace.budget_s, house.now.elapsed_s
        return sum(not slot.tokens and slot.takes(budget_s, now_s) for slot in house.slots.values())

    def _begins(self, finish: Finish, most: int) -> tuple[int, ...]:
        follow_ups = finish.ending.follow_ups
        if not follow_ups:
            return ()
        found = (n for n, one in enumerate(follow_ups) if self._is_ordinary(one.message))
        return tuple(found)[:most]

    def _is_ordinary(self, message: Message) -> bool:
        """Whether it needs a claim, and nothing is in its way."""
        headers = message.headers
        traits = self._traits(str(headers.get("task")))
        return (
            traits is not None
            and not traits.acks_late
            and traits.rate_limit is None
            and headers.get("eta") is None
            and headers.get("expires") is None
            and not self._house.revocations.matches(headers, self._house.now)
        )
