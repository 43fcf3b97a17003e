"""How the pools that are modelled differ, as a table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from types import MappingProxyType
from typing import Final


class Ends(Enum):
    """What ``terminate`` does to a body that runs."""

    DROPPED = auto()  # its process is killed: nothing of it runs any more
    RAISED = auto()  # it is raised in where it waits; whatever it does then, nobody hears of it
    NOT = auto()  # it is not ended; nothing follows


@dataclass(frozen=True, slots=True)
class PoolKind:
    """One kind of pool."""

    name: str
    keeps: tuple[bool, bool]  # hard limits, soft limits
    ends: Ends
    processes: bool = False  # each slot is a process that can die alone
    blocks: bool = False  # the worker does nothing else while a body runs
    single: bool = False  # it has one slot


PREFORK: Final = PoolKind("prefork", (True, True), Ends.DROPPED, processes=True)
KINDS: Final[Mapping[str, PoolKind]] = MappingProxyType(
    {
        "prefork": PREFORK,
        "processes": PREFORK,
        "threads": PoolKind("threads", (True, True), Ends.RAISED),
        "asyncio": PoolKind("asyncio", (True, True), Ends.RAISED),
        "gevent": PoolKind("gevent", (True, True), Ends.RAISED),
        "eventlet": PoolKind("eventlet", (True, True), Ends.RAISED),
        "solo": PoolKind("solo", (False, True), Ends.NOT, blocks=True, single=True),
    }
)
