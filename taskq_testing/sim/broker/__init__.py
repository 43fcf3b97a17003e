"""A broker in memory: what Redis (by taskq's own driver) and RabbitMQ do, as one model.

``BrokerModel`` is the server: one in a world.  ``BrokerEnd`` is the ``Broker`` port as one node
sees it, ``IntakeEnd`` the ``Intake`` port of one worker, ``InboxEnd`` the ``Inbox`` of one
listener.  Every call of an end is a switch point before and after it takes effect, so that another
node may come between, and the caller may die before or after.

Owned here: what waits, what is out with whom, leases, what is parked, dead letters.  Not owned:
when a lease is renewed (the node does it, as the real worker does), what is lost on the way
(``faults``).
"""

from __future__ import annotations

from taskq_testing.sim.broker.end import BrokerEnd
from taskq_testing.sim.broker.inbox import InboxEnd
from taskq_testing.sim.broker.intake import IntakeEnd
from taskq_testing.sim.broker.keeping import broker_end
from taskq_testing.sim.broker.model import BrokerModel

__all__ = ["BrokerEnd", "BrokerModel", "InboxEnd", "IntakeEnd", "broker_end"]
