"""Results in a folder, a file for each: ``file:///var/lib/results``.

Names and contents are those that Celery writes.  A file appears with its whole content or not at
all: it is written under another name, and then renamed.  Nothing expires by itself: the task
``celery.backend_cleanup`` deletes files that were written too long ago.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final
from urllib.parse import quote, unquote, urlsplit

from taskq.errors import ImproperlyConfigured

SCHEME: Final = "file"
# Characters of a key that may stand in a file's name; ids of our own need no others.
PLAIN: Final = " !#$&'()+,;:=@[]^_`{}~"
UNFINISHED: Final = ".taskq-"
# How old a file must be that some writer left behind, unfinished, when it was killed.
ABANDONED_S: Final = 3600.0
# The rest of a chain that is still awaited is written anew long before.
REST_S: Final = 70 * 24 * 3600.0


class FolderError(ImproperlyConfigured):
    """The URL of a folder names none that can be used."""

    def __init__(self, url: str, problem: str) -> None:
        super().__init__(url, problem)
        self.url, self.problem = url, problem

    def __str__(self) -> str:
        return f"result_backend {self.url!r}: {self.problem}"


def folder_of(url: str) -> Path:
    """Return the folder that a URL names; raises where that cannot be used."""
    parts = urlsplit(url)
    if parts.scheme != SCHEME or parts.netloc not in {"", "localhost"}:
        raise FolderError(url, "write file:///path/of/a/folder, with three slashes")
    if not parts.path.strip("/"):
        raise FolderError(url, "it names no folder; write file:///path/of/a/folder")
    folder = Path(unquote(parts.path))
    if not folder.is_dir():
        raise FolderError(url, "there is no such folder; make it, results are written by workers")
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        raise FolderError(url, "this user may not write there")
    return folder


class FileValues:
    """Implements ``KeyValues`` in a folder."""

    def __init__(self, url: str) -> None:
        self._url, self.folder = url, folder_of(url)
        self._counter = itertools.count()

    @property
    def name(self) -> str:
        """The URL; it has no password."""
        return self._url

    @property
    def lost(self) -> tuple[type[BaseException], ...]:
        """A folder on a server that is out of reach."""
        return (OSError,)

    def get_many(self, keys: Sequence[str]) -> Sequence[bytes | None]:
        """Read."""
        return [self._read(self._path(key)) for key in keys]

    @staticmethod
    def _read(path: Path) -> bytes | None:
        try:
            return path.read_bytes()
        except FileNotFoundError:
            return None

    def put(self, key: str, value: bytes, life_s: float | None) -> None:  # noqa: ARG002 - see above
        """Write under another name, then rename."""
        number = f"{os.getpid()}-{threading.get_ident()}-{next(self._counter)}"
        unfinished = self.folder / f"{UNFINISHED}{number}"
        try:
            unfinished.write_bytes(value)
            unfinished.replace(self._path(key))
        except OSError:
            unfinished.unlink(missing_ok=True)
            raise

    def delete(self, keys: Sequence[str]) -> None:
        """Delete."""
        for key in keys:
            self._path(key).unlink(missing_ok=True)

    def sweep(self, older_than_s: float) -> None:
        """Delete what was written longer ago, and what was never finished."""
        now_s = time.time()
        for entry in os.scandir(self.folder):
            if entry.name.startswith(UNFINISHED):
                age_s = ABANDONED_S
            elif "taskq-rest-" in entry.name:
                age_s = REST_S
            elif "celery-task" in entry.name:
                age_s = older_than_s
            else:
                continue  # not ours
            # Gone meanwhile: somebody else sweeps too.
            with contextlib.suppress(FileNotFoundError):
                if now_s - entry.stat().st_mtime > age_s:
                    Path(entry.path).unlink(missing_ok=True)

    def close(self) -> None:
        """There is nothing to let go of."""

    def _path(self, key: str) -> Path:
        return self.folder / quote(key, safe=PLAIN)
