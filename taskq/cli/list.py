"""``taskq list``: shows what the broker knows."""

from __future__ import annotations

from typing import Any, Final

import click

from taskq.cli.context import CLIContext
from taskq.cli.errors import UNAVAILABLE, CommandError
from taskq.cli.extending import AppCommand

ROW: Final = "{:<28} {:<28} {}"


@click.group("list")
def command() -> None:
    """Show what the broker knows."""


@command.command("bindings", cls=AppCommand)
@click.option("-j", "--json", "as_json", is_flag=True, help="Print JSON, for machines.")
@click.pass_obj
def bindings(context: CLIContext, /, as_json: bool) -> None:
    """Show which queues get what from which exchanges.

    Of RabbitMQ this needs the plugin `rabbitmq_management`.
    """
    rows = sorted(_rows(context.app))
    if as_json:
        names = ("queue", "exchange", "routing_key")
        context.echo_json([dict(zip(names, row, strict=True)) for row in rows])
        return
    context.echo(ROW.format("Queue", "Exchange", "Routing Key"))
    context.echo(ROW.format(*["-" * 16] * 3))
    for row in rows:
        context.echo(ROW.format(*row).rstrip())


def _rows(app: Any) -> list[tuple[str, str, str]]:
    with app.connection() as connection:
        try:
            # Those of this app are shown also where no worker was there before.
            for queue in app.amqp.queues.consume_from.values():
                queue(connection.default_channel).declare()
            found = connection.manager.get_bindings()
        except NotImplementedError:
            raise CommandError("this broker does not tell its bindings", UNAVAILABLE) from None
        except Exception as error:  # a boundary: each broker has a client of its own for this
            raise CommandError(
                f"cannot get the bindings: {type(error).__name__}: {error}; on RabbitMQ the plugin"
                " rabbitmq_management has to be enabled",
                UNAVAILABLE,
            ) from error
    return [
        (
            str(row["destination"]),
            str(row["source"] or row["routing_key"]),
            str(row["routing_key"]),
        )
        for row in found
    ]
