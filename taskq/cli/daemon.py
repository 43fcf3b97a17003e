"""What the commands that stay have in common: their options, and going to the background.

How it is done (forks, pid files, users) is ``taskq.runtime.process``.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from typing import Any, Final, NoReturn

import click

from taskq.cli.context import CLIContext
from taskq.cli.errors import CommandError
from taskq.runtime.process import PidFile, become, parse_umask
from taskq.runtime.process import detach as detach_process
from taskq.wiring.nodenames import expand

# Set in a process that is where it belongs already: in the background, or begun again.
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


def go_where_asked(
    context: CLIContext, options: Mapping[str, Any], node: str, *, detach: bool
) -> PidFile | None:
    """Go to the background, and be the user, that the options say; returns the file to hold.

    What can be wrong with the file and the mask is found while somebody still looks.
    """
    path, executable = options["pidfile"], options["executable"]
    pidfile = PidFile(expand(path, node)) if path else None
    mask = parse_umask(options["umask"])
    if is_to_detach(detach, os.environ):
        if pidfile is not None:
            pidfile.refuse_if_held()
        if not context.quiet:
            context.echo(f"{node} starts in the background")
        run_in_background(mask, executable or sys.executable)
    if mask is not None:
        os.umask(mask)
    become(options["uid"], options["gid"])
    return pidfile


@contextmanager
def held(pidfile: PidFile | None) -> Iterator[None]:
    """Have the file while the block lasts."""
    if pidfile is None:
        yield
        return
    pidfile.acquire()
    try:
        yield
    finally:
        pidfile.release()


def is_to_detach(wanted: bool, environ: MutableMapping[str, str]) -> bool:
    """Whether this process has to go to the background first: it may be there already."""
    return environ.pop(DETACHED, None) is None and wanted and not environ.get(STAY)


def run_in_background(mask: int | None, executable: str) -> None:
    """Run this command again, in the background.

    Again, because what was loaded here to find mistakes early (the app, whatever it has started)
    does not belong into a forked process.
    """
    detach_process(umask=mask)
    begin_again(executable)


def begin_again(executable: str) -> NoReturn:
    """Replace this process by the same command, which stays where it is now."""
    os.execve(  # noqa: S606 - this very command, as it was given
        executable,
        [executable, "-m", "taskq", *sys.argv[1:]],
        {**os.environ, DETACHED: "1"},
    )


def refuse_root_with_pickle(accept: Iterable[str], environ: MutableMapping[str, str]) -> None:
    """Raise ``CommandError`` where anybody who can write to the broker would be root here."""
    if (
        PICKLE & {str(one) for one in accept}
        and 0 in (os.getuid(), os.geteuid())
        and not environ.get("C_FORCE_ROOT")
    ):
        raise CommandError(
            "refused to run as root while `accept_content` allows pickle, because a message could"
            " then run any code as root; use --uid, take pickle out, or set C_FORCE_ROOT=1"
        )
