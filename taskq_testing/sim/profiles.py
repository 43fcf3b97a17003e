"""How the brokers that are modelled differ, as a table.

Read by ``broker.py``.  A row names what a real one does; the conformance suite holds each model
against its real thing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final


@dataclass(frozen=True, slots=True)
class Profile:
    """What one kind of broker does."""

    name: str
    # A delivery outlives the connection until its lease ends; else it goes back with it.
    leases: bool
    # Priorities are put into these steps, the lowest first; None: as the queue declares them,
    # the highest first.
    priority_steps: tuple[int, ...] | None
    # A claimed message is kept apart until it is acknowledged, and accounted for.
    keeps_claims: bool
    # It counts how often a message was lost with its worker; else who gets it next counts that.
    counts_attempts: bool
    # The result, the follow-ups and the settlement of one delivery are one step.
    atomic_commit: bool
    # What is given back by a worker stands behind everything else; else where it was.
    requeues_at_end: bool
    # ``expiration`` of a message means something.
    message_ttl: bool
    # A message that no binding takes: to the queue named by its routing key, or away.
    default_route_without_exchange: bool
    # What is parked waits for a number of seconds in these steps, by the clock of who parks it;
    # None: until a moment on the server's clock.
    parks_for: float | None
    # Lists outlive who made them; what is parked can be looked at, and taken out, by anybody.
    keeps_lists: bool


REDIS: Final = Profile(
    name="redis",
    leases=True,
    priority_steps=(0, 3, 6, 9),
    keeps_claims=True,
    counts_attempts=True,
    atomic_commit=True,
    requeues_at_end=True,
    message_ttl=False,
    default_route_without_exchange=True,
    parks_for=None,
    keeps_lists=True,
)
RABBITMQ: Final = Profile(
    name="rabbitmq",
    leases=False,
    priority_steps=None,
    keeps_claims=False,
    counts_attempts=False,
    atomic_commit=False,
    requeues_at_end=False,
    message_ttl=True,
    default_route_without_exchange=False,
    parks_for=1.0,
    keeps_lists=False,
)
PROFILES: Final[Mapping[str, Profile]] = MappingProxyType({p.name: p for p in (REDIS, RABBITMQ)})

# A lease, unless the settings say another, and how often a live worker renews its own meanwhile.
LEASE_S: Final = 60.0
RENEWALS: Final = 3
