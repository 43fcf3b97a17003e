"""Each line of a shell block names a command that exists, with options that it has."""

from __future__ import annotations

import importlib.util
import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from taskq.cli.main import taskq
from taskq_testing.cli import main as taskq_sim
from tests.docs.pages import PAGES, ROOT, blocks, links

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def commands() -> Iterator[str]:
    """Yield all commands of all pages, one by one."""
    for page in PAGES:
        for block in blocks(page):
            if block.language in ("sh", "console"):
                for line in block.text.replace("\\\n", " ").splitlines():
                    yield from filter(None, (part.strip() for part in line.split("&&")))


def parse(command: click.Command, words: list[str], parent: click.Context | None = None) -> None:
    """Let a command, and each of its subcommands, read its words; run nothing."""
    context = command.make_context(command.name or "", words, parent=parent)
    if isinstance(command, click.Group):
        name, found, rest = command.resolve_command(
            context, [*context._protected_args, *context.args]
        )
        assert found is not None, name
        parse(found, rest, context)


def install(words: list[str]) -> None:
    """``pip install``: this project, with extras that it has."""
    assert words[0] == "install"
    for word in words[1:]:
        if word in ("-q", "-U", "-e"):
            continue
        found = re.fullmatch(r"(taskq|\.)(?:\[([\w,-]+)\])?", word)
        assert found, f"pip would be asked for {word!r}"
        assert set((found[2] or "").split(",")) - {""} <= set(PROJECT["optional-dependencies"])


@pytest.mark.parametrize("command", sorted(set(commands())))
def test_a_command_of_the_pages_exists(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its name, its options, the paths that it is given."""
    monkeypatch.chdir(ROOT)
    words = shlex.split(command, comments=True)
    match words:
        case ["pip", *rest] | ["python3", "-m", "pip", *rest]:
            install(rest)
        case ["python3", "-m", "pytest", *rest]:
            known = {"-n": 1, "--dist": 1}  # options of pytest that the pages name, with values
            while rest and rest[0] in known:
                rest = rest[1 + known[rest[0]] :]
            assert [word for word in rest if not (ROOT / word).exists()] == []
        case ["python3", "-m", "taskq_testing", *rest]:
            assert importlib.util.find_spec("taskq_testing.__main__") is not None
            parse(taskq_sim, rest)
        case ["taskq-sim", *rest]:
            parse(taskq_sim, rest)
        case ["taskq", *rest]:
            parse(taskq, rest)
        case _:
            raise AssertionError(f"no test knows the command {command!r}")


@pytest.mark.parametrize("name", ["taskq", "taskq-sim"])
def test_a_script_is_installed(name: str) -> None:
    """The commands that the pages name are entry points."""
    module, _, attribute = PROJECT["scripts"][name].partition(":")

    assert hasattr(importlib.import_module(module), attribute)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_page_points_to_what_exists(page: Path) -> None:
    """Links within the repository lead somewhere."""
    assert [link for link in links(page) if not (page.parent / link).exists()] == []
