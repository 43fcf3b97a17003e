"""The file in which beat remembers its last runs.

Readable by its owner alone, replaced as a whole, and used by one beat at a time: a second one that
is given the same file would send everything twice.  What holds it is a lock on ``{path}.lock``,
which ends with the process, however that ends.
"""

from __future__ import annotations

import fcntl
import os
import stat
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Final

from taskq.errors import ImproperlyConfigured

# Far above what 100,000 entries need; a larger file is somebody else's.
MOST_BYTES: Final = 64 * 1024 * 1024


class ScheduleInUseError(ImproperlyConfigured):
    """Another process has the file."""

    def __init__(self, path: str, holder: str) -> None:
        super().__init__(path, holder)
        self.path, self.holder = path, holder

    def __str__(self) -> str:
        return (
            f"{self.path}: another beat (process {self.holder}) has this schedule file, and two"
            " would send everything twice; stop that one, or give this one a file of its own with"
            " --schedule"
        )


class ScheduleFile:
    """One file."""

    def __init__(self, path: str) -> None:
        self.path = Path(path).absolute()
        self._lock: int | None = None

    def acquire(self) -> None:
        """Keep others out; raises ``ScheduleInUseError`` where another process does so."""
        self._lock = self._take()

    def read(self) -> bytes | None:
        """Return what it holds; None where there is none."""
        try:
            handle = os.open(self.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._unusable(error.strerror or str(error)) from error
        try:
            self._check_owner(os.fstat(handle))
            with os.fdopen(handle, "rb", closefd=False) as file:
                content = file.read(MOST_BYTES + 1)
        finally:
            os.close(handle)
        if len(content) > MOST_BYTES:
            raise self._unusable("it is larger than any such file")
        return content

    def write(self, content: bytes) -> None:
        """Replace it as a whole."""
        handle, temporary = tempfile.mkstemp(prefix=".taskq-", dir=self.path.parent)
        try:
            with os.fdopen(handle, "wb") as file:  # mkstemp: mode 0600
                file.write(content)
                file.flush()
                os.fsync(file.fileno())  # what is sent after this is not sent again
            Path(temporary).replace(self.path)
        except BaseException:
            with suppress(FileNotFoundError):
                Path(temporary).unlink()
            raise

    def set_aside(self) -> str:
        """Give it another name; returns that."""
        number = 1
        while (kept := self.path.with_name(f"{self.path.name}.old-{number}")).exists():
            number += 1
        self.path.rename(kept)
        return str(kept)

    def close(self) -> None:
        """Let others use it."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _take(self) -> int:
        path = self.path.with_name(f"{self.path.name}.lock")
        try:
            lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise self._unusable(error.strerror or str(error)) from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(lock, 32).decode(errors="replace").strip()
            os.close(lock)
            raise ScheduleInUseError(str(self.path), holder or "unknown") from None
        os.ftruncate(lock, 0)
        os.write(lock, f"{os.getpid()}\n".encode())
        return lock

    def _check_owner(self, status: os.stat_result) -> None:
        if not stat.S_ISREG(status.st_mode):
            raise self._unusable("it is no plain file")
        if status.st_uid not in (os.geteuid(), 0):
            raise self._unusable(f"it belongs to uid {status.st_uid}, not to beat's user")

    def _unusable(self, why: str) -> ImproperlyConfigured:
        return ImproperlyConfigured(
            f"the schedule file {self.path} cannot be used: {why}; "
            "name another one with --schedule, or remove it"
        )
