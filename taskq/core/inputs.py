"""Everything that can happen to a worker."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

from taskq.ports import Delivery, LostMessage, Malformed, PoolEvent, Revocation


class Stop(Enum):
    """How a worker ends; each is stronger than the one before."""

    WARM = 1  # take nothing more, give back what waits, let what runs end
    SOFT = 2  # as warm, for a while that the settings name; then cold
    COLD = 3  # give back or give up what runs, now
    IMMEDIATE = 4  # leave at once; what is open is found by others


@dataclass(frozen=True, slots=True)
class Delivered:
    """The broker gave messages."""

    deliveries: tuple[Delivery | Malformed, ...]
    heard: bool = False  # somebody wants ``Received`` of each task


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

    parks: bool = False  # the broker keeps what is not due yet


@dataclass(frozen=True, slots=True)
class LeaseLost:
    """This worker was silent for too long, and another one has taken over what it held."""

    tokens: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Buried:
    """Claimed messages of lost workers were found, and wait here for the end of their tasks."""

    messages: tuple[LostMessage, ...]


@dataclass(frozen=True, slots=True)
class StopAsked:
    """Somebody wants the worker to end."""

    how: Stop
    exit_code: int = 0


@dataclass(frozen=True, slots=True)
class Revoked:
    """Tasks must not begin; with ``terminate`` those that run are ended by a signal."""

    revocations: tuple[Revocation, ...]
    terminate: bool = False
    signal: int = 15


@dataclass(frozen=True, slots=True)
class RateLimited:
    """A task has another rate limit from now on; None: none."""

    task: str
    rate: str | float | None


@dataclass(frozen=True, slots=True)
class TimeLimited:
    """A task has other time limits from now on; None: as the settings say."""

    task: str
    hard_s: float | None
    soft_s: float | None


@dataclass(frozen=True, slots=True)
class PoolSized:
    """Somebody wants so many slots more (or, below 0, less)."""

    by: int


@dataclass(frozen=True, slots=True)
class AutoscaleSet:
    """The pool may grow and shrink between other bounds from now on."""

    most: int
    least: int


@dataclass(frozen=True, slots=True)
class PoolRestartAsked:
    """Somebody wants new slots."""


@dataclass(frozen=True, slots=True)
class EventsSet:
    """Monitors want to be told of each task, or no longer."""

    wanted: bool


@dataclass(frozen=True, slots=True)
class ClusterSized:
    """So many workers are there, this one counted: limits of the cluster are shared among them."""

    workers: int


Input: TypeAlias = (
    Delivered
    | Happened
    | Woke
    | Disconnected
    | Connected
    | LeaseLost
    | Buried
    | StopAsked
    | Revoked
    | RateLimited
    | TimeLimited
    | PoolSized
    | AutoscaleSet
    | PoolRestartAsked
    | EventsSet
    | ClusterSized
)
