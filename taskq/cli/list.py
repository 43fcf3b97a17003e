"""``taskq list``: shows what the broker knows, and what beat does when."""

from __future__ import annotations

from dataclasses import fields
from datetime import datetime, tzinfo
from typing import Any, Final

import click

from taskq.app.beat.listing import Listed, listing
from taskq.cli.context import CLIContext
from taskq.cli.errors import UNAVAILABLE, CommandError
from taskq.cli.extending import AppCommand

ROW: Final = "{:<28} {:<28} {}"


@click.group("list")
def command() -> None:
    """Show what the broker knows, and what beat does when."""


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


@command.command("schedule", cls=AppCommand)
@click.option("-n", "--count", type=click.IntRange(1, 1000), default=3, help="Times of each entry.")
@click.option("-s", "--schedule", help="File that keeps last runs (beat_schedule_filename).")
@click.option("-S", "--scheduler", help="Class of the scheduler (beat_scheduler).")
@click.option("-j", "--json", "as_json", is_flag=True, help="Print JSON, for machines.")
@click.pass_obj
def schedule(
    context: CLIContext,
    /,
    count: int,
    schedule: str | None,
    scheduler: str | None,
    as_json: bool,
) -> None:
    """Show periodic tasks, the next first: when each ran last, and when it comes.

    Last runs are those that beat has written to its file; beat may run meanwhile.
    """
    context.import_modules()
    app = context.app
    app.finalize()
    service = app.Beat.Service(app, schedule_filename=schedule, scheduler_cls=scheduler)
    rows = listing(service.get_scheduler(lazy=True), count)
    if as_json:
        context.echo_json({"zone": str(app.timezone), "entries": [_as_json(row) for row in rows]})
        return
    context.echo(f"Times are in {app.timezone}; now it is {_time(app.now())}.")
    for row in rows:
        context.echo(f"\n{row.name}: {row.task}, {row.schedule}")
        last = "never" if row.last_run_at is None else _time(row.last_run_at, app.timezone)
        context.echo(f"  last  {last} ({row.total_run_count} runs)")
        context.echo(f"  next  {', '.join(_time(at) for at in row.next) or 'never'}")
    if not rows:
        context.echo("There are no entries; see the setting `beat_schedule`.")


def _time(at: datetime, zone: tzinfo | None = None) -> str:
    return f"{at.astimezone(zone) if zone else at:%Y-%m-%d %H:%M:%S %Z}"


def _as_json(row: Listed) -> dict[str, Any]:
    last = row.last_run_at
    return {
        **{field.name: getattr(row, field.name) for field in fields(row)},
        "last_run_at": None if last is None else last.isoformat(),
        "next": [at.isoformat() for at in row.next],
    }


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
