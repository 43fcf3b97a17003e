"""``taskq report``: what a bug report needs to say."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final

import click

from taskq.cli.banner import broker_of, results_of
from taskq.cli.context import CLIContext

LIBRARIES: Final = ("taskq", "kombu", "amqp", "redis", "hiredis", "click")


@click.command("report")
@click.pass_obj
def command(context: CLIContext) -> None:
    """Show versions and settings, with stars for secrets."""
    context.echo(report(context.app))


def report(app: Any) -> str:
    """Return the text."""
    libraries = " ".join(f"{name}:{_version(name)}" for name in LIBRARIES)
    settings = app.conf.humanize(with_defaults=False, censored=True)
    return "\n".join(
        (
            f"software -> {libraries} py:{platform.python_version()}",
            f"platform -> {platform.system()} {platform.release()} {platform.machine()}",
            f"broker   -> {broker_of(app)}",
            f"results  -> {results_of(app)}",
            "",
            settings or "(no setting is given)",
        )
    )


def _version(library: str) -> str:
    try:
        return version(library)
    except PackageNotFoundError:
        return "not installed"
