"""``taskq status``: shows which workers are there."""

from __future__ import annotations

import click

from taskq.cli.context import CLIContext
from taskq.cli.extending import AppCommand
from taskq.cli.remote import DEFAULT_TIMEOUT_S, ask, by_node, remote_options, say_count, say_reply


@click.command("status", cls=AppCommand)
@remote_options
@click.pass_obj
def command(
    context: CLIContext,
    /,
    timeout: float | None,
    destination: list[str] | None,
    as_json: bool,
) -> None:
    """Show which workers are there."""

    def show(node: str, said: object) -> None:
        say_reply(context, node, said, show_body=False)

    replies = ask(
        context,
        "ping",
        {},
        timeout_s=timeout or DEFAULT_TIMEOUT_S,
        destination=destination,
        on_reply=None if as_json else show,
    )
    if as_json:
        context.echo_json(by_node(replies))
    else:
        say_count(context, len(replies))
