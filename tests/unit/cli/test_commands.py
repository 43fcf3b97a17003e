"""The small commands, the types of their options, and the names of nodes."""

from __future__ import annotations

import code
import json
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from taskq.app import report as app_report
from taskq.cli import call, purge, report, result, shell
from taskq.cli.context import CLIContext
from taskq.cli.errors import CommandError
from taskq.cli.params import (
    AUTOSCALE,
    COMMA_SEPARATED_LIST,
    CONCURRENCY,
    ISO8601,
    ISO8601_OR_FLOAT,
    JSON_ARRAY,
    LOG_LEVEL,
)
from taskq.conf import Settings
from taskq.current import forget_app, set_current_app
from taskq.errors import ImproperlyConfigured
from taskq.errors import TimeoutError as ResultTimeoutError
from taskq.wiring.nodenames import expand, node_name

from .helpers import FakeApp


def invoke(command: click.Command, app: FakeApp, *argv: str, **options: Any) -> Result:
    context = CLIContext(app=app, no_color=True)
    return CliRunner().invoke(command, argv, obj=context, **options)


# -- call, result, report ------------------------------------------------------------------------


def test_call_sends_a_task_by_name() -> None:
    """Arguments are JSON, times are times, and the id is printed."""
    app = FakeApp()

    done = invoke(
        call.command,
        app,
        *("proj.add", "-a", "[1, 2]", "-k", '{"z": 3}', "--countdown", "5", "--queue", "q"),
        *("--eta", "2030-01-31T12:00:00+00:00", "--expires", "60"),
    )

    assert done.output == "the-id\n"
    as_json = invoke(call.command, app, "proj.add", "--json").output
    assert json.loads(as_json) == {"id": "the-id", "name": "proj.add"}
    del app.sent[1:]
    assert app.sent == [
        (
            "proj.add",
            {
                "args": [1, 2],
                "kwargs": {"z": 3},
                "countdown": 5.0,
                "queue": "q",
                "eta": datetime(2030, 1, 31, 12, tzinfo=UTC),
                "expires": 60.0,
                "serializer": "json",
            },
        )
    ]


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (("-a", "[1"), "'[1' is no JSON"),
        (("-a", '{"a": 1}'), "is no json array"),
        (("-k", "[]"), "is no json object"),
        (("--eta", "tomorrow"), "'tomorrow' is no time like 2030-01-31T12:00:00+00:00"),
        (("--expires", "tomorrow"), "'tomorrow' is no time like"),
    ],
)
def test_call_refuses_what_it_cannot_read(argv: tuple[str, ...], said: str) -> None:
    """Arguments that are no JSON and times that are no times are errors of use."""
    done = invoke(call.command, FakeApp(), "proj.add", *argv)

    assert done.exit_code == 2
    assert said in done.output


def test_result_shows_what_became_of_a_task() -> None:
    """The result, or the traceback, from the app's store or the task's own."""
    app = FakeApp()

    assert invoke(result.command, app, "7").output == "7 from default, False\n"
    assert invoke(result.command, app, "7", "-t", "proj.add").output == "7 from own, False\n"
    assert invoke(result.command, app, "7", "--traceback").output == "Traceback ...\n"
    as_json = json.loads(invoke(result.command, app, "7", "--json").output)
    assert (as_json["state"], as_json["result"]) == ("SUCCESS", "7 from default, False")
    assert (
        "there is no task 'proj.mul'" in invoke(result.command, app, "7", "-t", "proj.mul").output
    )


def test_a_result_that_does_not_come_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """With --timeout the command ends, says what state the task is in, and exits with 69."""

    def get(timeout: float, propagate: bool) -> Any:
        raise ResultTimeoutError("too long")

    app = FakeApp()
    app.AsyncResult = lambda _id: SimpleNamespace(get=get, state="STARTED")  # type: ignore[method-assign,assignment]  # one that does not end
    done = invoke(result.command, app, "7", "--timeout", "2")

    assert done.exit_code == 69
    assert "task 7 has no result after 2 s; its state is STARTED" in done.output


def test_report_shows_versions_and_settings_without_secrets() -> None:
    """What a bug report needs, and no password."""
    app = FakeApp(broker_url="amqp://u:hush@h//", redis_password="hush")

    out = invoke(report.command, app).output

    assert "kombu:" in out
    assert "amqp://u:**@h//" in out
    assert "redis_password: '********'" in out
    assert "hush" not in out
    said = json.loads(invoke(report.command, app, "--json").output)
    assert said["settings"]["redis_password"] == "********"
    assert said["broker"] == "amqp://u:**@h//"
    assert "hush" not in str(said)


def test_report_knows_what_is_not_installed() -> None:
    """A library that is not there is named as such."""
    assert app_report._version("no-such-library") == "not installed"


# -- purge ---------------------------------------------------------------------------------------


def test_purge_asks_first() -> None:
    """Without -f nothing is thrown away unless somebody says yes."""
    app = FakeApp()

    refused = invoke(purge.command, app, input="n\n")
    before = list(app.purged)
    agreed = invoke(purge.command, app, input="y\n")

    assert refused.exit_code == 1
    assert before == []
    assert app.purged == ["celery", "other"]
    assert "3 messages thrown away" in agreed.output


def test_purge_counts_for_machines() -> None:
    """Queue by queue; nothing else is printed, whoever is asked."""
    app = FakeApp()

    said = json.loads(invoke(purge.command, app, "-f", "--json").stdout)
    asked = json.loads(invoke(purge.command, app, "--json", input="y\n").stdout)

    assert said == {"celery": 1, "other": 2}
    assert asked == {"celery": 3, "other": 4}


@pytest.mark.parametrize(
    ("argv", "purged"),
    [(("-Q", "a,b"), ["a", "b"]), (("-X", "other"), ["celery"]), (("-Q", "empty"), ["empty"])],
)
def test_purge_takes_the_queues_that_are_chosen(
    argv: tuple[str, ...], purged: Sequence[str]
) -> None:
    """-Q names them, -X takes some away."""
    app = FakeApp()

    done = invoke(purge.command, app, "-f", *argv)

    assert app.purged == purged
    assert ("there was no message in empty" in done.output) is (purged == ["empty"])


def test_purge_of_nothing_is_a_mistake() -> None:
    """When no queue is left the command says so."""
    done = invoke(purge.command, FakeApp(), "-f", "-Q", "a", "-X", "a")

    assert done.exit_code == 2
    assert "no queue is left" in done.output


# -- shell ---------------------------------------------------------------------------------------


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Any]]:
    """Shells that only write down that they were opened; IPython is installed, bpython is not."""
    seen: list[tuple[str, Any]] = []
    ipython = ModuleType("IPython")
    ipython.__dict__["start_ipython"] = lambda argv, user_ns: seen.append(("ipython", user_ns))
    monkeypatch.setattr(shell, "patch_for", lambda library: seen.append((library, None)))
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setitem(sys.modules, "bpython", None)
    monkeypatch.setattr(code, "interact", lambda local, exitmsg: seen.append(("python", local)))
    return seen


def test_the_shell_knows_app_and_tasks(opened: list[tuple[str, Any]]) -> None:
    """The best shell that is installed opens, with the app and its tasks."""
    app = FakeApp()

    invoke(shell.command, app)
    invoke(shell.command, app, "--python", "-T", "--eventlet", "--gevent")

    (kind, names), *rest = opened
    assert kind == "ipython"
    assert names["app"] is app
    assert names["add"] is app.tasks["proj.add"]
    assert "chord" in names
    assert [name for name, _ in rest] == ["eventlet", "gevent", "python"]
    assert "add" not in rest[-1][1]


def test_a_shell_that_is_not_installed_is_named(
    opened: list[tuple[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Asked for by name it has to be there; otherwise the plain one opens."""
    assert "pip install bpython" in invoke(shell.command, FakeApp(), "-B").output

    monkeypatch.setitem(sys.modules, "IPython", None)
    invoke(shell.command, FakeApp())
    bpython = ModuleType("bpython")
    bpython.__dict__["embed"] = lambda names: opened.append(("bpython", names))
    monkeypatch.setitem(sys.modules, "bpython", bpython)
    invoke(shell.command, FakeApp(), "-B")

    assert [name for name, _ in opened] == ["python", "bpython"]


# -- types ---------------------------------------------------------------------------------------


def test_values_that_are_read_already_pass() -> None:
    """A default may have the type of the result."""
    now = datetime(2030, 1, 1, tzinfo=UTC)

    assert COMMA_SEPARATED_LIST.convert(("a",), None, None) == ["a"]
    assert JSON_ARRAY.convert([1], None, None) == [1]
    assert ISO8601.convert(now, None, None) is now
    assert ISO8601_OR_FLOAT.convert("2030-01-01T00:00:00+00:00", None, None) == now
    assert CONCURRENCY.convert(4, None, None) == 4
    assert AUTOSCALE.convert((10, 3), None, None) == (10, 3)
    assert AUTOSCALE.convert("10", None, None) == (10, 0)
    assert LOG_LEVEL.convert(20, None, None) == LOG_LEVEL.convert("20", None, None) == 20
    assert LOG_LEVEL.convert("fatal", None, None) == 50


# -- names of nodes ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "name"),
    [
        (None, "celery@box.example.org"),
        ("w1", "w1@box.example.org"),
        ("w1@other", "w1@other"),
        ("w1@%h", "w1@box.example.org"),
        ("%n-1@%d", "celery-1@example.org"),
        ("@other", "celery@other"),
    ],
)
def test_a_node_has_a_full_name(said: str | None, name: str) -> None:
    """A name without a host gets this host's; patterns are filled in."""
    assert node_name(said, "box.example.org") == name


def test_file_names_may_have_parts_of_the_name_of_the_node() -> None:
    """%n, %h, %d, %p, %i, %I and %% each stand for their part."""
    assert expand("%p|%n|%h|%d|%i|%I|%%|%x", "w1@a.b", 2) == "w1@a.b|w1|a.b|b|2|-2|%|%x"
    assert expand("%n%I.log", "w1@a") == "w1.log"
    assert expand("%d", "w1@a") == "a"


# -- the context ---------------------------------------------------------------------------------


def test_without_a_name_the_current_app_is_meant() -> None:
    """A program that made an app before it called a command means that one."""
    app: Any = FakeApp()
    set_current_app(app)
    try:
        assert CLIContext().app is app
    finally:
        forget_app(app)


def test_a_name_is_looked_up_when_the_app_is_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Making a context loads nothing; asking it for the app does."""
    monkeypatch.chdir(tmp_path)
    context = CLIContext(app="no_such_app")

    with pytest.raises(CommandError, match="cannot find the app 'no_such_app'"):
        _ = context.app


def test_a_configuration_that_is_named_replaces_the_apps_own() -> None:
    """--config is for this one run, whatever the app says."""
    app = SimpleNamespace(conf=Settings())
    app.config_from_object = app.conf.config_from_object
    app.config_from_object({"worker_pool": "solo"})

    with pytest.raises(ImproperlyConfigured, match="no_such_config"):
        CLIContext(app=app, config="no_such_config").app.conf.finalize()


def test_without_any_app_there_is_advice(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no app was named and none was made, the error says how to name one."""

    def refuse() -> None:
        raise ImproperlyConfigured("there is no current app")

    monkeypatch.setattr("taskq.current.get_current_app", refuse)

    with pytest.raises(CommandError, match="taskq -A proj worker"):
        _ = CLIContext().app


def test_a_context_speaks_in_colour_if_it_may(capsys: pytest.CaptureFixture[str]) -> None:
    """Colours are codes, and --no-color means none; errors go to the other stream."""
    plain, coloured = CLIContext(no_color=True), CLIContext()

    plain.echo("a", fg="red")
    plain.error("b")

    assert capsys.readouterr() == ("a\n", "b\n")
    assert (plain.OK, plain.ERROR) == ("OK", "ERROR")
    assert "\x1b[" in coloured.OK
    assert "\x1b[" in coloured.ERROR


def test_a_context_words_values_for_people() -> None:
    """Lists have bullets, answers are good or bad, mappings are JSON."""
    context = CLIContext(no_color=True)

    assert context.pretty(["a", "b"]) == ("OK", "* a\n* b")
    assert context.pretty([]) == ("OK", "- empty -")
    assert context.pretty({"ok": "pong"}) == ("OK", "    pong")
    assert context.pretty({"ok": ["a"]}) == ("OK", "    * a")
    assert context.pretty({"error": "no"}) == ("ERROR", "    no")
    assert context.pretty({"a": 1}) == ("OK", '{\n    "a": 1\n}')
    assert context.pretty(5) == ("OK", "5")


def test_a_context_says_who_said_what(capsys: pytest.CaptureFixture[str]) -> None:
    """Questions are not shown where it is to be quiet; bodies only if they are asked for."""
    loud, quiet = CLIContext(no_color=True), CLIContext(no_color=True, quiet=True)

    loud.say_chat("<-", "question", "body")
    loud.say_chat("->", "answer", "body", show_body=True)
    quiet.say_chat("<-", "question", "body", show_body=True)
    quiet.say_chat("->", "answer")

    assert capsys.readouterr().out == "<-  question\n->  answer\nbody\n answer\n"


def test_what_machines_get_has_no_passwords_of_objects(capsys: pytest.CaptureFixture[str]) -> None:
    """What has no form in JSON words itself, with stars in its URLs; texts are as they are."""
    CLIContext().echo_json(
        {"place": SimpleNamespace(url="redis://:hush@h"), "text": "redis://:seen@h"}
    )

    assert json.loads(capsys.readouterr().out) == {
        "place": "namespace(url='redis://:**@h')",
        "text": "redis://:seen@h",
    }
