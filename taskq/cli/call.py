"""``taskq call``: sends a task by its name, and prints its id."""

from __future__ import annotations

from typing import Any

import click

from taskq.cli.context import CLIContext
from taskq.cli.extending import AppCommand
from taskq.cli.params import ISO8601, ISO8601_OR_FLOAT, JSON_ARRAY, JSON_OBJECT


@click.command("call", cls=AppCommand)
@click.argument("name")
@click.option("-a", "--args", type=JSON_ARRAY, default="[]", help="Arguments, as a JSON array.")
@click.option("-k", "--kwargs", type=JSON_OBJECT, default="{}", help="The same, by name.")
@click.option("--eta", type=ISO8601, help="When it may start.")
@click.option("--countdown", type=float, help="In how many seconds it may start.")
@click.option("--expires", type=ISO8601_OR_FLOAT, help="When it is too late, or in how many s.")
@click.option("--serializer", default="json", show_default=True, help="How it is encoded.")
@click.option("--queue", help="Queue to send it to.")
@click.option("--exchange", help="Exchange to send it to.")
@click.option("--routing-key", help="Routing key to send it with.")
@click.option("-j", "--json", "as_json", is_flag=True, help="Print JSON, for machines.")
@click.pass_obj
def command(
    context: CLIContext, /, name: str, args: Any, kwargs: Any, as_json: bool, **options: Any
) -> None:
    """Send the task NAME, and print its id."""
    said = {option: value for option, value in options.items() if value is not None}
    task_id = context.app.send_task(name, args=args, kwargs=kwargs, **said).id
    if as_json:
        context.echo_json({"id": task_id, "name": name})
    else:
        context.echo(task_id)
