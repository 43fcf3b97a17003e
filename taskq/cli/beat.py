"""``taskq beat``: sends periodic tasks when they are due."""

from __future__ import annotations

from typing import Any, Final

import click

from taskq.app.beat import beat_nodename
from taskq.cli.context import CLIContext
from taskq.cli.daemon import daemon_options, fill_in, go_where_asked, held
from taskq.cli.errors import CommandError
from taskq.cli.extending import AppCommand
from taskq.cli.params import LEVELS, LOG_LEVEL
from taskq.cli.worker import streams_put_back
from taskq.wiring.nodenames import expand


class BeatCommand(AppCommand):
    """Gets what the app calls options of beat."""

    extended_by = "beat"


# What is settled before the service is made, so that it is not told.
OWN: Final = frozenset({"detach", "uid", "gid", "umask", "executable", "pidfile"})


@click.command("beat", cls=BeatCommand)
@click.option("--detach", is_flag=True, help="Run in the background.")
@click.option("-s", "--schedule", help="File that keeps last runs (beat_schedule_filename).")
@click.option("-S", "--scheduler", help="Class of the scheduler (beat_scheduler).")
@click.option("--max-interval", type=int, help="Longest sleep in seconds.")
@click.option(
    "--enable-remote-control/--no-enable-remote-control",
    "remote_control",
    default=None,
    help="Answer `taskq inspect ping` (beat_enable_remote_control).",
)
@click.option("-n", "--hostname", help="Name to answer by; celerybeat@%h.")
@click.option(
    "-l",
    "--loglevel",
    type=LOG_LEVEL,
    default="WARNING",
    metavar="LEVEL",
    help=f"The least loud lines to log: {', '.join(LEVELS)}.",
)
@daemon_options("beat")
@click.pass_context
def command(ctx: click.Context, /, **options: Any) -> None:
    """Send periodic tasks when they are due.

    Run one for each schedule: two send everything twice.
    """
    context: CLIContext = ctx.obj
    app = context.app
    fill_in(app.conf, options, "beat")
    node = beat_nodename(options["hostname"])
    logfile = expand(options["logfile"], node) if options["logfile"] else None
    pidfile = go_where_asked(context, options, node, detach=options["detach"])
    context.import_modules()
    with held(pidfile), streams_put_back():
        try:
            told = {name: value for name, value in options.items() if name not in OWN}
            told |= {"logfile": logfile, "hostname": node}
            app.Beat(**told, no_color=context.no_color or None, quiet=context.quiet).run()
        except OSError as error:
            if logfile is None or error.filename is None:
                raise
            raise CommandError(f"cannot write the log to {logfile}: {error.strerror}") from None
