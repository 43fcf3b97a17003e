"""What the program knows when a command runs: the app, and how to talk to people."""

from __future__ import annotations

import json
from functools import cached_property
from typing import Any

import click

from taskq.cli.errors import CommandError
from taskq.errors import TaskqError


class CLIContext:
    """The ``obj`` of every click context."""

    def __init__(
        self,
        app: Any = None,
        no_color: bool = False,
        workdir: str | None = None,
        quiet: bool = False,
        config: str | None = None,
    ) -> None:
        self._said = app  # the app itself, or how it was named, or nothing
        self._config = config  # the configuration that was named; it replaces the app's own
        self.no_color, self.workdir, self.quiet = no_color, workdir, quiet

    @cached_property
    def app(self) -> Any:
        """The app that ``-A`` names, else the current one; loaded when a command asks for it."""
        app = self._find()
        if self._config:
            app.config_from_object(self._config)
        return app

    def _find(self) -> Any:
        if self._said is not None and not isinstance(self._said, str):
            return self._said
        if self._said:
            # Help does not load the application.
            from taskq.cli.find_app import find_app  # noqa: PLC0415

            return find_app(self._said)
        from taskq.current import get_current_app  # noqa: PLC0415 - as above

        try:
            return get_current_app()
        except TaskqError:
            raise CommandError("which app? Name it with -A: taskq -A proj worker") from None

    @cached_property
    def OK(self) -> str:  # noqa: N802 - Celery's name
        """What stands before good news."""
        return self.style("OK", fg="green", bold=True)

    @cached_property
    def ERROR(self) -> str:  # noqa: N802 - Celery's name
        """What stands before bad news."""
        return self.style("ERROR", fg="red", bold=True)

    def style(self, message: str, **kwargs: Any) -> str:
        """Return the text in colour, unless colours are off."""
        return message if self.no_color else click.style(message, **kwargs)

    def secho(self, message: str = "", **kwargs: Any) -> None:
        """Print in colour, unless colours are off."""
        if self.no_color:
            kwargs["color"] = False
        click.secho(message, **kwargs)

    def echo(self, message: str = "", **kwargs: Any) -> None:
        """Print."""
        self.secho(message, **kwargs)

    def error(self, message: str = "", **kwargs: Any) -> None:
        """Print to the stream of errors."""
        self.secho(message, err=True, **kwargs)

    def pretty(self, value: Any) -> tuple[str, str]:
        """Return a heading and a text for a value that a command got."""
        if isinstance(value, list | tuple):
            return self.OK, "\n".join(f"* {item}" for item in value) or "- empty -"
        if isinstance(value, dict):
            if "ok" in value or "error" in value:
                good = "ok" in value
                return (self.OK if good else self.ERROR), str(value["ok" if good else "error"])
            return self.OK, json.dumps(value, sort_keys=True, indent=4, default=str)
        return self.OK, str(value)
