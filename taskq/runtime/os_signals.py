"""What a signal of the operating system means to a worker, as a table.

``runtime.worker`` installs the table for as long as it works.  A handler runs between any two
instructions of the main thread, so each does no more than note what was asked and wake the loop.
"""

from __future__ import annotations

import signal
import sys
import threading
import traceback
from collections.abc import Callable, Mapping
from typing import Final, Protocol

from taskq.core.inputs import Input, PoolSized, Stop
from taskq.errors import ImproperlyConfigured

# The name of the variable that gives TERM another meaning, for platforms that send nothing else.
REMAP_SIGTERM: Final = "REMAP_SIGTERM"
# Set: USR2 opens a debugger that listens on this machine alone.
DEBUG_SIGNAL: Final = "CELERY_RDBSIG"

# What the second INT leaves with: who pressed twice did not let the worker finish.
INTERRUPTED: Final = 1


class Told(Protocol):
    """A worker, as far as a signal can steer it."""

    def stop(self, how: Stop = Stop.WARM, *, exit_code: int = 0, signal_name: str = "") -> None:
        """Ask it to end."""

    def ask(self, asked: Input) -> None:
        """Ask it for anything else."""

    def restart(self) -> None:
        """Ask it to end, and to begin anew in the same process."""


class Stops:
    """The steps from a friendly stop to an abrupt one: each signal goes one further."""

    def __init__(self, worker: Told, *, soft: bool) -> None:
        self._worker = worker
        forced = (Stop.SOFT, Stop.COLD) if soft else (Stop.COLD,)
        self._steps: Final = (Stop.WARM, *forced, Stop.IMMEDIATE)
        self._taken = -1

    def friendly(self, name: str, exit_code: int = 0) -> None:
        """Warm at first."""
        self._go(0, name, exit_code)

    def forced(self, name: str) -> None:
        """Never warm: soft where the settings give it time, else cold."""
        self._go(1, name, 0)

    def _go(self, least: int, name: str, exit_code: int) -> None:
        self._taken = min(max(self._taken + 1, least), len(self._steps) - 1)
        code = exit_code if self._taken else 0
        self._worker.stop(self._steps[self._taken], exit_code=code, signal_name=name)


def callbacks(
    worker: Told, *, soft: bool, environment: Mapping[str, str], debug: Callable[[], None]
) -> dict[int, Callable[[], None]]:
    """Return what each signal does."""
    stops = Stops(worker, soft=soft)
    warm_once = _Once(lambda: stops.friendly("SIGTERM"))
    table: dict[int, Callable[[], None]] = {
        signal.SIGTERM: (lambda: stops.forced("SIGTERM"))
        if remapped(environment) is signal.SIGQUIT
        else warm_once,
        signal.SIGINT: lambda: stops.friendly("SIGINT", INTERRUPTED),
        signal.SIGQUIT: lambda: stops.forced("SIGQUIT"),
        signal.SIGHUP: worker.restart,
        signal.SIGUSR1: print_stacks,
        signal.SIGTTIN: lambda: worker.ask(PoolSized(1)),
        signal.SIGTTOU: lambda: worker.ask(PoolSized(-1)),
    }
    if environment.get(DEBUG_SIGNAL):
        table[signal.SIGUSR2] = debug
    return table


def remapped(environment: Mapping[str, str]) -> signal.Signals:
    """Return the signal whose meaning TERM has."""
    name = environment.get(REMAP_SIGTERM) or "SIGTERM"
    if name not in ("SIGTERM", "SIGQUIT"):
        raise ImproperlyConfigured(
            f"{REMAP_SIGTERM}={name!r}: TERM can mean SIGQUIT (end now) or SIGTERM (end warm)"
        )
    return signal.Signals[name]


class _Once:
    """TERM may come twice (to the process, then to its group) and means the same as once."""

    def __init__(self, deed: Callable[[], None]) -> None:
        self._deed, self._done = deed, False

    def __call__(self) -> None:
        if not self._done:
            self._done = True
            self._deed()


def print_stacks() -> None:
    """Write where every thread is, for somebody who wonders what the worker does."""
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    lines: list[str] = []
    for ident, frame in sys._current_frames().items():  # noqa: SLF001 - the one way there is
        lines.append(f"{names.get(ident, '?')} ({ident}):")
        lines.extend(line.rstrip("\n") for line in traceback.format_stack(frame))
    # Not through logging: the thread that was interrupted may hold its lock.
    print("\n".join(lines), file=sys.__stderr__, flush=True)
