"""How a command fails: one line for people, and an exit code for programs."""

from __future__ import annotations

import click

WRONG_USE = 2
CANNOT_CREATE = 73  # EX_CANTCREAT of sysexits.h


class CommandError(click.ClickException):
    """A command cannot do what it was asked; the message says what to do."""

    def __init__(self, message: str, exit_code: int = WRONG_USE) -> None:
        super().__init__(message)
        self.exit_code = exit_code  # type: ignore[misc]  # click gives a class one code
