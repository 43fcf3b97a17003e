"""Faults that only an AMQP broker has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from taskq_testing.faults.broker import QUEUE
from taskq_testing.faults.lasting import heal_after, station, trouble, until_s, wake_all
from taskq_testing.faults.table import FOR, NODE, PLACE, Fault, Parameter
from taskq_testing.sim.link import Call, Hold, Lose, Refuse
from taskq_testing.sim.world import SimWorld

_PUBLISH: Final = frozenset({Call.PUBLISH})
# RabbitMQ looks for consumers that take too long once a minute.
CHECK_S: Final = 60.0


def _channel_close(world: SimWorld, given: Mapping[str, Any]) -> None:
    station(world, given["node"])
    world.reset(given["node"], "406 PRECONDITION_FAILED")


def _connection_blocked(world: SimWorld, given: Mapping[str, Any]) -> None:
    hold = Hold(until_s(world, given), _PUBLISH)
    trouble(world, world.broker.troubles, hold, given, "amqp.connection_blocked")


def _confirm_lost(world: SimWorld, given: Mapping[str, Any]) -> None:
    name = given["node"]
    lose = Lose(_PUBLISH, nth=int(given["nth"]), reply=True, lost=lambda: world.reset(name))
    station(world, name).hands.link.own.add(lose)


def _confirm_nack(world: SimWorld, given: Mapping[str, Any]) -> None:
    _refuse_some(world, given, "the broker refused the message (basic.nack)")


def _returned(world: SimWorld, given: Mapping[str, Any]) -> None:
    _refuse_some(world, given, "the broker returned the message: 312 NO_ROUTE")


def _refuse_some(world: SimWorld, given: Mapping[str, Any], reason: str) -> None:
    refuse = Refuse(reason, _PUBLISH, int(given["times"]))
    station(world, given["node"]).hands.link.own.add(refuse)


def _consumer_cancel(world: SimWorld, given: Mapping[str, Any]) -> None:
    _withhold(world, [given["queue"]], given, "amqp.consumer_cancel")


def _withhold(world: SimWorld, queues: list[str], given: Mapping[str, Any], fault: str) -> None:
    withheld = world.broker.withheld
    withheld.update(dict.fromkeys(queues))

    def deliver() -> None:
        for name in queues:
            withheld.pop(name, None)
        wake_all(world)

    heal_after(world, given["for"], fault, deliver)


def _consumer_timeout(world: SimWorld, given: Mapping[str, Any]) -> None:
    limit_s, end_s = float(given["after"]), until_s(world, given)

    def check() -> None:
        for name, node in list(world.workers.items()):
            out = () if node.intake is None else node.intake.session.out.values()
            if any(world.now_s - one.since_s > limit_s for one in out):
                world.reset(name, "406 PRECONDITION_FAILED: delivery acknowledgement timed out")
        if world.now_s + CHECK_S <= end_s:
            world.at(world.now_s + CHECK_S, check)

    world.at(world.now_s + CHECK_S, check)


def _delivery_limit(world: SimWorld, given: Mapping[str, Any]) -> None:
    world.broker.delivery_limit = int(given["limit"])


def _heartbeat_miss(world: SimWorld, given: Mapping[str, Any]) -> None:
    world.forget_connection(given["node"])


def _quorum_minority(world: SimWorld, given: Mapping[str, Any]) -> None:
    hold = Hold(until_s(world, given), _PUBLISH | {Call.SETTLE})
    world.broker.troubles.add(hold)
    heal_after(world, given["for"], "amqp.quorum_minority",
               lambda: world.broker.troubles.end(hold))  # fmt: skip
    _withhold(world, list(world.broker.topology.queues), given, "amqp.quorum_minority")


_TIMES: Final = Parameter("times", "number", 1)

FAULTS: Final = (
    Fault("amqp.channel_close", "the broker closes a channel: what is unsettled goes back",
          (NODE,), _channel_close),
    Fault("amqp.connection_blocked", "an alarm of the broker holds all senders up", (FOR,),
          _connection_blocked),
    Fault("amqp.confirm_lost", "a message is stored, but its confirm is lost: it is sent again",
          (PLACE, Parameter("nth", "number", 1)), _confirm_lost),
    Fault("amqp.confirm_nack", "the broker refuses messages (basic.nack)", (PLACE, _TIMES),
          _confirm_nack),
    Fault("amqp.returned", "the broker returns messages that no queue is bound for",
          (PLACE, _TIMES), _returned),
    Fault("amqp.consumer_cancel", "the broker cancels the consumers of a queue for a while",
          (QUEUE, FOR), _consumer_cancel),
    Fault(
        "amqp.consumer_timeout",
        "the broker closes channels on which a message is unsettled for too long",
        (Parameter("after", "duration", 1800.0), Parameter("for", "duration", 7200.0)),
        _consumer_timeout,
    ),
    Fault("amqp.delivery_limit", "a queue drops what came back from lost consumers too often",
          (Parameter("limit", "number", 20),), _delivery_limit),
    Fault("amqp.heartbeat_miss", "the broker takes a worker for dead, which learns of it late",
          (NODE,), _heartbeat_miss),
    Fault("amqp.quorum_minority", "queues have no majority: nothing is confirmed or delivered",
          (FOR,), _quorum_minority),
)  # fmt: skip
