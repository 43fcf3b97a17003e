"""All that can go wrong, as one table; and how it is made to happen.

``World.fault``, a scenario's ``do`` and ``taskq-sim`` use these names.  A new fault is a row in the
file of its family.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from taskq_testing.faults.amqp import FAULTS as AMQP
from taskq_testing.faults.app import FAULTS as APP
from taskq_testing.faults.backend import FAULTS as BACKEND
from taskq_testing.faults.broker import FAULTS as BROKER
from taskq_testing.faults.clock import FAULTS as CLOCK
from taskq_testing.faults.network import FAULTS as NETWORK
from taskq_testing.faults.payload import FAULTS as PAYLOAD
from taskq_testing.faults.redis import FAULTS as REDIS
from taskq_testing.faults.table import KINDS, Fault
from taskq_testing.faults.worker import FAULTS as WORKER
from taskq_testing.nearest import nearest
from taskq_testing.sim.world import CLIENT, SimWorld

# The families, each with what it is about.
FAMILIES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "worker": "workers and their processes",
        "network": "the way between a node and the broker",
        "broker": "brokers of every kind",
        "redis": "what only Redis does",
        "amqp": "what only an AMQP broker does",
        "backend": "the result store",
        "clock": "the clocks of machines",
        "payload": "what stands in messages",
        "app": "what happens in bodies",
    }
)
_ROWS: Final = (
    *WORKER,
    *NETWORK,
    *BROKER,
    *REDIS,
    *AMQP,
    *BACKEND,
    *CLOCK,
    *PAYLOAD,
    *APP,
)
FAULTS: Final[Mapping[str, Fault]] = MappingProxyType({fault.name: fault for fault in _ROWS})
assert len(FAULTS) == len(_ROWS), "two faults have one name"
assert {fault.family for fault in _ROWS} == set(FAMILIES)
assert {parameter.kind for fault in _ROWS for parameter in fault.parameters} <= set(KINDS)


def happen(world: SimWorld, name: str, given: Mapping[str, Any]) -> None:
    """Let a fault happen now."""
    fault = FAULTS.get(name)
    if fault is None:
        raise ValueError(f"no fault is called {name!r}{nearest(name, FAULTS)}")
    refusal = fault.refusal(world.broker.profile)
    if refusal is not None:
        raise ValueError(refusal)
    values = fault.values(given)
    _say(world, fault, values)
    fault.effect(world, values)


def _say(world: SimWorld, fault: Fault, values: Mapping[str, Any]) -> None:
    """A record of it, with its values; of the node that it meets."""
    facts = dict(values)
    named = world.stations.get(facts.pop("node", CLIENT)) or world.stations[CLIENT]
    told = {_FACTS.get(p.kind, p.name): facts[p.name] for p in fault.parameters if p.name in facts}
    named.hands.say("fault.begin", fault=fault.name, **told)


# A record about a task says so under the name that all records use.
_FACTS: Final = {"task": "id", "name": "task"}
