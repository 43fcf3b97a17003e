"""Everything that can happen to a worker."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

from taskq.ports import Delivery, LostMessage, Malformed, PoolEvent


class Stop(Enum):
    """How a worker ends; each is stronger than the one before."""

    WARM = 1  # take nothing more, give back what waits, let what runs end
    COLD = 2  # give back or give up what runs, now


@dataclass(frozen=True, slots=True)
class Delivered:
    """The broker gave messages."""

    deliveries: tuple[Delivery | Malformed, ...]


@dataclass(frozen=True, slots=True)
class Happened:
    """The pool has news."""

    events: tuple[PoolEvent, ...]


@dataclass(frozen=True, slots=True)
class Woke:
    """The moment of ``WorkerCore.wake_at`` has come."""


@dataclass(frozen=True, slots=True)
class Disconnected:
    """The connection to the broker is gone."""

    keeps_deliveries: bool  # True: leases go on; False: the broker gives them to others
    # Jobs of a ``Run`` that was not carried out, because what stood before it failed.
    not_run: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Connected:
    """The connection to the broker is there (again)."""


@dataclass(frozen=True, slots=True)
class LeaseLost:
    """This worker was silent for too long, and another one has taken over what it held."""

    tokens: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Buried:
    """Messages of lost workers that can not be given to anyone went to the dead letters."""

    messages: tuple[LostMessage, ...]


@dataclass(frozen=True, slots=True)
class StopAsked:
    """Somebody wants the worker to end."""

    how: Stop


Input: TypeAlias = (
    Delivered | Happened | Woke | Disconnected | Connected | LeaseLost | Buried | StopAsked
)
