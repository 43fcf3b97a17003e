"""``taskq events``: shows events in a terminal, prints them, or takes pictures of them."""

from __future__ import annotations

import sys
from typing import Any, Final

import click

from taskq.app.discovery import symbol
from taskq.cli.camera import evcam
from taskq.cli.context import CLIContext
from taskq.cli.daemon import daemon_options, fill_in, go_where_asked, held
from taskq.cli.errors import CommandError
from taskq.cli.event_dump import Dumper, JsonDumper, evdump
from taskq.cli.extending import EventsCommand
from taskq.cli.params import LEVELS, LOG_LEVEL
from taskq.core.rates import BadRateError, parse_rate
from taskq.wiring.nodenames import node_name

# Whose place is shown in names of files.
NODE: Final = "events"


@click.command("events", cls=EventsCommand)
@click.option("-d", "--dump", is_flag=True, help="Print each event.")
@click.option("-j", "--json", "as_json", is_flag=True, help="Print each as a line of JSON.")
@click.option("-c", "--camera", help="Take pictures with this class: module.Class.")
@click.option("-D", "--detach", is_flag=True, help="Take them in the background.")
@click.option(
    "-F", "--frequency", "--freq", type=float, default=1.0, help="Seconds between two pictures."
)
@click.option("-r", "--maxrate", help="No more pictures than that: 10/m.")
@click.option(
    "-l",
    "--loglevel",
    type=LOG_LEVEL,
    default="WARNING",
    metavar="LEVEL",
    help=f"The least loud lines to log: {', '.join(LEVELS)}.",
)
@daemon_options("events")
@click.pass_obj
def command(context: CLIContext, /, **options: Any) -> None:
    """Watch the events of workers and tasks.

    Workers send them with -E, or the setting worker_send_task_events.
    """
    if options["camera"]:
        _take_pictures(context, options)
    elif options["dump"] or options["as_json"]:
        evdump(context.app, dumper=JsonDumper() if options["as_json"] else Dumper())
    else:
        _watch(context)


def _watch(context: CLIContext) -> None:
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise CommandError("the monitor needs a terminal; --dump prints events for programs")
    # Only a terminal needs curses, and not every system has it.
    from taskq.cli.monitor import evtop  # noqa: PLC0415

    evtop(context.app)


def _take_pictures(context: CLIContext, options: dict[str, Any]) -> None:
    app, node = context.app, node_name(NODE)
    fill_in(app.conf, options, "events")
    _find_camera(options["camera"])
    try:
        parse_rate(options["maxrate"])
    except BadRateError as error:
        raise click.BadParameter(str(error), param_hint="'--maxrate'") from None
    with held(go_where_asked(context, options, node, detach=options["detach"])):
        evcam(
            options["camera"],
            options["frequency"],
            options["maxrate"],
            options["loglevel"],
            options["logfile"],
            app=app,
            hostname=node,
        )


def _find_camera(named: str) -> None:
    try:
        symbol(named)
    except (ImportError, AttributeError, ValueError) as error:
        raise CommandError(f"there is no camera {named!r}: {error}") from None
