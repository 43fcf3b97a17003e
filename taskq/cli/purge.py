"""``taskq purge``: throws away the messages that wait."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from taskq.cli.context import CLIContext
from taskq.cli.errors import CommandError
from taskq.cli.extending import AppCommand
from taskq.cli.params import COMMA_SEPARATED_LIST


@click.command("purge", cls=AppCommand)
@click.option("-f", "--force", is_flag=True, help="Do not ask.")
@click.option("-Q", "--queues", type=COMMA_SEPARATED_LIST, help="Only these queues.")
@click.option("-X", "--exclude-queues", type=COMMA_SEPARATED_LIST, help="All but these queues.")
@click.option("-j", "--json", "as_json", is_flag=True, help="Print JSON, for machines.")
@click.pass_obj
def command(
    context: CLIContext,
    /,
    force: bool,
    queues: list[str] | None,
    exclude_queues: list[str] | None,
    as_json: bool,
) -> None:
    """Throw away all messages that wait in queues.  They cannot be had back."""
    app = context.app
    names = chosen(app, queues or (), exclude_queues or ())
    if not names:
        raise CommandError("no queue is left to purge; look at -Q, -X and `task_queues`")
    listed = ", ".join(names)
    if not force:
        click.confirm(f"Throw away all messages of {listed}, for ever?", abort=True, err=as_json)
    counts = {name: app.ports.broker.purge(name) for name in names}
    count = sum(counts.values())
    if as_json:
        context.echo_json(counts)
        return
    context.echo(f"{count} messages thrown away" if count else f"there was no message in {listed}")


def chosen(app: Any, queues: Sequence[str], exclude: Sequence[str]) -> list[str]:
    """Return the names that remain, sorted."""
    return sorted({*(queues or app.amqp.queues)} - set(exclude))
