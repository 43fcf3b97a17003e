"""A broker whose workers read from another URL than clients write to.

For drivers that know one server; made by ``taskq.wiring`` when ``broker_read_url`` is set.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from taskq.ports import Broker, Intake, QueueSpec


class SplitBroker:
    """Implements ``ports.Broker`` with two: all but ``consume`` goes where clients write."""

    def __init__(self, writing: Broker, reading: Broker) -> None:
        self._writing, self.reading = writing, reading

    def consume(
        self, queues: Sequence[QueueSpec], node: str, *, unattended: bool = False
    ) -> Intake:
        """Begin to take from queues, where workers read."""
        return self.reading.consume(queues, node, unattended=unattended)

    def close(self) -> None:
        """Let go of both."""
        self._writing.close()
        self.reading.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._writing, name)
