"""What an app adds to commands, and what stands in the environment."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from taskq import signals
from taskq.cli import report, worker
from taskq.cli.context import CLIContext
from taskq.cli.environment import also_named
from taskq.cli.extending import AppCommand, EventsCommand

from .helpers import FakeApp


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch) -> FakeApp:
    monkeypatch.setenv("C_FORCE_ROOT", "1")
    made = FakeApp()
    made.user_options = {
        "preload": {click.Option(("-Z", "--template"), default="plain", help="Which template.")},
        "worker": {click.Option(("--fancy",), is_flag=True), click.Option(("--depth",), type=int)},
        "events": {click.Option(("--zoom",), type=int)},
    }
    return made


@pytest.fixture
def told() -> Iterator[list[dict[str, Any]]]:
    """What receivers of user_preload_options are told."""
    seen: list[dict[str, Any]] = []

    def receive(**named: Any) -> None:
        seen.append(named)

    signals.user_preload_options.connect(receive)
    yield seen
    signals.user_preload_options.disconnect(receive)


def run(command: click.Command, app: FakeApp | None, *argv: str) -> Result:
    return CliRunner().invoke(command, argv, obj=CLIContext(app=app, no_color=True, quiet=True))


def test_every_command_has_the_options_that_the_app_adds_to_all(
    app: FakeApp, told: list[dict[str, Any]]
) -> None:
    """What is given for them is told before the command runs, by whom."""
    done = run(report.command, app, "-Z", "shiny")
    run(report.command, app)

    assert done.exit_code == 0
    assert [one["options"] for one in told] == [{"template": "shiny"}, {"template": "plain"}]
    assert told[0]["app"] is app
    assert told[0]["sender"] is report.command.callback


def test_a_worker_gets_the_options_that_the_app_adds_to_it(
    app: FakeApp, told: list[dict[str, Any]]
) -> None:
    """Its own and those of every command."""
    run(worker.command, app, "--fancy", "--depth", "3", "-Z", "t")

    options = app.workers[0].options
    assert (options["fancy"], options["depth"], options["template"]) == (True, 3, "t")
    assert told[0]["options"] == {"template": "t"}


def test_a_monitor_gets_those_of_monitors(app: FakeApp) -> None:
    """A command class says what it is extended by."""
    seen: list[Any] = []
    command = click.command("events", cls=EventsCommand)(lambda **options: seen.append(options))

    run(command, app, "--zoom", "2")

    assert seen == [{"zoom": 2, "template": "plain"}]


def test_help_shows_what_the_app_adds(app: FakeApp) -> None:
    """Beside the command's own options; where no app was named there is nothing to add."""
    assert "--fancy" in run(worker.command, app, "--help").output
    assert "Which template." in run(worker.command, app, "--help").output
    assert "--fancy" not in run(worker.command, None, "--help").output
    assert CliRunner().invoke(worker.command, ["--help"]).exit_code == 0


def test_an_app_that_adds_nothing_is_told_nothing(told: list[dict[str, Any]]) -> None:
    """The signal is for those who have options."""
    run(report.command, FakeApp())

    assert told == []


@pytest.mark.parametrize(
    ("environ", "depth"),
    [
        ({"TASKQ_DIG_DEEP_DEPTH": "1"}, 1),
        ({"CELERY_DIG_DEEP_DEPTH": "2"}, 2),
        ({"TASKQ_DIG_DEEP_DEPTH": "1", "CELERY_DIG_DEEP_DEPTH": "2"}, 1),
        ({"OTHER": "3", "CELERY_DIG_DEEP_DEPTH": "2"}, 3),
        ({}, 0),
    ],
)
def test_an_option_may_stand_in_the_environment(environ: dict[str, str], depth: int) -> None:
    """Under our prefix or Celery's, with its commands in the name; ours counts more."""

    @click.group("dig")
    def dig() -> None:
        """Dig."""

    @dig.command("deep", cls=AppCommand)
    @click.option("--depth", type=int, default=0, envvar="OTHER" if "OTHER" in environ else None)
    @click.option("--hidden", allow_from_autoenv=False)
    def deep(depth: int, hidden: str | None) -> None:
        click.echo(f"{depth} {hidden}")

    also_named(dig, "dig")
    done = CliRunner().invoke(
        dig,
        ["deep"],
        env={**environ, "TASKQ_DIG_DEEP_HIDDEN": "x"},
        auto_envvar_prefix="CELERY_DIG",
    )

    assert done.output == f"{depth} None\n"
