"""A scheduler that remembers its last runs in a file, as JSON.

The file says of each entry when it ran last, and how often; what it is, the settings say.  It is
written **before** entries are sent (with the mark ``sending``) and when beat then has nothing to
do, so a beat that is killed at any moment sends no run twice: of those that bear the mark nobody
knows whether they went out, and they are said in the log and not sent again.

Where the bytes are kept is left open: ``runtime.beat`` has files, a simulated world its own.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, ClassVar, Final, Protocol

from taskq.app.beat.scheduler import Scheduler
from taskq.app.log import say
from taskq.core.effects import Level, Say

__all__ = ["KeepsBytes", "PersistentScheduler"]

FORMAT: Final = "taskq schedule"
VERSION: Final = 1
# What reading raises where the content is somebody else's, or damaged.
NO_SCHEDULE: Final = (ValueError, TypeError, KeyError, AttributeError)


class KeepsBytes(Protocol):
    """One file."""

    def acquire(self) -> None:
        """Keep others out until ``close``; raises ``ImproperlyConfigured`` where they are in."""

    def read(self) -> bytes | None:
        """Return what it holds; None where there is none.  Raises ``OSError``."""

    def write(self, content: bytes) -> None:
        """Replace it as a whole: a crash leaves the old one or the new one."""

    def set_aside(self) -> str:
        """Give it another name; returns that."""

    def close(self) -> None:
        """Let others use it."""


class PersistentScheduler(Scheduler):
    """Remembers last runs over restarts."""

    persistence: ClassVar[Any] = None  # opens a path, as something that ``KeepsBytes``
    # What the files of Celery's own scheduler end with.
    known_suffixes: ClassVar[tuple[str, ...]] = ("", ".db", ".dat", ".bak", ".dir")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.schedule_filename: str | None = kwargs.get("schedule_filename")
        self._file: KeepsBytes | None = None
        self._sending: dict[str, Any] = {}  # name -> the entry as it was
        self._changed = False
        self._rows: Any = None  # as they were written last
        super().__init__(*args, **kwargs)

    def setup_schedule(self) -> None:
        """Take up what the settings say, and the last runs of the file."""
        file: KeepsBytes = type(self).persistence(self._path)
        file.acquire()
        self._file = file
        super().setup_schedule()
        self._take_up(self._read(file))
        self.sync()

    def preview(self) -> None:
        """Have the entries as a beat would that started now; the file is only read."""
        super().setup_schedule()
        content = type(self).persistence(self._path).read()
        with suppress(*NO_SCHEDULE):  # it would be set aside
            self._take_up({} if content is None else rows_of(content))

    def get_schedule(self) -> Any:
        """Return the entries by their names."""
        return self.data

    def set_schedule(self, schedule: Any) -> None:
        """Have other entries."""
        self.data = schedule

    def tick(self) -> float:
        """Send what is due; write what has changed when there is nothing more to do."""
        seconds = super().tick()
        if seconds and self._changed:
            self.sync()
        return seconds

    def sync(self) -> None:
        """Write the file, unless it says so already."""
        self._changed = False
        rows = rows_from(self.schedule, self._sending)
        if self._file is None or rows == self._rows:
            return
        try:
            self._file.write(written(rows, self.app.now()))
            self._rows = rows
        except OSError as error:
            self._changed = True
            facts = {"path": self._path, "error": error.strerror or str(error)}
            say(self.logger, Say(Level.ERROR, "schedule not saved", facts))

    def close(self) -> None:
        """Write the file a last time, and let others use it."""
        self.sync()
        if self._file is not None:
            self._file.close()
            self._file = None

    @property
    def info(self) -> str:
        """What it says of itself when beat starts."""
        return f"    . db -> {self._path}"

    @property
    def _path(self) -> str:
        return self.schedule_filename or self.app.conf.beat_schedule_filename

    def _before_sending(self, entries: Mapping[str, Any]) -> None:
        self._sending = dict(entries)
        self.sync()

    def _after_sending(self, name: str) -> None:
        self._sending.pop(name, None)
        self._changed = True

    def _read(self, file: KeepsBytes) -> Mapping[str, Mapping[str, Any]]:
        content = file.read()
        if content is None:
            return {}
        try:
            return rows_of(content)
        except NO_SCHEDULE as error:
            facts = {
                "path": self._path,
                "reason": str(error) or type(error).__name__,
                "kept": file.set_aside(),
            }
            say(self.logger, Say(Level.WARNING, "schedule set aside", facts))
            return {}

    def _take_up(self, rows: Mapping[str, Mapping[str, Any]]) -> None:
        in_doubt = []
        for name, entry in self.schedule.items():
            row = rows.get(name)
            if row is None:
                continue
            at = row["last_run_at"]
            if row["sending"] is not None:
                in_doubt.append(f"{name} (of {row['sending'].isoformat()})")
                at = row["sending"]
            entry.last_run_at = at.astimezone(self.app.timezone)
            entry.total_run_count = row["total_run_count"]
        if in_doubt:
            facts = {"names": ", ".join(in_doubt)}
            say(self.logger, Say(Level.WARNING, "runs in doubt", facts))


def rows_from(entries: Mapping[str, Any], sending: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return what a file says of entries, some of which are being sent, as they were before."""
    rows = {}
    for name, entry in entries.items():
        before = sending.get(name, entry)
        rows[name] = {
            "last_run_at": _text(before.last_run_at),
            "total_run_count": before.total_run_count,
            "sending": _text(entry.last_run_at) if name in sending else None,
        }
    return rows


def written(rows: Mapping[str, Any], now: datetime) -> bytes:
    """Return the content of a file."""
    content = {
        "format": FORMAT,
        "version": VERSION,
        "written_at": _text(now),
        "entries": rows,
    }
    return json.dumps(content, indent=1).encode() + b"\n"


def rows_of(content: bytes) -> dict[str, dict[str, Any]]:
    """Read the content of a file; raises ``ValueError`` and the like where it is none."""
    try:
        data = json.loads(content)
    except ValueError:
        raise ValueError("it is not JSON, perhaps Celery's") from None
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise ValueError("it says nothing of taskq")
    if data["version"] != VERSION:
        raise ValueError(f"its version is {data['version']!r}, and {VERSION} can be read")
    return {str(name): _row(row) for name, row in data["entries"].items()}


def _row(row: Mapping[str, Any]) -> dict[str, Any]:
    sending = row["sending"]
    return {
        "last_run_at": _moment(row["last_run_at"]),
        "total_run_count": int(row["total_run_count"]),
        "sending": None if sending is None else _moment(sending),
    }


def _moment(text: str) -> datetime:
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _text(moment: datetime) -> str:
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return aware.astimezone(UTC).isoformat()
