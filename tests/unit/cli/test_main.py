"""The program: its own options, finding commands, and errors that are one line."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import click
import pytest

from taskq.cli import main as program
from taskq.cli.commands import COMMANDS, LATER
from taskq.cli.context import CLIContext
from taskq.cli.main import main
from taskq.errors import ImproperlyConfigured, LockFailed, OperationalError
from taskq.wiring import patching

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run the program here; the environment is put back afterwards."""
    monkeypatch.setattr(os, "environ", os.environ.copy())

    def run(*argv: str) -> tuple[int, str, str]:
        code = main(argv)
        out, err = capfd.readouterr()
        return code, out, err

    return run


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_of_the_table_has_help(command: str, run: Run) -> None:
    """The module of a row has the command, under the name of the row."""
    code, out, _ = run(command, "--help")

    assert code == 0
    assert out.startswith(f"Usage: taskq {command}")


def test_help_lists_all_commands(run: Run) -> None:
    """Each command stands in the help with its line."""
    code, out, _ = run("--help")

    assert code == 0
    for name, row in COMMANDS.items():
        assert name in out
        assert row.help in out


def test_help_loads_nothing_heavy() -> None:
    """The list of commands comes from the table: no command, app or broker is imported."""
    script = (
        "import sys, taskq.cli.main as m; m.main(['--help']);"
        "print({'taskq.cli.worker', 'taskq.cli.find_app', 'redis'} & set(sys.modules))"
    )

    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60
    )

    assert done.stdout.rstrip().endswith("set()")


def test_without_a_command_there_is_help(run: Run) -> None:
    """The bare program shows what it can do, and says that something was missing."""
    code, out, _ = run()

    assert code == 2
    assert "Commands:" in out


def test_the_version_is_shown(run: Run) -> None:
    """--version wins over everything."""
    code, out, _ = run("--version")

    assert code == 0
    assert out.startswith("taskq ")


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (("wroker",), "there is no command 'wroker'; did you mean 'worker'?"),
        (("zzz",), "there is no command 'zzz' (see `taskq --help`)"),
        (("worker", "--conccurrency", "3"), "'--concurrency'? (see `taskq worker --help`)"),
        (("worker", "-A", "proj"), "-A goes before the command: taskq -A ... worker"),
        (("worker", "-c", "many"), "'many' is neither a number above 0 nor 'auto'"),
        (("--nope",), "No such option '--nope' (see `taskq --help`)"),
        (("--workdir", "/no/such/dir", "report"), "'/no/such/dir' does not exist"),
        (("call",), "Missing argument 'NAME' (see `taskq call --help`)"),
    ],
)
def test_a_wrong_word_is_answered_in_one_line(argv: tuple[str, ...], said: str, run: Run) -> None:
    """What cannot be understood ends with exit code 2 and one line that says what to do."""
    code, out, err = run(*argv)

    assert (code, out) == (2, "")
    assert said in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (ImproperlyConfigured("bad setting"), 2, "taskq: bad setting\n"),
        (LockFailed("a.pid", 77, ""), 73, "taskq: a.pid: process 77 has it"),
        (OperationalError("no broker"), 69, "taskq: no broker\n"),
        (click.Abort(), 1, "taskq: stopped\n"),
        (click.ClickException("no"), 1, "taskq: no\n"),
        (click.UsageError("no"), 2, "taskq: no (see `taskq fail --help`)\n"),
    ],
)
def test_what_a_person_can_cause_is_no_traceback(
    error: Exception, code: int, said: str, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Configuration, broker and the person itself end a command with one line."""

    @click.command("fail")
    def fail() -> None:
        raise error

    monkeypatch.setitem(program.taskq.commands, "fail", fail)

    ended, out, err = run("fail")

    assert (ended, out) == (code, "")
    assert err.startswith(said)
    assert err.count("\n") == 1


def test_the_own_options_reach_the_command(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """URLs and names go through the environment, the rest through the context."""
    seen: list[CLIContext] = []

    @click.command("look")
    @click.pass_obj
    def look(context: CLIContext) -> None:
        seen.append(context)
        click.echo(Path.cwd())

    monkeypatch.setitem(program.taskq.commands, "look", look)
    monkeypatch.chdir(Path.cwd())

    code, out, _ = run(
        *("-b", "memory://", "--result-backend", "rpc://", "--config", "conf", "--loader", "app"),
        *("--workdir", str(tmp_path), "-C", "-q", "--skip-checks", "look"),
    )

    assert (code, out) == (0, f"{tmp_path}\n")
    assert (seen[0].no_color, seen[0].quiet, seen[0].workdir) == (True, True, str(tmp_path))
    assert os.environ["TASKQ_BROKER_URL"] == "memory://"
    assert os.environ["TASKQ_RESULT_BACKEND"] == "rpc://"
    assert os.environ["CELERY_CONFIG_MODULE"] == "conf"
    assert os.environ["CELERY_LOADER"] == "app"
    assert os.environ["CELERY_SKIP_CHECKS"] == "true"


def test_no_color_means_what_everybody_means_by_it(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """NO_COLOR counts as soon as it is not empty."""
    seen: list[bool] = []

    @click.command("look")
    @click.pass_obj
    def look(context: CLIContext) -> None:
        seen.append(context.no_color)

    monkeypatch.setitem(program.taskq.commands, "look", look)
    for value in ("", "please"):
        monkeypatch.setenv("NO_COLOR", value)
        assert run("look")[0] == 0

    assert seen == [False, True]


def test_options_can_be_given_in_the_environment(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """CELERY_<COMMAND>_<OPTION> gives an option."""
    monkeypatch.setenv("CELERY_WORKER_CONCURRENCY", "many")

    code, _, err = run("worker")

    assert code == 2
    assert "'many' is neither" in err


@pytest.mark.parametrize(
    ("argv", "environ", "pool"),
    [
        (("worker", "-P", "gevent"), {}, "gevent"),
        (("worker",), {"TASKQ_WORKER_POOL": "eventlet"}, "eventlet"),
        (("worker",), {"CELERY_WORKER_POOL": "gevent"}, "gevent"),
        (("worker",), {"TASKQ_WORKER_POOL": "solo", "CELERY_WORKER_POOL": "gevent"}, "solo"),
    ],
)
def test_a_pool_that_needs_patches_gets_them_first(
    argv: tuple[str, ...],
    environ: dict[str, str],
    pool: str,
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Before anything is parsed or loaded, and what is missing for it is one line."""
    asked: list[str] = []

    def patch_for(name: str) -> None:
        asked.append(name)
        raise ImproperlyConfigured(f"{name} is not installed")

    monkeypatch.setattr(patching, "patch_for", patch_for)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)

    code, _, err = run("--nope", *argv)

    assert asked == [pool]
    assert (code, err) == (2, f"taskq: {pool} is not installed\n")


def test_the_pages_name_every_command() -> None:
    """docs/commands.md has a row for each."""
    page = Path(__file__).parents[3] / "docs" / "commands.md"
    rows = page.read_text(encoding="utf-8")

    assert [name for name in COMMANDS if f"| `{name}" not in rows] == []


def test_what_comes_later_says_what_to_do_until_then(run: Run) -> None:
    """A command that Celery's users look for is not just unknown."""
    for name, instead in LATER.items():
        code, out, err = run(name)

        assert (code, out) == (2, "")
        assert f"{name!r} is not there yet; {instead}" in err


def test_installed_packages_add_commands(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """An entry point of the group is a command."""

    class Point:
        name, module, attr = "extra", __name__, "extra"

    monkeypatch.setattr(program, "entry_points", lambda group: [Point] if "celery" in group else [])

    assert run("extra") == (0, "extra ran\n", "")
    assert "From an installed package." in run("--help")[1]


@click.command("extra")
def extra() -> None:
    """The command of an installed package."""
    click.echo("extra ran")


def test_it_runs_as_a_module() -> None:
    """``python -m taskq`` is the program, and exits with its code."""
    done = subprocess.run(
        [sys.executable, "-m", "taskq", "nope"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert done.returncode == 2
    assert done.stderr.startswith("taskq: there is no command 'nope'")
