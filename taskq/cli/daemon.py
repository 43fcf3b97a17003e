"""A process of the operating system: its pidfile, its user, its life in the background.

Used by every command that stays.  Files are created, never followed through a link, and never
taken from a process that lives.
"""

from __future__ import annotations

import atexit
import grp
import os
import pwd
import subprocess
import sys
from collections.abc import Callable, MutableMapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import click

from taskq.cli.errors import CANNOT_CREATE, CommandError

# Set in a process that is in the background already.
DETACHED: Final = "TASKQ_DETACHED"
PIDFILE_MODE: Final = 0o644


def daemon_options(command: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Add the options of a command that stays; their defaults are settings of that command."""
    options = (
        click.option("--logfile", "-f", help=f"File of the log (setting {command}_logfile)."),
        click.option("--pidfile", help=f"File of the process id (setting {command}_pidfile)."),
        click.option("--uid", help=f"User to run as (setting {command}_uid)."),
        click.option("--gid", help=f"Group to run as (setting {command}_gid)."),
        click.option("--umask", help=f"Mask of new files, octal (setting {command}_umask)."),
        click.option(
            "--executable",
            help=f"Python to run in the background (setting {command}_executable).",
        ),
    )

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


class Pidfile:
    """A file that says which process is the one."""

    def __init__(self, path: str) -> None:
        self.path = Path(path)
        self._owner: int | None = None

    def refuse_if_taken(self) -> None:
        """Raise ``CommandError`` if a process that lives has it; remove one that is left over."""
        try:
            pid = int(self.path.read_text().strip() or "0")
        except FileNotFoundError:
            return
        except (ValueError, OSError) as error:
            raise CommandError(
                f"pidfile {self.path} exists and cannot be read as a process id ({error}); look"
                " at it, and remove it if it is left over",
                CANNOT_CREATE,
            ) from None
        if pid and _lives(pid):
            raise CommandError(
                f"pidfile {self.path} belongs to process {pid}, which runs; stop that first, or"
                " give this one another --pidfile",
                CANNOT_CREATE,
            )
        self.path.unlink(missing_ok=True)

    def acquire(self) -> None:
        """Write this process into it, until the process ends."""
        self.refuse_if_taken()
        flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW
        try:
            descriptor = os.open(self.path, flags, PIDFILE_MODE)
        except OSError as error:
            raise CommandError(
                f"cannot create the pidfile {self.path}: {error.strerror}", CANNOT_CREATE
            ) from None
        with os.fdopen(descriptor, "w") as file:
            file.write(f"{os.getpid()}\n")
        self._owner = os.getpid()
        atexit.register(self.release)

    def release(self) -> None:
        """Remove it, if this process wrote it: a forked child has a copy of this object."""
        if self._owner == os.getpid():
            self._owner = None
            with suppress(OSError):
                self.path.unlink()


def _lives(pid: int) -> bool:
    if pid == os.getpid():
        return False  # in a container a new process easily gets the number of the last one
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def detach(environ: MutableMapping[str, str], executable: str | None = None) -> int | None:
    """Start this command again in the background; returns its process id.

    None means that this process is the one in the background, and goes on.
    """
    if environ.pop(DETACHED, None) or environ.get("C_FAKEFORK"):
        return None
    child = subprocess.Popen(  # noqa: S603 - this very command, as it was given
        [executable or sys.executable, "-m", "taskq", *sys.argv[1:]],
        env={**environ, DETACHED: "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    return child.pid


def become(uid: str | int | None, gid: str | int | None, umask: str | int | None) -> None:
    """Change mask, group and user, in this order; raises ``CommandError``."""
    if umask is not None:
        os.umask(_mask(umask))
    if uid is None and gid is None:
        return
    user = _find_user(uid)
    group = _find_group(gid) if gid is not None else (user.pw_gid if user else None)
    try:
        if group is not None:
            if user is not None:
                os.initgroups(user.pw_name, group)
            os.setgid(group)
        if user is not None:
            os.setuid(user.pw_uid)
    except PermissionError:
        raise CommandError(
            f"cannot become user {uid!r}, group {gid!r}: only root can; start without --uid and"
            " --gid, or as root"
        ) from None


def _mask(said: str | int) -> int:
    try:
        return said if isinstance(said, int) else int(said, 8)
    except ValueError:
        raise CommandError(f"--umask {said!r} is no octal number like 022") from None


def _find_user(said: str | int | None) -> pwd.struct_passwd | None:
    if said is None:
        return None
    try:
        return pwd.getpwuid(int(said)) if str(said).isdigit() else pwd.getpwnam(str(said))
    except KeyError:
        raise CommandError(f"there is no user {said!r} on this machine") from None


def _find_group(said: str | int) -> int:
    if str(said).isdigit():
        return int(said)
    try:
        return grp.getgrnam(str(said)).gr_gid
    except KeyError:
        raise CommandError(f"there is no group {said!r} on this machine") from None


def refuse_root_with_pickle(accept_content: Any, environ: MutableMapping[str, str]) -> None:
    """Raise ``CommandError`` where anybody who can write to the broker would be root here."""
    risky = {"pickle", "application/x-python-serialize"} & {str(one) for one in accept_content}
    if risky and os.getuid() == 0 and not environ.get("C_FORCE_ROOT"):
        raise CommandError(
            "refused to run as root while `accept_content` allows pickle, because a message could"
            " then run any code as root; use --uid, take pickle out, or set C_FORCE_ROOT=1"
        )
