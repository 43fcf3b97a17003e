"""A kombu driver without a server."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from taskq.adapters.broker.kombu import KombuBroker
from taskq.adapters.clock import SystemClock
from taskq.adapters.randomness import SystemRandomness
from taskq.ports import Place


@pytest.fixture
def broker() -> Iterator[KombuBroker]:
    broker = KombuBroker(
        "memory://", clock=SystemClock(), randomness=SystemRandomness(), place=Place("h", 1)
    )
    yield broker
    broker.close()
