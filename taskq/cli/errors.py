"""How a command fails: one line for people, and an exit code for programs."""

from __future__ import annotations

from typing import Final

import click

# The numbers are those of sysexits.h, but for the first two, which are click's.
FAILED: Final = 1
WRONG_USE: Final = 2
UNAVAILABLE: Final = 69  # EX_UNAVAILABLE: a broker or a worker that does not answer
CANNOT_CREATE: Final = 73  # EX_CANTCREAT


class CommandError(click.ClickException):
    """A command cannot do what it was asked; the message says what to do."""

    def __init__(self, message: str, exit_code: int = WRONG_USE) -> None:
        super().__init__(message)
        self.exit_code = exit_code  # type: ignore[misc]  # click gives a class one code
