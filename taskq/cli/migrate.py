"""``taskq migrate``: publishes the messages of one broker at another."""

from __future__ import annotations

import sys
from typing import Any, Final

import click

from taskq.cli.context import CLIContext
from taskq.cli.errors import UNAVAILABLE, CommandError
from taskq.cli.extending import AppCommand
from taskq.cli.params import COMMA_SEPARATED_LIST
from taskq.conf import sanitize_url
from taskq.errors import OperationalError

# How often a terminal is told how far it is, in messages.
SHOW_EACH: Final = 10


class Progress:
    """Tells people how far it is: a line that is written over on a terminal, else nothing."""

    def __init__(self, context: CLIContext, *, wanted: bool) -> None:
        self._context = context
        self._wanted = wanted and not context.quiet and sys.stderr.isatty()

    def __call__(self, state: Any, body: Any, _message: Any) -> None:
        """One more message was seen."""
        if self._wanted and (state.count % SHOW_EACH == 0 or state.count == state.total_apx):
            self._context.error(
                f"\r{state.count}/{state.strtotal}  {body['task'] or 'no task'}\x1b[K", nl=False
            )

    def end(self) -> None:
        """Leave the line."""
        if self._wanted:
            self._context.error("\r\x1b[K", nl=False)


@click.command("migrate", cls=AppCommand)
@click.argument("source")
@click.argument("destination")
@click.option("-n", "--limit", type=click.IntRange(1), help="So many messages at most.")
@click.option(
    "-t", "--timeout", type=float, default=1.0, show_default=True, help="Seconds of silence."
)
@click.option("-a", "--ack-messages", is_flag=True, help="Move: take them away from the source.")
@click.option("-T", "--tasks", type=COMMA_SEPARATED_LIST, help="Only tasks of these names.")
@click.option(
    "-Q", "--queues", type=COMMA_SEPARATED_LIST, help="Only these queues; old:new renames one."
)
@click.option("-F", "--forever", is_flag=True, help="Go on with what comes, until interrupted.")
@click.option("-j", "--json", "as_json", is_flag=True, help="Print JSON, for machines.")
@click.pass_obj
def command(
    context: CLIContext,
    /,
    source: str,
    destination: str,
    *,
    as_json: bool,
    **options: Any,
) -> None:
    """Publish the messages of the broker SOURCE at the broker DESTINATION.

    Both are URLs.  Without -a they stay where they were, so that a task may run at both places.
    With -a each is taken away once the other broker has it: it is never lost, and it is there
    twice only if this program is killed in between.
    """
    # What it needs is not needed to show help.
    from taskq.contrib.migrate import migrate_tasks  # noqa: PLC0415

    progress = Progress(context, wanted=not as_json)
    try:
        state = migrate_tasks(source, destination, app=context.app, callback=progress, **options)
    except OperationalError as error:
        raise CommandError(str(error), UNAVAILABLE) from None
    except KeyboardInterrupt:
        raise CommandError("interrupted; what was not moved is where it was", 130) from None
    finally:
        progress.end()
    moved = options["ack_messages"]
    if as_json:
        context.echo_json({"count": state.count, "total": state.total_apx, "moved": moved})
        return
    verb = "moved" if moved else "copied"
    context.echo(
        f"{state.count} messages {verb} from {sanitize_url(source)} to {sanitize_url(destination)}"
    )
