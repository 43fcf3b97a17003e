"""``celery.utils.debug``: how much memory this process has, and what its threads do."""

from __future__ import annotations

import signal
import sys
import threading
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from io import StringIO
from types import FrameType
from typing import Any, Final, TextIO

__all__ = [
    "blockdetection",
    "cry",
    "humanbytes",
    "mem_rss",
    "memdump",
    "ps",
    "sample",
    "sample_mem",
]

UNITS: Final = ((2**40, "TB"), (2**30, "GB"), (2**20, "MB"), (2**10, "KB"), (0, "b"))
_samples: Final[list[str | None]] = []


@contextmanager
def blockdetection(timeout: float) -> Iterator[None]:
    """Raise in this thread, the main one, when a block has not been left after so many seconds."""

    def on_alarm(_number: int, _frame: FrameType | None) -> None:
        raise RuntimeError(f"blocked for more than {timeout} seconds: {cry()}")

    if not timeout:
        yield
        return
    before = signal.signal(signal.SIGALRM, on_alarm)
    signal.setitimer(signal.ITIMER_REAL, timeout)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before or signal.SIG_DFL)


def sample_mem() -> str | None:
    """Note the memory that this process has now, for ``memdump``; returns it."""
    _samples.append(mem_rss())
    return _samples[-1]


def memdump(samples: int = 10, file: TextIO | None = None) -> None:
    """Print some of what was noted, and forget it."""
    noted = list(_samples)
    _samples.clear()
    out = file or sys.stdout
    if not any(noted):
        print("- rss: (psutil is not installed, or nothing was noted)", file=out)
        return
    print("- rss (sample):", file=out)
    for each in sample(noted, samples):
        print(f"-    > {each},", file=out)


def sample(x: Sequence[Any], n: int, k: int = 0) -> Iterator[Any]:
    """Return ``n`` items at equal distances, from index ``k`` on."""
    step = max(len(x) // n, 1)
    for _ in range(n):
        if k >= len(x):
            return
        yield x[k]
        k += step


def humanbytes(s: float) -> str:
    """Return a size with its unit: ``117.74MB``."""
    size, unit = next(each for each in UNITS if s >= each[0])
    value = f"{s / size if size else s:.2f}".rstrip("0").rstrip(".")
    return f"{value}{unit}"


def mem_rss() -> str | None:
    """Return the memory that this process has, as text; None without psutil."""
    process = ps()
    return None if process is None else humanbytes(process.memory_info().rss)


@cache
def ps() -> Any:
    """Return psutil's picture of this process; None where it is not installed."""
    try:
        import psutil  # type: ignore[import-untyped]  # noqa: PLC0415 - optional
    except ImportError:
        return None
    return psutil.Process()


def cry(out: TextIO | None = None, sepchr: str = "=", seplen: int = 49) -> str | None:
    """Write where each thread is; without a file, return it."""
    to = StringIO() if out is None else out
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    for ident, frame in sys._current_frames().items():  # noqa: SLF001 - there is no other way
        print(f"{names.get(ident, ident)}\n{sepchr * seplen}", file=to)
        traceback.print_stack(frame, file=to)
        print(f"{sepchr * seplen}\nLOCAL VARIABLES\n{sepchr * seplen}", file=to)
        for name, value in frame.f_locals.items():
            print(f"{name} = {_worded(value)}", file=to)
        print("\n", file=to)
    return to.getvalue() if isinstance(to, StringIO) and out is None else None


def _worded(value: object) -> str:
    try:
        return repr(value)
    except Exception as error:  # noqa: BLE001 - a boundary: anybody's repr
        return f"<unrepresentable: {type(error).__name__}>"
