"""``taskq upgrade``: gives old names of settings in a file their new ones."""

from __future__ import annotations

import ast
import io
import shutil
import tokenize
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import click

from taskq.cli.context import CLIContext
from taskq.cli.errors import FAILED, CommandError
from taskq.conf.settings import TABLE

# What stands before a setting's name in Django.
DJANGO: Final = "CELERY_"
BACKUP: Final = ".orig"


@click.group("upgrade")
def command() -> None:
    """Upgrade a program from an older version."""


@command.command("settings")
@click.argument("filename", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--django", is_flag=True, help="Settings of Django: CELERY_BROKER_URL and so on.")
@click.option("--compat", is_flag=True, help="Keep the old names beside the new ones.")
@click.option("--no-backup", is_flag=True, help="Keep no copy of the file.")
@click.pass_obj
def settings(
    context: CLIContext, /, *, filename: Path, django: bool, compat: bool, no_backup: bool
) -> None:
    """Give the settings in FILENAME, a module of Python, their new names.

    Names are changed where they are names: not in strings, and not in comments.
    """
    text = filename.read_text(encoding="utf-8")
    try:
        changed, count = renamed(text, new_names(django=django), compat=compat)
    except (tokenize.TokenError, SyntaxError) as error:
        raise CommandError(f"{filename} is no module of Python: {error}", FAILED) from None
    if not count:
        context.echo(f"{filename}: nothing to change")
        return
    if not no_backup:
        backup = filename.with_name(filename.name + BACKUP)
        shutil.copy2(filename, backup)
        context.error(f"the old file is kept as {backup}")
    filename.write_text(changed, encoding="utf-8")
    context.echo(f"{filename}: {count} names changed")


def new_names(*, django: bool) -> Mapping[str, str]:
    """Return old name -> new name."""
    names: dict[str, str] = {}
    for row in TABLE.values():
        new = f"{DJANGO}{row.name.upper()}" if django else row.name
        for old in row.old_names:
            if old.upper() != new:
                names[old.upper()] = new
        if django and not row.name.upper().startswith(DJANGO):
            names.setdefault(row.name, new)
    return names


def renamed(text: str, names: Mapping[str, str], *, compat: bool) -> tuple[str, int]:
    """Return the text with new names, and how many there are."""
    places = [
        (token.start[0] - 1, token.start[1], token.string)
        for token in tokenize.generate_tokens(io.StringIO(text).readline)
        if token.type == tokenize.NAME and token.string in names
    ]
    lines = text.splitlines(keepends=True)
    old_lines = list(lines)
    for row, column, old in reversed(places):
        line = lines[row]
        lines[row] = line[:column] + names[old] + line[column + len(old) :]
    if compat:
        # After the line that gives the new name its value, the old one gets the same.
        for row, column, old in reversed(places):
            rest = old_lines[row][column + len(old) :].lstrip()
            if column == 0 and rest.startswith("=") and not rest.startswith("=="):
                _insert_after(lines, row, f"{old} = {names[old]}\n", text)
    return "".join(lines), len(places)


def _insert_after(lines: list[str], row: int, line: str, text: str) -> None:
    """Insert a line behind the statement that begins at a row."""
    ends = {node.lineno - 1: node.end_lineno for node in ast.parse(text).body}
    end = ends.get(row) or row + 1
    if not lines[end - 1].endswith("\n"):
        lines[end - 1] += "\n"
    lines.insert(end, line)
