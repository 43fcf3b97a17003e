"""Faults that brokers of every kind have."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from taskq_testing.faults.lasting import trouble, until_s
from taskq_testing.faults.table import FOR, PLACE, Fault, Parameter
from taskq_testing.sim.broker import IntakeEnd
from taskq_testing.sim.link import Call, Hold, Refuse, Trouble
from taskq_testing.sim.topology import Held
from taskq_testing.sim.world import CLIENT, SimWorld


def _lose_connection(world: SimWorld, given: Mapping[str, Any]) -> None:
    world.cut(given["node"], given["for"])


def _restart(world: SimWorld, given: Mapping[str, Any]) -> None:
    forget_latest(world, float(given["lose_last"]), "lost in a restart of the broker")
    for name in list(world.stations):
        world.cut(name, given["for"], "the broker restarts")


def forget_latest(world: SimWorld, last_s: float, reason: str) -> None:
    """Lose what was not on the disk: by its age, or (AMQP) what never goes there."""
    since_s = world.now_s - last_s
    keeps_persistent = not world.broker.profile.leases

    def is_lost(held: Held) -> bool:
        if keeps_persistent:
            return bool(held.message.properties.get("delivery_mode", 2) == 1)
        return held.arrived_at_s > since_s

    world.broker.forget(is_lost, reason, world.stations[CLIENT].hands.say)


def _pause(world: SimWorld, given: Mapping[str, Any]) -> None:
    trouble(world, world.broker.troubles, Hold(until_s(world, given)), given, "broker.pause")


def _full(world: SimWorld, given: Mapping[str, Any]) -> None:
    calls = frozenset({Call.PUBLISH})
    one: Trouble = Hold(until_s(world, given), calls)
    if world.broker.profile.leases:
        one = Refuse("OOM command not allowed when used memory > 'maxmemory'", calls)
    trouble(world, world.broker.troubles, one, given, "broker.full")


def _purge(world: SimWorld, given: Mapping[str, Any]) -> None:
    _queue(world, given["queue"])
    forget_queue(world, given["queue"], "purged")


def _delete_queue(world: SimWorld, given: Mapping[str, Any]) -> None:
    name = given["queue"]
    spec = _queue(world, name)
    forget_queue(world, name, "its queue was deleted")
    world.broker.topology.remove(name)
    told = not world.broker.profile.leases  # AMQP tells consumers, and they declare it anew
    if told and any(isinstance(t, IntakeEnd) and name in t.queues for t in world.broker.takers):
        world.broker.topology.declare(spec)


def forget_queue(world: SimWorld, name: str, reason: str) -> None:
    """Lose all that waits in one queue."""
    say = world.stations[CLIENT].hands.say
    world.broker.forget(lambda held: held.queue == name, reason, say)


def _queue(world: SimWorld, name: str) -> Any:
    found = world.broker.topology.queues.get(name)
    if found is None:
        raise ValueError(
            f"no queue is called {name!r}; there are {[*world.broker.topology.queues]}"
        )
    return found.spec


QUEUE: Final = Parameter("queue", "queue", "celery")

FAULTS: Final = (
    Fault("broker.lose_connection", "a node loses the broker, and finds it after a while",
          (PLACE, FOR), _lose_connection),
    Fault(
        "broker.restart",
        "it restarts: all connections break; what was not on disk is lost (Redis: the last"
        " seconds; AMQP: transient messages)",
        (Parameter("lose_last", "duration", 0.0), FOR),
        _restart,
    ),
    Fault("broker.pause", "it stands still: no call is answered", (FOR,), _pause),
    Fault(
        "broker.full",
        "it has no room for messages (Redis refuses them, AMQP makes senders wait)",
        (FOR,),
        _full,
    ),
    Fault("broker.purge", "somebody throws away what waits in a queue", (QUEUE,), _purge),
    Fault("broker.delete_queue", "somebody deletes a queue, with what waits in it", (QUEUE,),
          _delete_queue),
)  # fmt: skip
