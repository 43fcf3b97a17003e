"""The same run again and again, each time up to one step further."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator

from taskq_testing import World


def every_step(
    begin: Callable[[int], World], seeds: Iterable[int], *, first: int = 1, stride: int = 1
) -> Iterator[tuple[World, str]]:
    """Yield a world that was run up to each of its steps, and which run it is, for people.

    ``begin(seed)`` makes the world and sends the work.  What happens after the step, and what must
    hold at the end, is the test's.
    """
    for seed in seeds:
        for steps in itertools.count(first, stride):
            world = begin(seed)
            going = all(world.step() for _ in range(steps))
            if going:
                yield world, f"seed {seed}, after {steps} steps"
            world.close()
            if not going:
                break
