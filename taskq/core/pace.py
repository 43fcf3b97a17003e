"""How much work to hold and to hand out at once.

A slot gets work in batches sized by how long its tasks take: one at a time where they are long
or unknown (fair), many where they are short (cheap).  The same estimate says how many messages
a worker takes from the broker ahead of its slots.
"""

from __future__ import annotations

from typing import Final

# How quickly an estimate comes down after short runs.  It goes up at once, so that one long run
# is enough to hand that task out one at a time.
EASE: Final = 0.1
# No batch and no lookahead is larger than this for each slot, however short the tasks are.
MAX_BATCH: Final = 128
MAX_AHEAD: Final = 256
# Work taken ahead of a slot, in seconds: some round trips to the broker, and far less than a
# person or another worker would notice.
LOOKAHEAD_S: Final = 0.02


class Pace:
    """What is known of how long tasks take."""

    def __init__(self, budget_s: float) -> None:
        self._budget_s = budget_s
        self._by_task: dict[str, float] = {}

    def learn(self, task: str, runtime_s: float) -> None:
        """One more run has ended."""
        known = self._by_task.get(task)
        if known is None or runtime_s > known:
            self._by_task[task] = runtime_s
        else:
            self._by_task[task] = known + (runtime_s - known) * EASE

    def forget(self, task: str) -> None:
        """How long it took counts no longer."""
        self._by_task.pop(task, None)

    def expect_s(self, task: str) -> float:
        """How long a run may take; a task that never ran may take for ever."""
        return self._by_task.get(task, float("inf"))

    @property
    def budget_s(self) -> float:
        """How much expected work a slot is given at once."""
        return self._budget_s

    def ahead(self) -> int:
        """How many messages to hold for each slot; a power of two, so that it rarely moves."""
        longest = max(self._by_task.values(), default=float("inf"))
        wanted = LOOKAHEAD_S / max(longest, LOOKAHEAD_S / MAX_AHEAD)
        return 1 << (int(wanted).bit_length() - 1) if wanted >= 1 else 0


def prefetch_count(*, slots: int, multiplier: int, held: int, ahead: int, orphans: int = 0) -> int:
    """How many deliveries may be open at once; 0 means any number.

    ``held`` ones wait for their time and must not keep others out.  ``orphans`` still run, though
    the broker counts them no longer.
    """
    if multiplier == 0:
        return 0
    return max(slots * multiplier - orphans, slots * ahead - orphans, 1) + held
