"""Slots for task bodies in virtual time: the ``Pool`` port of a simulated worker."""

from __future__ import annotations

from taskq_testing.sim.pool.kinds import KINDS, PREFORK, PoolKind
from taskq_testing.sim.pool.pool import SimPool

__all__ = ["KINDS", "PREFORK", "PoolKind", "SimPool"]
