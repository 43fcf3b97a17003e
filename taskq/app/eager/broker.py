"""The broker under ``task_always_eager``: nobody is there but the calls that run here.

Task messages never come this way: an eager call hands them to its own run (``running``).  What is
left are events and commands, which nobody hears.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NoReturn

from taskq.ports import Intake, Message, Outgoing, QueueSpec

__all__ = ["EagerBroker"]


class _Silence:
    """An inbox that stays empty."""

    watched: Sequence[int] = ()
    poll_s: float | None = None

    def receive(self) -> Sequence[Message]:
        """Nothing has come."""
        return ()

    def wait(self, timeout_s: float) -> None:
        """Nothing will."""

    def reconnect(self) -> None:
        """There is no connection."""

    def close(self) -> None:
        """There is nothing to let go of."""


class EagerBroker:
    """The ``Broker`` port."""

    name = "eager://"
    address = None

    def publish(self, messages: Sequence[Outgoing]) -> None:
        """Nobody listens."""

    def consume(
        self,
        queues: Sequence[QueueSpec],  # noqa: ARG002 - refused
        node: str,
        *,
        unattended: bool = False,  # noqa: ARG002 - refused
    ) -> Intake:
        """Refuse."""
        _refuse(f"worker {node}")

    def listen(self, queue: QueueSpec) -> _Silence:  # noqa: ARG002 - it stays empty
        """Nothing will come."""
        return _Silence()

    def declare(self, queues: Sequence[QueueSpec]) -> None:
        """There is a place for everything."""

    def length(self, queue: str) -> int:  # noqa: ARG002 - of all
        """Nothing waits: what is sent has run."""
        return 0

    def purge(self, queue: str) -> int:  # noqa: ARG002 - of all
        """Nothing waits."""
        return 0

    def ping(self) -> None:
        """It is there."""

    def close(self) -> None:
        """There is nothing to let go of."""


def _refuse(who: str) -> NoReturn:
    raise RuntimeError(
        f"{who} cannot take from eager://: with task_always_eager calls run where they are made; "
        "turn it off for a worker"
    )
