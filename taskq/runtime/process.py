"""What a worker or beat does with its own process: signals, pid file, user, background.

The command line calls it, before anything of the application runs.  Owned here: the dealings
with the operating system.  Not owned: what a signal means (the caller's callbacks).
"""

from __future__ import annotations

import fcntl
import grp
import os
import pwd
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Final

from taskq.errors import ImproperlyConfigured, LockFailed

# What a process in the background gets when the umask that it inherits would let anybody write
# to its files.
SAFE_UMASK: Final = 0o022
WORLD_WRITABLE: Final = 0o002
# More than any pid; a longer file is somebody else's.
PIDFILE_BYTES: Final = 64
# States of processes of which nothing but their exit code is left.
ENDED: Final = "ZX"


# -- signals -----------------------------------------------------------------------------------


@contextmanager
def signals_to(callbacks: Mapping[int, Callable[[], None]]) -> Iterator[None]:
    """Call back when a signal comes, until the block is left; then all is as it was.

    A callback runs in the main thread between any two instructions, also inside another one:
    so it should do no more than note what came and wake its loop.  Only the main thread may
    enter.
    """
    before = {number: signal.getsignal(number) for number in callbacks}

    def on_signal(number: int, _frame: FrameType | None) -> None:
        callbacks[number]()

    try:
        for number in callbacks:
            signal.signal(number, on_signal)
        yield
    finally:
        for number, handler in before.items():
            # None: it was set by something that is not Python, and cannot be put back.
            signal.signal(number, signal.SIG_DFL if handler is None else handler)


# -- pid file ----------------------------------------------------------------------------------


class PidFile:
    """A file that says which process this is, and keeps a second one from starting.

    Its content is whole at every moment; one that is left over by a process that is gone, or by
    an earlier life of a container where this process has the same number, is replaced.
    """

    def __init__(self, path: str) -> None:
        self.path = os.path.abspath(path)  # noqa: PTH100 - the working directory may change

    def acquire(self) -> None:
        """Write the file.  Raises ``LockFailed`` where a living process has it."""
        folder = os.path.dirname(self.path)  # noqa: PTH120 - a string goes in and out
        try:
            with _locked(folder):
                self._remove_if_stale()
                self._create(folder)
        except OSError as error:
            raise LockFailed(self.path, None, os.strerror(error.errno or 0)) from error

    def release(self) -> None:
        """Remove the file if it is this process's."""
        with suppress(OSError, ValueError):  # gone, or no longer ours: nothing to remove
            if self._read() == os.getpid():
                os.unlink(self.path)  # noqa: PTH108 - as above

    def refuse_if_held(self) -> None:
        """Raise ``LockFailed`` where a living process, other than this one, has it."""
        holder = self.holder()
        if holder is not None:
            raise LockFailed(self.path, holder, "")

    def holder(self) -> int | None:
        """Return the living process that has it, other than this one."""
        try:
            pid = self._read()
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise LockFailed(self.path, None, f"it is no pid file ({error})") from error
        return pid if pid != os.getpid() and is_alive(pid) else None

    def _remove_if_stale(self) -> None:
        self.refuse_if_held()
        with suppress(FileNotFoundError):
            os.unlink(self.path)  # noqa: PTH108 - as above

    def _create(self, folder: str) -> None:
        handle, temporary = tempfile.mkstemp(prefix=".taskq-", dir=folder)
        try:
            with os.fdopen(handle, "w") as file:
                file.write(f"{os.getpid()}\n")
                os.fchmod(file.fileno(), 0o644)
            os.link(temporary, self.path)  # as one step, and never onto what is there
        finally:
            os.unlink(temporary)  # noqa: PTH108 - as above

    def _read(self) -> int:
        handle = os.open(self.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        with os.fdopen(handle, "rb") as file:
            return int(file.read(PIDFILE_BYTES))


@contextmanager
def _locked(folder: str) -> Iterator[None]:
    """Let one process at a time decide whose a pid file in this folder is."""
    handle = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def is_alive(pid: int) -> bool:
    """Whether a process lives; one that has ended, and waits for its parent to ask, does not."""
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:  # it lives, and is another user's
        return True
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return True  # the system does not show it, or it ends right now
    return stat.rpartition(")")[2].split()[0] not in ENDED


# -- user and group ----------------------------------------------------------------------------


def user_id(user: str | int) -> int:
    """Return the number of a user given by name or number."""
    try:
        return int(user)
    except ValueError:
        pass
    try:
        return pwd.getpwnam(str(user)).pw_uid
    except KeyError:
        raise ImproperlyConfigured(f"uid: no user is called {user!r}") from None


def group_id(group: str | int) -> int:
    """Return the number of a group given by name or number."""
    try:
        return int(group)
    except ValueError:
        pass
    try:
        return grp.getgrnam(str(group)).gr_gid
    except KeyError:
        raise ImproperlyConfigured(f"gid: no group is called {group!r}") from None


def become(user: str | int | None, group: str | int | None) -> None:
    """Give up the rights of the current user for those of another, for good."""
    uid = None if user is None or user == "" else user_id(user)
    gid = None if group is None or group == "" else group_id(group)
    if uid is None and gid is None:
        return
    try:
        _switch(uid, gid)
    except PermissionError as error:
        raise ImproperlyConfigured(
            f"cannot run as uid {user!r}, gid {group!r}: only root may change its user "
            f"(this is uid {os.geteuid()}); start it as that user instead"
        ) from error


def _switch(uid: int | None, gid: int | None) -> None:
    if uid is None:
        assert gid is not None, "one of the two is given"
        os.setgroups([gid])
        os.setgid(gid)
        return
    if uid == os.geteuid() and gid in {None, os.getegid()}:
        return
    try:
        entry = pwd.getpwuid(uid)
    except KeyError:  # a number without a name, as in containers
        gid = os.getegid() if gid is None else gid
        os.setgroups([gid])
    else:
        gid = entry.pw_gid if gid is None else gid
        os.initgroups(entry.pw_name, gid)
    # Groups first: without root's rights they could not be changed any more.
    os.setgid(gid)
    os.setuid(uid)
    if uid != 0:
        _check_cannot_return()


def _check_cannot_return() -> None:
    """Make sure that what was given up is gone; a worker that can get it back must not run."""
    try:
        os.setuid(0)
    except PermissionError:
        return
    raise ImproperlyConfigured("the rights of root were given up and could be taken back")


# -- background --------------------------------------------------------------------------------


def parse_umask(text: str | int | None) -> int | None:
    """Read a umask as the command line and the settings give it: octal text, or a number."""
    if text is None or text == "":
        return None
    if isinstance(text, int):
        return text
    try:
        return int(text, 8)
    except ValueError:
        raise ImproperlyConfigured(f"umask: {text!r} is no octal number such as 022") from None


def detach(*, umask: int | None = None, workdir: str | None = None) -> None:
    """Go on in a new process in the background; the one that calls it exits.

    Call it before there are threads, connections or an open pid file.  Without ``umask`` the
    inherited one stays, unless it would let anybody write.
    """
    _leave_parent()
    os.setsid()
    _leave_parent()  # only the leader of a session can get a terminal, and this is none
    if workdir is not None:
        os.chdir(workdir)
    inherited = os.umask(SAFE_UMASK)
    if umask is not None:
        os.umask(umask)
    elif inherited & WORLD_WRITABLE:  # the bit is set where writing is refused
        os.umask(inherited)
    _streams_to_null()


def _leave_parent() -> None:
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, AttributeError):  # closed, or none
            stream.flush()  # else both processes would write it
    if os.fork():
        os._exit(0)


def _streams_to_null() -> None:
    null = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(null, standard)
    if null > 2:  # noqa: PLR2004 - the three above
        os.close(null)
