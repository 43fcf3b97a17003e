"""``celery.platforms.Pidfile``: says which process this is, and keeps out a second one."""

from __future__ import annotations

import atexit
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from taskq.errors import LockFailed
from taskq.runtime.process import PidFile, is_alive

__all__ = ["Pidfile", "create_pidlock"]


class Pidfile:
    """A file with the number of a process in it."""

    path: str

    def __init__(self, path: str) -> None:
        self.path = str(Path(path).absolute())
        self._file = PidFile(self.path)

    def acquire(self) -> Pidfile:
        """Write it; raises ``LockFailed`` where it is there, whoever's it is."""
        if self.is_locked():
            raise LockFailed(self.path, self._pid_or_none(), "it exists")
        self._file.acquire()
        return self

    __enter__ = acquire

    def is_locked(self) -> bool:
        """Whether it is there."""
        return Path(self.path).exists()

    def release(self, *args: Any) -> None:
        """Remove it."""
        del args
        self.remove()

    __exit__ = release

    def read_pid(self) -> int | None:
        """Return the number in it; None where it is not there."""
        try:
            text = Path(self.path).read_text(encoding="ascii")
        except FileNotFoundError:
            return None
        line = text.strip()
        if not text.endswith("\n") or not line.isdigit():
            raise ValueError(f"Partial or invalid pidfile {self.path}")
        return int(line)

    def _pid_or_none(self) -> int | None:
        try:
            return self.read_pid()
        except ValueError:
            return None

    def remove(self) -> None:
        """Remove it, whoever's it is."""
        with suppress(FileNotFoundError, PermissionError):
            Path(self.path).unlink()

    def remove_if_stale(self) -> bool:
        """Remove it if its process is gone, or is this one; returns whether that is so."""
        pid = self._pid_or_none()
        if pid is None or pid == os.getpid() or not is_alive(pid):
            self.remove()
            return True
        return False

    def write_pid(self) -> None:
        """Write this process's number into a file that is not there yet."""
        self._file.acquire()


def create_pidlock(pidfile: str, on_exit: bool = True) -> Pidfile:
    """Write a pid file, which goes when the process exits; raises ``SystemExit`` if it is held."""
    lock = Pidfile(pidfile)
    if lock.is_locked() and not lock.remove_if_stale():
        raise SystemExit(
            f"ERROR: Pidfile ({pidfile}) already exists: process {lock.read_pid()} is running"
        )
    lock.acquire()
    if on_exit:
        atexit.register(lock.release)
    return lock
