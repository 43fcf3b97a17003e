"""``celery.platforms.signals``: signals of the operating system, by their short names."""

from __future__ import annotations

import ctypes
import ctypes.util
import signal
import sys
from collections.abc import Callable
from typing import Any, Final

__all__ = ["SIGMAP", "Signals", "set_pdeathsig", "signal_name", "signals"]

SIGMAP: Final[dict[int, str]] = {each: each.name for each in signal.Signals}
# Of Linux's <sys/prctl.h>.
PR_SET_PDEATHSIG: Final = 1


class Signals:
    """``signals["INT"] = handler``; a name may be short (``INT``), long or a number.

    What the system does not have is passed over.
    """

    ignored: Any = signal.SIG_IGN
    default: Any = signal.SIG_DFL

    def arm_alarm(self, seconds: float) -> None:
        """Send SIGALRM after so many seconds."""
        signal.setitimer(signal.ITIMER_REAL, seconds)

    def reset_alarm(self) -> int:
        """Send no SIGALRM any more."""
        return signal.alarm(0)

    def supported(self, name: str | int) -> bool:
        """Whether the system has a signal."""
        try:
            self.signum(name)
        except AttributeError:
            return False
        return True

    def signum(self, name: str | int) -> int:
        """Return the number of a signal; raises ``AttributeError``."""
        if isinstance(name, int):
            return name
        if not name.isupper():
            raise TypeError(f"signal names are upper case, not {name!r}")
        found: int = getattr(signal, name if name.startswith("SIG") else f"SIG{name}")
        return found

    def reset(self, *signal_names: str) -> None:
        """Let the system do what it does by itself."""
        self.update((name, self.default) for name in signal_names)

    def ignore(self, *names: str) -> None:
        """Do nothing when one of these comes."""
        self.update((name, self.ignored) for name in names)

    def update(self, _d_: Any = None, **sigmap: Callable[..., object]) -> None:
        """Set several handlers."""
        for name, handler in {**dict(_d_ or {}), **sigmap}.items():
            self[name] = handler

    def __getitem__(self, name: str | int) -> Any:
        return signal.getsignal(self.signum(name))

    def __setitem__(self, name: str | int, handler: Any) -> None:
        if self.supported(name):
            try:
                signal.signal(self.signum(name), handler)
            except ValueError:
                return  # not in the main thread: signals are somebody else's


signals: Final = Signals()


def signal_name(signum: int) -> str:
    """Return the short name of a signal."""
    return SIGMAP[signum].removeprefix("SIG")


def set_pdeathsig(name: str | int) -> None:
    """Have the system send this process a signal when its parent ends; on Linux only."""
    number = signals.signum(name)
    if not sys.platform.startswith("linux"):
        return
    libc = ctypes.CDLL(ctypes.util.find_library("c"), use_errno=True)
    if libc.prctl(PR_SET_PDEATHSIG, number, 0, 0, 0) != 0:
        code = ctypes.get_errno()
        raise OSError(code, "prctl(PR_SET_PDEATHSIG)")
