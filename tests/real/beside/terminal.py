"""A terminal that a test reads and types into."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

SIZE: Final = (24, 100)
READ_BYTES: Final = 65536
# What moves the cursor or colours, and is no text.
CONTROL: Final = re.compile(r"\x1b(\[[0-9;?]*[A-Za-z@`]|\([A-Z0-9]|[=>78M])")


class Terminal:
    """A program in a terminal of its own; what it writes is kept, without what moves the cursor."""

    def __init__(self, line: Sequence[str], *, cwd: Path, env: Mapping[str, str]) -> None:
        self._own, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", *SIZE, 0, 0))
        self.process = subprocess.Popen(
            line,
            cwd=cwd,
            env={**os.environ, **env, "TERM": "xterm-256color"},
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)
        self._raw = b""

    @property
    def text(self) -> str:
        return CONTROL.sub(" ", self._raw.decode(errors="replace"))

    def wait_for(self, words: str, timeout_s: float = 60.0) -> None:
        """Read until these words were written since the last key."""
        deadline = time.monotonic() + timeout_s
        while words not in self.text:
            assert time.monotonic() < deadline, f"{words!r} was not shown: {self.text[-2000:]}"
            self._read()

    def _read(self) -> None:
        if select.select([self._own], [], [], 0.2)[0]:
            try:
                self._raw += os.read(self._own, READ_BYTES)
            except OSError:
                raise AssertionError(f"it has ended: {self.text[-2000:]}") from None

    def press(self, keys: str) -> None:
        self._raw = b""
        os.write(self._own, keys.encode())

    def wait_for_end(self, timeout_s: float = 30.0) -> int:
        """Return the exit code; what is still written is read meanwhile."""
        deadline = time.monotonic() + timeout_s
        while self.process.poll() is None:
            assert time.monotonic() < deadline, f"it has not ended: {self.text[-2000:]}"
            try:
                self._read()
            except AssertionError:
                self.process.wait(timeout_s)
        return self.process.returncode

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(10)
        os.close(self._own)
