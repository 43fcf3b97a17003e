"""``taskq report``: what a bug report needs to say."""

from __future__ import annotations

import click

from taskq.app.report import facts, report
from taskq.cli.context import CLIContext
from taskq.cli.extending import AppCommand

__all__ = ["command", "report"]


@click.command("report", cls=AppCommand)
@click.option("-j", "--json", "as_json", is_flag=True, help="Print JSON, for machines.")
@click.pass_obj
def command(context: CLIContext, /, as_json: bool) -> None:
    """Show versions and settings, with stars for secrets."""
    if as_json:
        settings = context.app.conf.table(with_defaults=False, censored=True)
        context.echo_json({**facts(context.app), "settings": settings})
    else:
        context.echo(report(context.app))
