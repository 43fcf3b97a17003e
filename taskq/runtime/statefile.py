"""The file that keeps what a worker must not forget between two lives: revocations, the clock.

JSON, readable by its owner alone.  Read once at the start, written when something has changed,
and at the end; each time as a whole, so a crash leaves the old one or the new one.
"""

from __future__ import annotations

import json
import os
import stat
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from taskq.errors import ImproperlyConfigured
from taskq.ports import Revocation

VERSION: Final = 1
# Far above the 50,000 revocations that are kept by default; a larger file is somebody else's.
MOST_BYTES: Final = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Kept:
    """What the file says."""

    revocations: tuple[Revocation, ...] = ()
    clock: int = 0


class StateFile:
    """One worker's file."""

    def __init__(self, path: str) -> None:
        self.path = Path(path).absolute()

    def load(self) -> Kept:
        """Read it; nothing is kept where there is none yet."""
        try:
            handle = os.open(self.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except FileNotFoundError:
            return Kept()
        except OSError as error:
            raise self._unusable(error.strerror or str(error)) from error
        try:
            self._check_owner(os.fstat(handle))
            with os.fdopen(handle, "rb", closefd=False) as file:
                raw = file.read(MOST_BYTES + 1)
        finally:
            os.close(handle)
        if len(raw) > MOST_BYTES:
            raise self._unusable("it is larger than any such file")
        try:
            return _read(json.loads(raw))
        except (ValueError, TypeError, KeyError) as error:
            raise self._unusable(f"it is no state file of a worker ({error!r})") from error

    def save(self, kept: Kept) -> None:
        """Write it anew."""
        try:
            handle, temporary = tempfile.mkstemp(prefix=".taskq-", dir=self.path.parent)
            try:
                with os.fdopen(handle, "w", encoding="utf-8") as file:  # mkstemp: mode 0600
                    json.dump(_written(kept), file)
                Path(temporary).replace(self.path)
            except BaseException:
                with suppress(FileNotFoundError):
                    Path(temporary).unlink()
                raise
        except OSError as error:
            raise self._unusable(error.strerror or str(error)) from error

    def _check_owner(self, status: os.stat_result) -> None:
        if not stat.S_ISREG(status.st_mode):
            raise self._unusable("it is no plain file")
        if status.st_uid not in (os.geteuid(), 0):
            raise self._unusable(f"it belongs to uid {status.st_uid}, not to this worker's user")

    def _unusable(self, why: str) -> ImproperlyConfigured:
        return ImproperlyConfigured(
            f"the state file {self.path} cannot be used: {why}; "
            "name another one with --statedb, or remove it"
        )


def _written(kept: Kept) -> dict[str, Any]:
    revoked = [
        {"until": one.until_s, "id": one.task_id, "headers": dict(one.headers)}
        for one in kept.revocations
    ]
    return {"version": VERSION, "clock": kept.clock, "revoked": revoked}


def _read(data: Any) -> Kept:
    if data["version"] != VERSION:
        raise ValueError(f"version {data['version']!r}")
    return Kept(_revocations(data["revoked"]), int(data["clock"]))


def _revocations(rows: Sequence[Any]) -> tuple[Revocation, ...]:
    return tuple(
        Revocation(float(row["until"]), str(row["id"]), dict(row["headers"])) for row in rows
    )
