"""What every pool promises, as tests; each adapter and its simulated twin passes them.

A test file makes a class of ``PoolSuite`` and gives it a ``rig``: the pool, and how time passes
while it works.
"""

from __future__ import annotations

import pytest

from taskq_testing.conformance.pool.leaving import LeavingSuite
from taskq_testing.conformance.pool.limits import LimitSuite
from taskq_testing.conformance.pool.recalling import RecallSuite
from taskq_testing.conformance.pool.rig import Driver, Rig, ScriptedRunner
from taskq_testing.conformance.pool.slots import SlotSuite


class PoolSuite(SlotSuite, LimitSuite, RecallSuite, LeavingSuite):
    """The promises.  A subclass has a fixture ``rig``."""

    @pytest.fixture
    def driver(self, rig: Rig) -> Driver:
        """Return what plays the runtime."""
        return Driver(rig)


__all__ = ["Driver", "PoolSuite", "Rig", "ScriptedRunner"]
