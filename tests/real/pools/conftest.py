"""Pools that end with their test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from taskq.adapters.clock import SystemClock
from taskq.adapters.pools.prefork import PreforkPool
from taskq.ports import Pool
from tests.real.pools.bench import Bench


@pytest.fixture
def bench() -> Iterator[Callable[..., Bench]]:
    """Return what makes a bench of a pool (prefork) and its options."""
    made: list[Bench] = []

    def make(kind: type[Pool] = PreforkPool, **options: Any) -> Bench:
        options.setdefault("clock", SystemClock())
        made.append(Bench(kind(**options)))
        return made[-1]

    yield make
    for one in made:
        one.pool.stop(at_once=True)
