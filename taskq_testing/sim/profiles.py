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
    # The result, the follow-ups and the settlement of one delivery are one step.
    atomic_commit: bool
    # What is given back by a worker stands behind everything else; else where it was.
    requeues_at_end: bool
    # ``expiration`` of a message means something.
    message_ttl: bool
    # A message that no binding takes: to the queue named by its routing key, or away.
    default_route_without_exchange: bool


REDIS: Final = Profile(
    name="redis",
    leases=True,
    priority_steps=(0, 3, 6, 9),
    keeps_claims=True,
    atomic_commit=True,
    requeues_at_end=True,
    message_ttl=False,
    default_route_without_exchange=True,
)
RABBITMQ: Final = Profile(
    name="rabbitmq",
    leases=False,
    priority_steps=None,
    keeps_claims=False,
    atomic_commit=False,
    requeues_at_end=False,
    message_ttl=True,
    default_route_without_exchange=False,
)
PROFILES: Final[Mapping[str, Profile]] = MappingProxyType({p.name: p for p in (REDIS, RABBITMQ)})

# A lease, and how often a live worker renews its own.
LEASE_S: Final = 60.0
RENEW_S: Final = 20.0
