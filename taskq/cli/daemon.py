"""What the commands that stay have in common: their options, and going to the background.

How it is done (forks, pid files, users) is ``taskq.runtime.process``.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, MutableMapping
from typing import Any, Final

import click

from taskq.cli.errors import CommandError
from taskq.runtime.process import PidFile, detach, parse_umask

# Set in the process that is in the background already.
DETACHED: Final = "TASKQ_DETACHED"
# Set by who looks for faults: stay in the foreground, whatever is asked.
STAY: Final = "C_FAKEFORK"

PICKLE: Final = frozenset({"pickle", "application/x-python-serialize"})


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


def fill_in(conf: Any, options: dict[str, Any], command: str) -> None:
    """Take from the settings what the command line does not say."""
    for name in ("logfile", "pidfile", "uid", "gid", "umask", "executable"):
        if options[name] is None:
            options[name] = conf.get(f"{command}_{name}")


def is_to_detach(wanted: bool, environ: MutableMapping[str, str]) -> bool:
    """Whether this process has to go to the background first: it may be there already."""
    return environ.pop(DETACHED, None) is None and wanted and not environ.get(STAY)


def run_in_background(pidfile: PidFile | None, umask: str | int | None, executable: str) -> None:
    """Run this command again, in the background; raises ``LockFailed`` before anything is done.

    Again, because what was loaded here to find mistakes early (the app, whatever it has started)
    does not belong into a forked process.
    """
    mask = parse_umask(umask)
    if pidfile is not None:
        pidfile.refuse_if_held()
    detach(umask=mask)
    os.execve(  # noqa: S606 - this very command, as it was given
        executable,
        [executable, "-m", "taskq", *sys.argv[1:]],
        {**os.environ, DETACHED: "1"},
    )


def refuse_root_with_pickle(accept: Iterable[str], environ: MutableMapping[str, str]) -> None:
    """Raise ``CommandError`` where anybody who can write to the broker would be root here."""
    if (
        PICKLE & {str(one) for one in accept}
        and os.getuid() == 0
        and not environ.get("C_FORCE_ROOT")
    ):
        raise CommandError(
            "refused to run as root while `accept_content` allows pickle, because a message could"
            " then run any code as root; use --uid, take pickle out, or set C_FORCE_ROOT=1"
        )
