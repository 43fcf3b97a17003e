"""``celery.platforms``: this process and the operating system.

What taskq's own workers do (the rights of a user, the background) is ``runtime.process``; here is
what programs call beside it.  Titles of processes need the library ``setproctitle``.
"""

from __future__ import annotations

import errno
import os
import platform
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

from taskq.compat.pidfile import Pidfile, create_pidlock
from taskq.compat.privileges import (
    initgroups,
    maybe_drop_privileges,
    parse_gid,
    parse_uid,
    setgid,
    setgroups,
    setuid,
)
from taskq.compat.process_signals import SIGMAP, Signals, set_pdeathsig, signal_name, signals
from taskq.errors import LockFailed, SecurityError, SecurityWarning
from taskq.runtime import process

__all__ = [
    "EX_CANTCREAT",
    "EX_FAILURE",
    "EX_OK",
    "EX_UNAVAILABLE",
    "EX_USAGE",
    "IS_WINDOWS",
    "SIGMAP",
    "SYSTEM",
    "DaemonContext",
    "IS_macOS",
    "LockFailed",
    "PIDFile",
    "Pidfile",
    "SecurityError",
    "SecurityWarning",
    "Signals",
    "check_privileges",
    "close_open_fds",
    "create_pidlock",
    "detached",
    "fd_by_path",
    "get_errno_name",
    "get_fdmax",
    "ignore_errno",
    "initgroups",
    "isatty",
    "maybe_drop_privileges",
    "parse_gid",
    "parse_uid",
    "pyimplementation",
    "set_mp_process_title",
    "set_pdeathsig",
    "set_process_title",
    "setgid",
    "setgroups",
    "setuid",
    "signal_name",
    "signals",
    "strargv",
]

EX_OK: Final = getattr(os, "EX_OK", 0)
EX_FAILURE: Final = 1
EX_UNAVAILABLE: Final = getattr(os, "EX_UNAVAILABLE", 69)
EX_USAGE: Final = getattr(os, "EX_USAGE", 64)
EX_CANTCREAT: Final = getattr(os, "EX_CANTCREAT", 73)

SYSTEM: Final = platform.system()
IS_macOS: Final = SYSTEM == "Darwin"
IS_WINDOWS: Final = SYSTEM == "Windows"

PIDFile = Pidfile
# Lets root work with pickle all the same.
FORCE: Final = "C_FORCE_ROOT"
PICKLES: Final = frozenset({"pickle", "application/x-python-serialize"})
FDS_UNLIMITED: Final = 65_536


def pyimplementation() -> str:
    """Return which Python this is."""
    return platform.python_implementation()


def strargv(argv: Sequence[str]) -> str:
    """Return the words of a command without the program, as text."""
    return " ".join(argv[2:] if "-c" in argv[:1] else argv[1:])


def isatty(fh: Any) -> bool | None:
    """Whether a file is a terminal; None where it cannot be asked."""
    try:
        return bool(fh.isatty())
    except AttributeError:
        return None


# -- open files ----------------------------------------------------------------------------------


def get_fdmax(default: int | None = None) -> int | None:
    """Return how many files a process may have open; the default where there is no limit."""
    import resource  # noqa: PLC0415 - not on every system

    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return default if limit == resource.RLIM_INFINITY else limit


def fd_by_path(paths: Iterable[str]) -> list[int]:
    """Return the open file descriptors of files, given their paths."""
    wanted = [(found.st_dev, found.st_ino) for found in map(os.stat, paths)]

    def is_wanted(number: int) -> bool:
        try:
            found = os.fstat(number)
        except OSError:
            return False
        return (found.st_dev, found.st_ino) in wanted

    return [number for number in range(get_fdmax(2048) or 0) if is_wanted(number)]


def close_open_fds(keep: Iterable[Any] | None = None) -> None:
    """Close all files but those to keep, given as files or numbers."""
    numbers = sorted({_number(each) for each in keep or ()} - {-1})
    low = 0
    for number in numbers:
        if low < number:  # an empty range from 0 on closes everything in Python 3.11
            os.closerange(low, number)
        low = number + 1
    os.closerange(low, get_fdmax(FDS_UNLIMITED) or FDS_UNLIMITED)


def _number(file: Any) -> int:
    if isinstance(file, int):
        return file
    try:
        return int(file.fileno())
    except (AttributeError, OSError, ValueError):
        return -1  # none behind it: nothing to keep


# -- errors of the system ------------------------------------------------------------------------


def get_errno_name(n: int | str) -> int:
    """Return the number of an error, given it or its name."""
    return getattr(errno, n) if isinstance(n, str) else n


@contextmanager
def ignore_errno(*errnos: int | str, **kwargs: Any) -> Iterator[None]:
    """Go on where one of these errors is raised."""
    types = kwargs.get("types") or (Exception,)
    wanted = {get_errno_name(each) for each in errnos}
    try:
        yield
    except types as error:
        if getattr(error, "errno", None) not in wanted:
            raise


# -- in the background ---------------------------------------------------------------------------


class DaemonContext:
    """Puts this process into the background while it is open."""

    _is_open = False

    def __init__(  # noqa: PLR0917 - Celery's signature
        self,
        pidfile: Any = None,
        workdir: str | None = None,
        umask: int | str | None = None,
        fake: bool = False,
        after_chdir: Callable[[], object] | None = None,
        after_forkers: bool = True,
        **kwargs: Any,
    ) -> None:
        del pidfile, kwargs
        self.workdir = workdir or "/"
        self.umask = process.parse_umask(umask)
        self.fake, self.after_chdir, self.after_forkers = fake, after_chdir, after_forkers
        self.stdfds = (sys.stdin, sys.stdout, sys.stderr)

    def open(self) -> None:
        """Go on in the background; ``fake`` changes the directory and nothing else."""
        if self._is_open:
            return
        if self.fake:
            os.chdir(self.workdir)
            if self.umask is not None:
                os.umask(self.umask)
        else:
            process.detach(umask=self.umask, workdir=self.workdir)
        if self.after_chdir:
            self.after_chdir()
        self._is_open = True

    def close(self, *args: Any) -> None:
        """Say that it is over; the process stays where it is."""
        del args
        self._is_open = False

    def redirect_to_null(self, fd: int | None) -> None:
        """Let a file descriptor lead nowhere."""
        if fd is not None:
            null = os.open(os.devnull, os.O_RDWR)
            os.dup2(null, fd)
            os.close(null)

    def __enter__(self) -> None:
        self.open()

    __exit__ = close


def detached(  # noqa: PLR0917 - Celery's signature
    logfile: str | None = None,
    pidfile: str | None = None,
    uid: str | int | None = None,
    gid: str | int | None = None,
    umask: int | str = 0,
    workdir: str | None = None,
    fake: bool = False,
    **opts: Any,
) -> DaemonContext:
    """Return a context in which the process is in the background, as another user.

    Refuses early, while there is a terminal to tell: where the log cannot be written, or another
    process has the pid file.
    """
    del opts
    maybe_drop_privileges(uid=uid, gid=gid)

    def after_chdir() -> None:
        if logfile:
            with open(logfile, "a", encoding="utf-8"):  # noqa: PTH123 - may it be written?
                pass
        if pidfile:
            create_pidlock(pidfile, on_exit=False)

    return DaemonContext(
        umask=umask or None, workdir=workdir or str(_here()), fake=fake, after_chdir=after_chdir
    )


def _here() -> str:
    return os.getcwd()  # noqa: PTH109 - a string


# -- rights and titles ---------------------------------------------------------------------------


def check_privileges(accept_content: Iterable[str]) -> None:
    """Warn of a worker that runs as root; refuse one that also reads pickle."""
    if os.getuid() != 0 and os.geteuid() != 0:
        return
    who = f"uid={os.getuid()} euid={os.geteuid()} gid={os.getgid()} egid={os.getegid()}"
    if PICKLES & set(accept_content) and not os.environ.get(FORCE):
        raise SecurityError(
            f"a worker that reads pickle must not run as root ({who}): who can send it a message"
            f" could do anything; use --uid, or set {FORCE} if you really mean it"
        )
    warnings.warn(
        SecurityWarning(f"a worker should not run as root ({who}); use --uid"), stacklevel=2
    )


def set_process_title(progname: str, info: str | None = None) -> str:
    """Change the title of this process, where ``setproctitle`` is installed; returns it."""
    title = f"[{progname}]" if info is None else f"[{progname}] {info}"
    try:
        import setproctitle  # type: ignore[import-not-found]  # noqa: PLC0415 - optional
    except ImportError:
        return title
    setproctitle.setproctitle(title)
    return title


def set_mp_process_title(
    progname: str, info: str | None = None, hostname: str | None = None
) -> str:
    """Change the title of this process to one with its name in it; returns it."""
    import multiprocessing  # noqa: PLC0415 - heavy, one use

    name = multiprocessing.current_process().name
    parts = (progname, hostname.split(".")[0], name) if hostname else (progname, name)
    return set_process_title(": ".join(parts[:1]) + ": " + ":".join(parts[1:]), info=info)
