"""What every Broker must do, whatever it stands on: one suite for real drivers and for models.

A test class inherits ``BrokerSuite`` and gives a fixture ``rig``: brokers on one server, and what
that server is known to do differently (``Traits``).  A trait changes what a test expects; it
never leaves a test out.  What only some brokers promise has a suite of its own, to be inherited
beside it.
"""

from __future__ import annotations

from taskq_testing.conformance.broker.committing import CommittingSuite
from taskq_testing.conformance.broker.intake import IntakeSuite
from taskq_testing.conformance.broker.keeping import KeepingSuite
from taskq_testing.conformance.broker.publishing import PublishingSuite
from taskq_testing.conformance.broker.rig import BrokerRig, Traits


class BrokerSuite(PublishingSuite, IntakeSuite, CommittingSuite, KeepingSuite):
    """Inherit, and give a fixture ``rig``."""


__all__ = ["BrokerRig", "BrokerSuite", "Traits"]
