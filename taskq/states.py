"""The states of a task result: one table, from which every set is derived.

A state is a plain string on the wire and in a store.  ``state`` compares two of them
by how final they are: ``state(STARTED) > state(PENDING)``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

__all__ = [
    "ALL_STATES",
    "EXCEPTION_STATES",
    "FAILURE",
    "IGNORED",
    "PENDING",
    "PRECEDENCE",
    "PROPAGATE_STATES",
    "READY_STATES",
    "RECEIVED",
    "REJECTED",
    "RETRY",
    "REVOKED",
    "STARTED",
    "SUCCESS",
    "UNREADY_STATES",
    "precedence",
    "state",
]


@dataclass(frozen=True, slots=True)
class StateRow:
    """What one state means."""

    name: str
    ready: bool | None  # False: something may still follow; None: it is never read back
    exception: bool = False  # the stored result is an exception
    propagate: bool = False  # ``get()`` raises it
    listed: bool = True  # among the states that a result can be in


# Order is precedence: what stands higher is never overwritten by what stands lower.
# ``None`` holds the place of states that users invent.
TABLE: Final[tuple[StateRow | None, ...]] = (
    StateRow("SUCCESS", ready=True),
    StateRow("FAILURE", ready=True, exception=True, propagate=True),
    None,
    StateRow("REVOKED", ready=True, exception=True, propagate=True),
    StateRow("STARTED", ready=False),
    StateRow("RECEIVED", ready=False),
    StateRow("REJECTED", ready=False, listed=False),
    StateRow("RETRY", ready=False, exception=True),
    StateRow("PENDING", ready=False),
)

PENDING: Final = "PENDING"  # unknown, or waiting; never stored
RECEIVED: Final = "RECEIVED"  # a worker has the message; in events only
STARTED: Final = "STARTED"
SUCCESS: Final = "SUCCESS"
FAILURE: Final = "FAILURE"
REVOKED: Final = "REVOKED"
REJECTED: Final = "REJECTED"  # in events only
RETRY: Final = "RETRY"
IGNORED: Final = "IGNORED"  # the task asked for it; never stored, hence not in the table

_ROWS: Final = tuple(row for row in TABLE if row is not None)
READY_STATES: Final = frozenset(row.name for row in _ROWS if row.ready)
UNREADY_STATES: Final = frozenset(row.name for row in _ROWS if row.ready is False)
EXCEPTION_STATES: Final = frozenset(row.name for row in _ROWS if row.exception)
PROPAGATE_STATES: Final = frozenset(row.name for row in _ROWS if row.propagate)
ALL_STATES: Final = frozenset(row.name for row in _ROWS if row.listed)
PRECEDENCE: Final[list[str | None]] = [row.name if row else None for row in TABLE]
_RANK: Final = {name: rank for rank, name in enumerate(PRECEDENCE)}


def precedence(state: str) -> int:
    """How final a state is: the smaller, the more final.  Unknown states share one rank."""
    return _RANK.get(state, _RANK[None])


def is_less_final(new: str, known: str) -> bool:
    """Whether what is stored stays: it is final, and what comes is less so."""
    return known in READY_STATES and precedence(new) > precedence(known)


class state(str):  # noqa: N801 - the name under which Celery's users know it
    """A state name that compares by precedence."""

    __slots__ = ()

    def __gt__(self, other: str) -> bool:
        return precedence(self) < precedence(other)

    def __ge__(self, other: str) -> bool:
        return precedence(self) <= precedence(other)

    def __lt__(self, other: str) -> bool:
        return precedence(self) > precedence(other)

    def __le__(self, other: str) -> bool:
        return precedence(self) >= precedence(other)
