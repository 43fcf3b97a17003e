"""How many deliveries this worker asks for.

Owned here: who is counted.  Not owned: how much work is taken ahead of the slots (``pace.py``).
"""

from __future__ import annotations

from taskq.core.effects import Effect, SetPrefetch
from taskq.core.house import House
from taskq.core.pace import prefetch_count
from taskq.core.rates import MOST_IN_LINE


class Window:
    """The prefetch of one worker."""

    def __init__(self, house: House) -> None:
        self._house = house
        self.count: int | None = None  # None: the connection is new, and knows none
        self.closed = False  # nothing is to be taken: all slots are taken, and nothing ahead

    def connected(self) -> None:
        """A new connection knows nothing of the old window."""
        self.count = None

    def adjust(self, size: int, effects: list[Effect]) -> None:
        """Say how many, where that has changed."""
        options = self._house.options
        if options.exact_prefetch:
            count = self._exact()
            self.closed = not count
        else:
            count = prefetch_count(
                slots=size,
                multiplier=options.prefetch_multiplier,
                ahead=self._house.pace.ahead(),
                held=self._waiting(),
                orphans=len(self._house.orphans) if options.reduces_prefetch else 0,
            )
        if self.closed:
            # 0 would mean any number.  Nothing is taken now, so what stands there matters only to
            # a broker that sends by itself: to that, as little as can be said.
            count = self.count or 1
        if count != self.count:
            self.count = count
            effects.append(SetPrefetch(count))

    def _exact(self) -> int:
        """As many as can begin at once, and those that are open and not claimed already."""
        house = self._house
        idle = open_in_slots = 0
        for slot in house.slots.values():
            idle += not slot.tokens
            open_in_slots += sum(house.is_open(token) for token in slot.tokens)
        return idle + open_in_slots + self._waiting()

    def _waiting(self) -> int:
        """Those that wait for their time, and must not keep others out; in Celery's bounds."""
        house = self._house
        held, most = len(house.held), house.options.eta_task_limit
        if most is not None and held > most:
            held = most
        if house.rates.any:
            held += min(house.rates.waiting, MOST_IN_LINE)
        return held
