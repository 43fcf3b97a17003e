"""Every order in which a parent and its child can touch the words of a recall.

Two processors with store buffers, as x86 has them: what one of them writes, the other sees when
it has left the buffer, in order; each sees its own writes at once.  The code that runs here is the
ledger's own; each access to a word is a point where the other side, or a buffer, may go first.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator

import pytest
from greenlet import getcurrent, greenlet

from taskq.adapters.pools.ledger import WORDS, Ledger


class Processor:
    """One side's view of the words."""

    def __init__(self, memory: list[int], switch: Callable[[], object], *, buffers: bool) -> None:
        self.memory, self.switch, self.buffers = memory, switch, buffers
        self.stores: deque[tuple[int, int]] = deque()

    def __setitem__(self, word: int, value: int) -> None:
        self.switch()
        self.stores.append((word, value))
        if not self.buffers:
            self.drain()

    def __getitem__(self, word: int) -> int:
        self.switch()
        own = [value for stored, value in self.stores if stored == word]
        return own[-1] if own else self.memory[word]

    def drain(self) -> None:
        word, value = self.stores.popleft()
        self.memory[word] = value


class World:
    """A child with some jobs, a parent that recalls them, and what came of it."""

    def __init__(self, jobs: int, *, buffers: bool, pauses: bool) -> None:
        hub = getcurrent()
        memory = [0] * WORDS
        self.jobs, self.pauses = jobs, pauses
        self.begun: list[int] = []
        self.verdict: int | None = None
        self.sides = [Processor(memory, hub.switch, buffers=buffers) for _ in range(2)]
        self.actors = [greenlet(self.child), greenlet(self.parent)]
        for actor in self.actors:
            actor.switch()  # up to its first access

    def child(self) -> None:
        ledger = ledger_on(self.sides[0])
        for number in range(self.jobs):
            if ledger.begin(number):
                self.begun.append(number)

    def parent(self) -> None:
        ledger = ledger_on(self.sides[1])
        ledger.recall(self.jobs)
        if self.pauses:
            self.sides[1].switch()
            for side in self.sides:
                while side.stores:
                    side.drain()
        self.verdict = ledger.settled()

    def possible(self) -> list[Callable[[], object]]:
        acts: list[Callable[[], object]] = [a.switch for a in self.actors if not a.dead]
        return acts + [side.drain for side in self.sides if side.stores]

    @property
    def agrees(self) -> bool:
        """Whether what the parent takes back is what the child did not begin."""
        return self.verdict is None or self.begun == list(range(self.verdict))


def ledger_on(side: Processor) -> Ledger:
    ledger = Ledger.__new__(Ledger)
    ledger.words = side  # type: ignore[assignment]  # it is read and written like the memory
    return ledger


def histories(make: Callable[[], World]) -> Iterator[World]:
    """Yield the ends of all orders of steps."""
    path: list[int] = []
    while True:
        world = make()
        taken: list[int] = []
        widths: list[int] = []
        while acts := world.possible():
            choice = path[len(taken)] if len(taken) < len(path) else 0
            taken.append(choice)
            widths.append(len(acts))
            acts[choice]()
        yield world
        while taken and taken[-1] + 1 == widths[-1]:
            taken.pop()
            widths.pop()
        if not taken:
            return
        path = [*taken[:-1], taken[-1] + 1]


@pytest.mark.parametrize(("jobs", "buffers"), [(1, False), (2, False), (3, False), (1, True)])
def test_parent_and_child_agree_on_what_was_not_begun(jobs: int, buffers: bool) -> None:
    """In every order each job is begun or returned, never both, never neither."""
    seen: set[tuple[int | None, int]] = set()
    for world in histories(lambda: World(jobs, buffers=buffers, pauses=True)):
        assert world.agrees, f"begun {world.begun}, but the parent says {world.verdict}"
        seen.add((world.verdict, len(world.begun)))

    assert {(None, n) for n in range(jobs + 1)} <= seen, "at the door nothing is said"
    assert {(n, n) for n in range(jobs + 1)} <= seen


def test_without_the_pause_they_could_miss_each_other() -> None:
    """The pause is needed: a look may come before one's own write is seen by the other side."""
    ends = histories(lambda: World(1, buffers=True, pauses=False))

    assert not all(world.agrees for world in ends)
