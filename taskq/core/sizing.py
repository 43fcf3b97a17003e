"""How many slots the pool has, and is to have.

Owned here: commands that change it.  Not owned: when it changes by itself (``autoscale.py``).
"""

from __future__ import annotations

from taskq.core.autoscale import Autoscale
from taskq.core.effects import Effect, Grow, Level, RestartPool, Say, Shrink
from taskq.core.house import House
from taskq.core.inputs import AutoscaleSet, PoolRestartAsked, PoolSized
from taskq.core.rates import NEVER


class Sizing:
    """Grows and shrinks.  A pool keeps one slot at least: with none it could only be killed."""

    def __init__(self, house: House) -> None:
        options = house.options
        self._house = house
        self.size = options.concurrency  # with those that come up, without those that leave
        self.autoscale = (
            None
            if options.autoscale is None
            else Autoscale(*options.autoscale, keep_s=options.autoscale_keep_s)
        )

    def slot_came(self) -> None:
        """A slot can take jobs."""
        self.size = max(self.size, len(self._house.slots))

    @property
    def next_s(self) -> float:
        """When the pool may shrink by itself."""
        return NEVER if self.autoscale is None else self.autoscale.next_s

    # -- commands --------------------------------------------------------------------------

    def pool_sized(self, happened: PoolSized, effects: list[Effect]) -> None:
        """Somebody wants more slots, or less."""
        self._resize(max(1, self.size + happened.by), effects)
        if self.autoscale is not None:
            self.autoscale.include(self.size)

    def autoscale_set(self, happened: AutoscaleSet, effects: list[Effect]) -> None:
        """The bounds are others from now on."""
        if self.autoscale is not None:
            self.autoscale.bound(happened.most, happened.least)
            self._resize(min(max(self.size, self.autoscale.least), self.autoscale.most), effects)

    def restart_asked(self, _: PoolRestartAsked, effects: list[Effect]) -> None:
        """Somebody wants new slots."""
        if self._house.options.can_restart_pool:
            effects.append(RestartPool())

    # -- by itself -------------------------------------------------------------------------

    def adjust(self, effects: list[Effect]) -> None:
        """Follow the work."""
        if self.autoscale is not None and self.size:
            house = self._house
            idle = sum(not slot.tokens for slot in house.slots.values())
            waiting = len(house.ready)
            if house.options.exact_prefetch and not idle:
                waiting += 1  # nothing is taken ahead, so nobody knows: there may be more
            coming = max(0, self.size - len(house.slots))
            now_s = house.now.elapsed_s
            self._resize(self.autoscale.wanted(self.size, waiting - coming, idle, now_s), effects)

    def _resize(self, size: int, effects: list[Effect]) -> None:
        by, self.size = size - self.size, size
        if by:
            effects.append(Grow(by) if by > 0 else Shrink(-by))
            effects.append(Say(Level.INFO, "pool resized", {"size": size}))
