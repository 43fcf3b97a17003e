"""What the program knows when a command runs: the app, and how to talk to people."""

from __future__ import annotations

import json
from functools import cached_property
from textwrap import indent
from typing import Any, Final

import click

from taskq.cli.errors import CommandError
from taskq.conf import sanitize_url
from taskq.errors import TaskqError

INDENT: Final = "    "


def _worded(value: object) -> str:
    # What has no form in JSON words itself, and may have a URL in it.
    return sanitize_url(str(value))


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

    # -- the app ---------------------------------------------------------------------------------

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

    def user_options(self, kind: str) -> list[click.Option]:
        """Return the options of one kind that the app adds; none where no app was named."""
        if self._said is None:
            return []
        added = getattr(self.app, "user_options", {}).get(kind, ())
        return sorted(added, key=lambda option: str(option.name))

    def import_modules(self) -> None:
        """Import the modules of the app: they may define more than its tasks."""
        try:
            self.app.import_default_modules()
        except Exception as error:  # a boundary: the modules are the user's
            raise CommandError(
                f"cannot import the modules of the app (settings `imports` and `include`):"
                f" {type(error).__name__}: {error}"
            ) from error

    # -- speaking --------------------------------------------------------------------------------

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

    def echo_json(self, value: Any) -> None:
        """Print for machines: one line of JSON, never coloured."""
        click.echo(json.dumps(value, default=_worded), color=False)

    def say_chat(self, direction: str, title: str, body: str = "", show_body: bool = False) -> None:
        """Print who said something, and what; when quiet without the arrow, and no questions."""
        if direction == "<-" and self.quiet:
            return
        arrow = "" if self.quiet else self.style(direction, fg="white", bold=True) + " "
        self.echo(f"{arrow} {title}")
        if body and show_body:
            self.echo(body)

    # -- values for people -----------------------------------------------------------------------

    def pretty(self, n: Any) -> tuple[str, str]:
        """Return a heading and a text for a value that a command got."""
        if isinstance(n, list | tuple):
            return self.OK, self.pretty_list(n)
        if isinstance(n, dict):
            if "ok" in n or "error" in n:
                return self.pretty_dict_ok_error(n)
            return self.OK, json.dumps(n, sort_keys=True, indent=4, default=str)
        return self.OK, str(n)

    def pretty_list(self, n: Any) -> str:
        """Return a list with bullets."""
        return "\n".join(f"* {item}" for item in n) or "- empty -"

    def pretty_dict_ok_error(self, n: dict[str, Any]) -> tuple[str, str]:
        """Return the heading and the text of an answer that says how it went."""
        good = "ok" in n
        text = self.pretty(n["ok" if good else "error"])[1]
        return (self.OK if good else self.ERROR), indent(text, INDENT)
