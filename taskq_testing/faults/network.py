"""Faults of the way between a node and the broker."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from taskq.ports import Outgoing
from taskq_testing.faults.lasting import heal_after, station, trouble, until_s
from taskq_testing.faults.table import FOR, PLACE, TASK_NAME, Fault, Parameter
from taskq_testing.sim.link import ALL, Call, Lose, Refuse, Silent, Slow
from taskq_testing.sim.world import SimWorld


def _drop(world: SimWorld, given: Mapping[str, Any]) -> None:
    calls = _calls(given["call"])
    lose = Lose(calls, nth=int(given["nth"]), reply=False, lost=_resets(world, given["node"]))
    station(world, given["node"]).hands.link.own.add(lose)


def _drop_reply(world: SimWorld, given: Mapping[str, Any]) -> None:
    calls = _calls(given["call"])
    lose = Lose(calls, nth=int(given["nth"]), reply=True, lost=_resets(world, given["node"]))
    station(world, given["node"]).hands.link.own.add(lose)


def _calls(word: str) -> frozenset[Call]:
    if word == "any":
        return ALL
    if word not in tuple(Call):
        raise ValueError(f"no call is called {word!r}; there are any, {', '.join(Call)}")
    return frozenset({Call(word)})


def _resets(world: SimWorld, name: str) -> Callable[[], None]:
    return lambda: world.reset(name)


def _delay(world: SimWorld, given: Mapping[str, Any]) -> None:
    link = station(world, given["node"]).hands.link
    trouble(world, link.own, Slow(float(given["by"])), given, "network.delay")


def _clog(world: SimWorld, given: Mapping[str, Any]) -> None:
    link = station(world, given["node"]).hands.link
    slow = Slow(0.0, 1 / float(given["bytes_per_s"]))
    trouble(world, link.own, slow, given, "network.clog")


def _one_way(world: SimWorld, given: Mapping[str, Any]) -> None:
    lost = given["lost"]
    if lost not in ("requests", "replies"):
        raise ValueError(f"network.one_way loses 'requests' or 'replies', not {lost!r}")
    _silence(world, given, "network.one_way", requests=lost == "requests")


def _half_open(world: SimWorld, given: Mapping[str, Any]) -> None:
    _silence(world, given, "network.half_open", requests=True)


def _silence(world: SimWorld, given: Mapping[str, Any], fault: str, *, requests: bool) -> None:
    link = station(world, given["node"]).hands.link
    silent = Silent(
        until_s(world, given), float(given["notice"]), requests=requests, replies=not requests
    )
    trouble(world, link.own, silent, given, fault)


def _reset(world: SimWorld, given: Mapping[str, Any]) -> None:
    station(world, given["node"])
    world.reset(given["node"])


def _dns(world: SimWorld, given: Mapping[str, Any]) -> None:
    link = station(world, given["node"]).hands.link
    refuse = Refuse("name or service not known", frozenset({Call.CONNECT}))
    trouble(world, link.own, refuse, given, "network.dns")


def _partition(world: SimWorld, given: Mapping[str, Any]) -> None:
    names = str(given["nodes"]).split(",")
    for name in names:
        station(world, name.strip())
    for name in names:
        world.cut(name.strip(), given["for"], "no route to host")


def _duplicate(world: SimWorld, given: Mapping[str, Any]) -> None:
    editors = world.broker.editors

    def twice(outgoing: Outgoing) -> Sequence[Outgoing]:
        if not is_of(outgoing, given["task"]):
            return (outgoing,)
        editors.end(twice)
        return (outgoing, outgoing)

    editors.add(twice)


def is_of(outgoing: Outgoing, task: str) -> bool:
    """Whether it calls a task: the one of that name, or any."""
    name = outgoing.message.headers.get("task")
    return name is not None and task in ("", name)


def _reorder(world: SimWorld, given: Mapping[str, Any]) -> None:
    editors = world.broker.editors
    late: list[Outgoing] = []

    def swap(outgoing: Outgoing) -> Sequence[Outgoing]:
        if not is_of(outgoing, given["task"]):
            return (outgoing,)
        if not late:
            late.append(outgoing)
            return ()
        editors.end(swap)
        return (outgoing, late.pop())

    def arrive() -> None:
        """Nothing came to overtake it."""
        editors.end(swap)
        for one in late:
            world.broker.put(one, station(world, "client").hands.say)

    editors.add(swap)
    heal_after(world, given["for"], "network.reorder", arrive)


_CALL: Final = Parameter("call", "word", "any")
_NTH: Final = Parameter("nth", "number", 1)
_NOTICE: Final = Parameter("notice", "duration", 20.0)

FAULTS: Final = (
    Fault("network.drop", "a request is lost, and its connection with it", (PLACE, _CALL, _NTH),
          _drop),
    Fault(
        "network.drop_reply",
        "a request takes effect, but its reply is lost with the connection",
        (PLACE, _CALL, _NTH),
        _drop_reply,
    ),
    Fault("network.delay", "every call takes longer",
          (PLACE, Parameter("by", "duration", 1.0), FOR), _delay),
    Fault("network.duplicate", "the next message of a task arrives twice", (TASK_NAME,),
          _duplicate),
    Fault("network.reorder", "the next two messages of a task arrive in the other order",
          (TASK_NAME, FOR), _reorder),
    Fault(
        "network.one_way",
        "requests, or replies, do not arrive; who waits notices after a while",
        (PLACE, Parameter("lost", "word", "replies"), _NOTICE, FOR),
        _one_way,
    ),
    Fault(
        "network.half_open",
        "the other end is gone and nobody said so; who waits notices after a while",
        (PLACE, _NOTICE, FOR),
        _half_open,
    ),
    Fault("network.reset", "all connections of a node break, and can be made anew", (PLACE,),
          _reset),
    Fault(
        "network.clog",
        "bodies of messages go through slowly",
        (PLACE, Parameter("bytes_per_s", "ratio", 100.0), FOR),
        _clog,
    ),
    Fault(
        "network.dns",
        "the broker's name is not found: connections stay, new ones cannot be made",
        (PLACE, FOR),
        _dns,
    ),
    Fault(
        "network.partition",
        "several nodes (names with commas) lose the broker at once",
        (Parameter("nodes", "word"), FOR),
        _partition,
    ),
)  # fmt: skip
