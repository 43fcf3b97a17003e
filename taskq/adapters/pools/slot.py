"""A slot of the prefork pool, and what the pool watches for it.

What happens to a slot is decided in ``lives.py``.
"""

from __future__ import annotations

import selectors
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum, auto
from typing import TypeAlias, cast

from taskq.adapters.pools.handle import ChildHandle
from taskq.ports import JobRunner


class State(Enum):
    """Where a slot stands."""

    STARTING = auto()  # its process is there and has not said that it is ready
    READY = auto()
    PAUSING = auto()  # it has no process; one is started when the pause is over
    DYING = auto()  # its process was sent a signal


class Word(Enum):
    """What a descriptor that became ready means."""

    NEWS = auto()
    ROOM = auto()
    DEATH = auto()


Watch: TypeAlias = tuple["Slot", ChildHandle, Word]


@dataclass(slots=True)
class Slot:
    """One place for one job at a time."""

    number: int
    run: JobRunner  # what its processes run
    state: State = State.PAUSING
    child: ChildHandle | None = None
    deadline_s: float | None = None  # of the state
    failures: int = 0  # children in a row that died without having begun a job
    leaving: bool = False  # no process follows this one
    why: str = ""  # why it leaves, is full or was sent a signal
    trouble: str = ""  # what a child that could not begin said

    @property
    def busy(self) -> bool:
        """Whether it owes an ending."""
        return self.child is not None and bool(self.child.account.tokens)


class Watcher:
    """The descriptors of all children, behind one that stands for them."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self.closed = False

    @property
    def descriptors(self) -> Sequence[int]:
        """What to watch from outside: epoll and kqueue can be watched themselves."""
        return () if self.closed else (self._selector.fileno(),)

    def select(self, timeout_s: float) -> Sequence[Watch]:
        """Return what became ready."""
        return [cast("Watch", key.data) for key, _ in self._selector.select(timeout_s)]

    def add(self, fd: int, slot: Slot, child: ChildHandle, word: Word) -> None:
        """Watch, if it is not watched already."""
        if not self.has(fd):
            wanted = selectors.EVENT_WRITE if word is Word.ROOM else selectors.EVENT_READ
            self._selector.register(fd, wanted, (slot, child, word))

    def drop(self, fd: int) -> None:
        """Watch no longer; to be called before it is closed."""
        if self.has(fd):
            self._selector.unregister(fd)

    def has(self, fd: int) -> bool:
        """Whether it is watched."""
        return fd in self._selector.get_map()

    def close(self) -> None:
        """Let go; also in a child, for what it has inherited."""
        self.closed = True
        with suppress(OSError):  # a kqueue does not pass a fork, so there is nothing to close
            self._selector.close()
