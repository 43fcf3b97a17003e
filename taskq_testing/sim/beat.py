"""A simulated beat: the service and the scheduler of production, on the clock of its machine.

Where ``taskq.runtime.beat`` waits for time or a signal, this one waits in the scheduler of the
world; where that one has a file, this one has what its machine keeps on disk.  Each write and each
message is a switch point: there it may die.
"""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

from taskq.app.beat import KeepsBytes, PersistentScheduler, Service
from taskq.errors import ImproperlyConfigured
from taskq_testing.sim.hands import Hands
from taskq_testing.sim.scheduler import Process, Scheduler


class Disk:
    """The schedule files of one machine."""

    def __init__(self, hands: Hands) -> None:
        self._hands = hands
        self.contents: dict[str, bytes] = {}
        self.holders: MutableMapping[str, object] = {}
        self.full = False  # nothing more can be written

    def open(self, path: str, owner: object) -> KeepsBytes:
        """Open a file for one process."""
        return _File(self, path, self._hands, owner)

    def let_go(self, owner: object) -> None:
        """Its process is dead, and holds nothing any more."""
        for path in [path for path, holder in self.holders.items() if holder is owner]:
            del self.holders[path]


class _File:
    """One open file."""

    def __init__(self, disk: Disk, path: str, hands: Hands, owner: object) -> None:
        self._disk, self._path, self._hands, self._owner = disk, path, hands, owner

    def acquire(self) -> None:
        """Keep others out."""
        if self._path in self._disk.holders:
            raise ImproperlyConfigured(f"{self._path}: another beat has this schedule file")
        self._disk.holders[self._path] = self._owner

    def read(self) -> bytes | None:
        """Return what it holds."""
        return self._disk.contents.get(self._path)

    def write(self, content: bytes) -> None:
        """Replace it."""
        self._hands.pause()
        if self._disk.full:
            raise OSError(28, "No space left on device")
        self._disk.contents[self._path] = content
        self._hands.say("beat.save")
        self._hands.pause()

    def set_aside(self) -> str:
        """Give it another name."""
        kept = f"{self._path}.old-1"
        self._disk.contents[kept] = self._disk.contents.pop(self._path)
        return kept

    def close(self) -> None:
        """Let others use it."""
        self._disk.holders.pop(self._path, None)


class BeatNode(Service):
    """One simulated beat."""

    def __init__(
        self, app: Any, *, hands: Hands, disk: Disk, scheduler: Scheduler, **options: Any
    ) -> None:
        super().__init__(app, **options)
        self._hands, self._disk, self._world = hands, disk, scheduler
        self.process: Process | None = None

    def run(self) -> None:
        """Work until it is stopped."""
        self.process = self._world.current
        self.start()
        self._hands.say("beat.exit")

    def stop(self, wait: bool = False) -> None:
        """Ask it to end."""
        del wait  # the world goes on when the test lets it
        super().stop()
        if self.process is not None:
            self._world.wake(self.process)

    def vanish(self) -> None:
        """Die: nothing of it goes on."""
        self._disk.let_go(self)
        if self.process is not None:
            self._world.drop(self.process)

    def _rest(self, seconds: float) -> None:
        # What is due in an hour does not keep a world awake: it would never become quiet.
        until_s = self._world.time.now_s + seconds
        self._world.wait("the next entry", until_s, idle=True, alarm=False)

    def _scheduler_class(self, namespace: str) -> Any:
        found = super()._scheduler_class(namespace)
        if isinstance(found, type) and issubclass(found, PersistentScheduler):
            opened = {"persistence": lambda path: self._disk.open(path, self)}
            return type(found.__name__, (found,), opened)
        return found
