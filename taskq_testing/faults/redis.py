"""Faults that only Redis has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from taskq_testing.faults.broker import QUEUE, forget_latest, forget_queue
from taskq_testing.faults.lasting import heal_after, station, trouble
from taskq_testing.faults.table import FOR, NODE, PLACE, Fault, Parameter
from taskq_testing.sim.link import ALL, CHANGING, Call, Detour, Refuse
from taskq_testing.sim.trace import Record
from taskq_testing.sim.world import SimWorld

_SCRIPTS: Final = frozenset({Call.TAKE, Call.SETTLE, Call.COMMIT, Call.RENEW})


def _evict(world: SimWorld, given: Mapping[str, Any]) -> None:
    forget_queue(world, given["queue"], "evicted")


def _failover(world: SimWorld, given: Mapping[str, Any]) -> None:
    forget_latest(world, float(given["lose_last"]), "lost in a failover")
    for name in list(world.stations):
        world.reset(name, "the master failed")
    refuse = Refuse("READONLY You can't write against a read only replica.", CHANGING)
    trouble(world, world.broker.troubles, refuse, given, "redis.failover")


def _readonly(world: SimWorld, given: Mapping[str, Any]) -> None:
    refuse = Refuse("READONLY You can't write against a read only replica.", CHANGING)
    trouble(world, world.broker.troubles, refuse, given, "redis.readonly")


def _oom_reject(world: SimWorld, given: Mapping[str, Any]) -> None:
    refuse = Refuse("OOM command not allowed when used memory > 'maxmemory'.", CHANGING)
    trouble(world, world.broker.troubles, refuse, given, "redis.oom_reject")


def _busy(world: SimWorld, given: Mapping[str, Any]) -> None:
    refuse = Refuse("BUSY Redis is busy running a script.", ALL - {Call.CONNECT})
    trouble(world, world.broker.troubles, refuse, given, "redis.busy")


def _max_clients(world: SimWorld, given: Mapping[str, Any]) -> None:
    refuse = Refuse("ERR max number of clients reached", frozenset({Call.CONNECT}))
    trouble(world, world.broker.troubles, refuse, given, "redis.max_clients")


def _script_flush(world: SimWorld, given: Mapping[str, Any]) -> None:
    world.broker.troubles.add(Detour(_SCRIPTS, int(given["times"])))


def _pop_then_crash(world: SimWorld, given: Mapping[str, Any]) -> None:
    name = given["node"]
    station(world, name)

    def die(record: Record) -> None:
        del record
        world.kill(name)

    world.when("broker.deliver", die, node=name)


def _visibility_expire(world: SimWorld, given: Mapping[str, Any]) -> None:
    broker = world.broker
    station(world, given["node"])
    for session in broker.sessions:
        if session.node.endswith(f"@{given['node']}"):
            session.lease_until_s = world.now_s
    for name, node in world.workers.items():
        if name != given["node"] and node.intake is not None and node.intake.session.open:
            broker.sweep(node.intake.session, station(world, name).hands.say)
            return


def _pubsub_gap(world: SimWorld, given: Mapping[str, Any]) -> None:
    station(world, given["node"])
    deaf = [name for inbox in world.ears(given["node"]) for name in inbox.queues]
    world.broker.deaf.update(dict.fromkeys(deaf))

    def hear() -> None:
        for name in deaf:
            world.broker.deaf.pop(name, None)

    heal_after(world, given["for"], "redis.pubsub_gap", hear)


FAULTS: Final = (
    Fault("redis.evict", "it evicts a queue for want of memory, with what waits in it", (QUEUE,),
          _evict),
    Fault(
        "redis.failover",
        "a replica takes over: the last writes are lost, and it refuses to write for a while",
        (Parameter("lose_last", "duration", 1.0), FOR),
        _failover,
    ),
    Fault("redis.oom_reject", "it refuses every write for want of memory", (FOR,), _oom_reject),
    Fault("redis.script_flush", "it forgets scripts: calls make a second round trip (NOSCRIPT)",
          (Parameter("times", "number", 1),), _script_flush),
    Fault("redis.readonly", "it is a replica for a while: no write is done", (FOR,), _readonly),
    Fault("redis.busy", "somebody's script holds it up: everything is refused", (FOR,), _busy),
    Fault("redis.max_clients", "it takes no new connection", (FOR,), _max_clients),
    Fault("redis.pop_then_crash", "a worker dies when it has popped a message and not read it",
          (NODE,), _pop_then_crash),
    Fault("redis.visibility_expire", "the lease of a worker that lives is over; others take it",
          (NODE,), _visibility_expire),
    Fault("redis.pubsub_gap", "what is published does not reach a node that listens: commands,"
          " replies, events", (PLACE, FOR), _pubsub_gap),
)  # fmt: skip
