"""``inspect``, ``control`` and ``status``: what they ask workers, and how they show the answers."""

from __future__ import annotations

import json
from typing import Any

import pytest
from click.testing import CliRunner, Result

from taskq.app.control.panel import Panel, control_command, inspect_command
from taskq.cli import control, inspect, status
from taskq.cli.context import CLIContext

from .helpers import FakeApp


@pytest.fixture(autouse=True)
def table(monkeypatch: pytest.MonkeyPatch) -> None:
    """A table of commands of our own."""
    monkeypatch.setattr(Panel, "data", {})
    monkeypatch.setattr(Panel, "meta", {})

    @inspect_command()
    def ping(state: Any) -> Any:
        """Ask who is there."""

    @inspect_command(alias="dump_tasks", variadic="items", signature="[attr1 [attr2]]")
    def registered(state: Any) -> Any:
        """List tasks.

        With their attributes.
        """

    @inspect_command(visible=False)
    def hello(state: Any) -> Any:
        """Greet."""

    @inspect_command(default_timeout=60.0)
    def objgraph(state: Any) -> Any:
        """Draw."""

    @control_command(args=[("n", int)], signature="[N=1]", default_timeout=0.2)
    def pool_grow(state: Any, n: int = 1) -> Any:
        """Grow."""

    @control_command(args=[("signal", str)], variadic="task_id")
    def terminate(state: Any) -> Any:
        """End tasks."""

    @control_command(args=[("label", None)])
    def mark(state: Any) -> Any:
        """Mark."""


def run(command: Any, app: FakeApp, *argv: str, quiet: bool = False) -> Result:
    context = CLIContext(app=app, no_color=True, quiet=quiet)
    return CliRunner().invoke(command, argv, obj=context)


@pytest.fixture
def app() -> FakeApp:
    made = FakeApp()
    made.replies = [{"w1@h": {"ok": "pong"}}, {"w2@h": {"ok": "pong"}}]
    return made


# -- asking ----------------------------------------------------------------------------------------


def test_a_question_goes_to_all_workers(app: FakeApp) -> None:
    """Without a destination nobody is left out, and the time to wait is at least a second."""
    run(inspect.command, app, "ping")
    run(inspect.command, app, "objgraph")
    run(control.command, app, "pool_grow", "-t", "0.5")

    (ping, how), (_, slow), (grow, quick) = app.asked
    assert (ping, grow) == ("ping", "pool_grow")
    assert how == {
        "arguments": {},
        "destination": None,
        "reply": True,
        "timeout": 1.0,
        "limit": None,
    }
    assert (slow["timeout"], quick["timeout"]) == (60.0, 0.5)


def test_who_is_asked_by_name_answers_alone(app: FakeApp) -> None:
    """With a destination no more replies than that are waited for; who is silent is named."""
    done = run(inspect.command, app, "ping", "-d", "w1@h,w2@h,w3@h", "--timeout", "2")

    (_, how) = app.asked[0]
    assert (how["destination"], how["limit"]) == (["w1@h", "w2@h", "w3@h"], 3)
    assert "no reply from w3@h" in done.stderr


@pytest.mark.parametrize(
    ("command", "argv", "arguments"),
    [
        (control.command, ("pool_grow", "3"), {"n": 3}),
        (control.command, ("pool_grow",), {}),
        (
            control.command,
            ("terminate", "KILL", "a", "b"),
            {"signal": "KILL", "task_id": list("ab")},
        ),
        (control.command, ("terminate", "KILL"), {"signal": "KILL"}),
        (control.command, ("mark", "x"), {"label": "x"}),
        (inspect.command, ("registered", "rate_limit"), {"items": ["rate_limit"]}),
        (inspect.command, ("dump_tasks",), {}),
    ],
)
def test_words_become_arguments(
    command: Any, argv: tuple[str, ...], arguments: dict[str, Any], app: FakeApp
) -> None:
    """By the names and types that the command's row has; a variadic one takes the rest."""
    run(command, app, *argv)

    assert app.asked[0][1]["arguments"] == arguments


def test_an_alias_is_sent_under_its_own_name(app: FakeApp) -> None:
    """Workers of any version know the name that is not the alias."""
    run(inspect.command, app, "dump_tasks")

    assert app.asked[0][0] == "registered"


@pytest.mark.parametrize(
    ("command", "argv", "said"),
    [
        (inspect.command, (), "Missing argument 'COMMAND'; --list shows what there is"),
        (control.command, (), "Missing argument 'COMMAND'"),
        (inspect.command, ("pong",), "there is no inspect command 'pong'; did you mean 'ping'?"),
        (control.command, ("zzz",), "no control command 'zzz'; see `taskq control --list`"),
        (control.command, ("ping",), "'ping' is a command of `taskq inspect`"),
        (inspect.command, ("pool_grow",), "'pool_grow' is a command of `taskq control`"),
        (inspect.command, ("hello",), "there is no inspect command 'hello'"),
        (inspect.command, ("ping", "extra"), "'extra' is one argument too many for `ping`"),
        (control.command, ("pool_grow", "x"), "pool_grow: n has to be of the type int, 'x' is not"),
        (inspect.command, ("ping", "--tiemout", "3"), "No such option"),
    ],
)
def test_a_wrong_command_is_not_sent(
    command: Any, argv: tuple[str, ...], said: str, app: FakeApp
) -> None:
    """It ends with exit code 2 and says what there is."""
    done = run(command, app, *argv)

    assert done.exit_code == 2
    assert said in done.output
    assert app.asked == []


def test_commands_of_the_apps_modules_are_known(app: FakeApp) -> None:
    """The modules of the app are imported before a command is looked up."""

    def import_them() -> None:
        @inspect_command()
        def mine(state: Any) -> Any:
            """Of the app."""

    app.import_default_modules = import_them  # type: ignore[method-assign]  # the modules

    assert run(inspect.command, app, "mine").exit_code == 0
    assert "mine" in run(inspect.command, app, "--list").output


def test_modules_that_cannot_be_imported_are_one_line(app: FakeApp) -> None:
    """The mistake is named, and no traceback shown."""

    def import_them() -> None:
        raise ImportError("No module named 'nosuch'")

    app.import_default_modules = import_them  # type: ignore[method-assign]  # the modules
    done = run(inspect.command, app, "ping")

    assert done.exit_code == 2
    assert "ImportError: No module named 'nosuch'" in done.output


@pytest.mark.parametrize(
    ("command", "argv"),
    [(inspect.command, ("ping",)), (control.command, ("pool_grow",)), (status.command, ())],
)
@pytest.mark.parametrize("json_too", [(), ("--json",)])
def test_nobody_answers(command: Any, argv: tuple[str, ...], json_too: tuple[str, ...]) -> None:
    """Then the exit code says so: 69, as of a service that is not there."""
    done = run(command, FakeApp(), *argv, *json_too)

    assert done.exit_code == 69
    assert done.stdout == ""
    assert "Error: No nodes replied within time constraint" in done.stderr


# -- showing ---------------------------------------------------------------------------------------


def test_answers_are_shown_for_people(app: FakeApp) -> None:
    """Node by node, as Celery does it, so that whoever reads it by a script still can."""
    app.replies = [
        {"w1@h": {"ok": "pong"}},
        {"w2@h": ["a", "b"]},
        {"w3@h": []},
        {"w4@h": {"error": "no"}},
        {"w5@h": {"clock": 5}},
    ]

    done = run(inspect.command, app, "ping")

    assert done.output == (
        "->  w1@h: OK\n        pong\n"
        "->  w2@h: OK\n    * a\n    * b\n"
        "->  w3@h: OK\n    - empty -\n"
        "->  w4@h: ERROR\n        no\n"
        '->  w5@h: OK\n    {\n        "clock": 5\n    }\n'
        "\n5 nodes online.\n"
    )


def test_what_was_done_is_shown_without_a_count(app: FakeApp) -> None:
    """``control`` counts nothing."""
    app.replies = [{"w1@h": {"ok": "pool will grow"}}]

    done = run(control.command, app, "pool_grow")

    assert done.output == "->  w1@h: OK\n        pool will grow\n"


def test_the_status_is_who_is_there(app: FakeApp) -> None:
    """One line for each node."""
    assert run(status.command, app).output == "->  w1@h: OK\n->  w2@h: OK\n\n2 nodes online.\n"
    app.replies = app.replies[:1]
    assert run(status.command, app).output == "->  w1@h: OK\n\n1 node online.\n"
    assert app.asked[0][0] == "ping"


def test_quiet_means_answers_alone(app: FakeApp) -> None:
    """No arrow and no count."""
    assert run(status.command, app, quiet=True).output == " w1@h: OK\n w2@h: OK\n"


def test_answers_are_json_for_machines(app: FakeApp) -> None:
    """One line: an object by node, or for ``control`` the list of replies, as Celery's."""
    by_node = {"w1@h": {"ok": "pong"}, "w2@h": {"ok": "pong"}}

    assert json.loads(run(inspect.command, app, "ping", "--json").stdout) == by_node
    assert json.loads(run(status.command, app, "-j").stdout) == by_node
    assert json.loads(run(control.command, app, "pool_grow", "-j").stdout) == app.replies


def test_the_list_shows_what_may_be_sent(app: FakeApp) -> None:
    """With arguments and a line of help; without aliases and what is not for people."""
    out = run(inspect.command, app, "--list").output

    assert out.startswith("Inspect Commands:\n")
    assert "registered [attr1 [attr2]]  List tasks.\n" in out
    assert "dump_tasks" not in out
    assert "hello" not in out
    assert "pool_grow" not in out
    assert "pool_grow [N=1]" in run(control.command, app, "--list").output
