"""The store of an app that has none: writing is nothing, reading says what to configure.

Made by ``taskq.wiring`` where ``result_backend`` is not set, or is ``disabled``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NoReturn

from taskq.adapters.results.keeping_none import KeepsNoGroups
from taskq.errors import ImproperlyConfigured
from taskq.ports import ResultRecord


class NoResultStoreError(ImproperlyConfigured, NotImplementedError):
    """A result was asked for, and no store keeps results."""

    def __init__(self, wanted: str) -> None:
        super().__init__(wanted)
        self.wanted = wanted

    def __str__(self) -> str:
        return (
            f"{self.wanted}: no result backend is configured;"
            " set result_backend (or backend= of the app), for example to"
            " 'redis://localhost:6379/0', 'rpc://' or 'cache+memory://'"
        )


class DisabledStore(KeepsNoGroups):
    """Implements ``ports.ResultStore`` by keeping nothing."""

    @property
    def name(self) -> str:
        """What the banner of a worker shows."""
        return "disabled://"

    def store(self, records: Sequence[ResultRecord]) -> None:
        """Keep nothing: tasks run without a store, their results go nowhere."""

    def load(self, task_ids: Sequence[str]) -> Sequence[ResultRecord | None]:
        """Refuse."""
        self.refuse(f"reading the result of {_listed(task_ids)}")

    def wait(self, task_ids: Sequence[str], timeout_s: float | None) -> Sequence[ResultRecord]:  # noqa: ARG002 - the port's signature
        """Refuse."""
        self.refuse(f"waiting for the result of {_listed(task_ids)}")

    def stop_waiting(self, task_ids: Sequence[str]) -> None:
        """Nobody could begin."""

    def forget(self, task_ids: Sequence[str]) -> None:
        """Refuse."""
        self.refuse(f"forgetting the result of {_listed(task_ids)}")

    def close(self) -> None:
        """There is nothing to let go of."""

    @staticmethod
    def refuse(wanted: str) -> NoReturn:
        """Say what to configure."""
        raise NoResultStoreError(wanted)


def _listed(task_ids: Sequence[str]) -> str:
    return ", ".join(task_ids[:3]) + (", ..." if len(task_ids) > 3 else "")  # noqa: PLR2004 - one line
