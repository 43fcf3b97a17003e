"""``taskq worker``: what it tells the worker, what it prints, how it ends."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from taskq import signals
from taskq.cli import daemon
from taskq.cli.context import CLIContext
from taskq.cli.worker import command
from taskq.errors import LockFailed

from .helpers import FakeApp


@pytest.fixture(autouse=True)
def _calm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "environ", os.environ.copy())
    monkeypatch.setenv("C_FORCE_ROOT", "1")


def start(app: FakeApp, *argv: str, quiet: bool = True) -> Result:
    context = CLIContext(app=app, no_color=True, quiet=quiet)
    return CliRunner().invoke(command, argv, obj=context)


def told(*argv: str, **settings: Any) -> dict[str, Any]:
    """What the worker is told, without what it is always told."""
    app = FakeApp(**settings)
    result = start(app, *argv)
    assert result.exit_code == 0, result.output
    options = dict(app.workers[0].options)
    for name in ("no_color", "quiet", "loglevel", "optimization"):
        del options[name]
    return options


def test_a_plain_worker_is_told_its_name_only() -> None:
    """What is not said is left to the settings."""
    options = told()

    assert options.keys() == {"hostname"}
    assert options["hostname"].startswith("celery@")


def test_every_option_reaches_the_worker() -> None:
    """Each option of the command is told under its name, with its type."""
    argv = (
        *("-n", "w1@%h", "-c", "4", "-P", "threads", "-Q", "a, b", "-X", "c", "-I", "m1,m2"),
        *("-E", "--time-limit", "10", "--soft-time-limit", "5", "--max-tasks-per-child", "3"),
        *("--max-memory-per-child", "1000", "--pool-start-method", "spawn", "--purge"),
        *("--prefetch-multiplier", "2", "--disable-prefetch", "--without-gossip"),
        *("--without-mingle", "--without-heartbeat", "--heartbeat-interval", "7"),
        *("--autoscale", "3,10", "-B", "-s", "sched", "--scheduler", "x:Y", "-S", "%n.db"),
    )

    options = told(*argv)

    assert options.pop("hostname").startswith("w1@")
    assert options == {
        "concurrency": 4,
        "pool": "threads",
        "queues": ["a", "b"],
        "exclude_queues": ["c"],
        "include": ["m1", "m2"],
        "task_events": True,
        "time_limit": 10.0,
        "soft_time_limit": 5.0,
        "max_tasks_per_child": 3,
        "max_memory_per_child": 1000,
        "pool_start_method": "spawn",
        "purge": True,
        "prefetch_multiplier": 2,
        "disable_prefetch": True,
        "without_gossip": True,
        "without_mingle": True,
        "without_heartbeat": True,
        "heartbeat_interval": 7,
        "autoscale": (10, 3),
        "beat": True,
        "schedule_filename": "sched",
        "scheduler": "x:Y",
        "statedb": "w1.db",
    }


def test_auto_means_the_cores_that_this_process_may_use() -> None:
    """-c auto is a number by the time the worker is told."""
    assert told("-c", "auto")["concurrency"] == len(os.sched_getaffinity(0))


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (("-c", "0"), "neither a number above 0 nor 'auto'"),
        (("-P", "forks"), "'forks' is not one of"),
        (("--autoscale", "1,2,3"), "is not like 10,3"),
        (("--autoscale", "x"), "is not like 10,3"),
        (("-l", "loud"), "'loud' is not one of"),
    ],
)
def test_a_wrong_value_is_refused(argv: tuple[str, ...], said: str) -> None:
    """What an option cannot mean is an error of use."""
    result = start(FakeApp(), *argv)

    assert result.exit_code == 2
    assert said in result.output


def test_the_exit_code_is_that_of_the_worker() -> None:
    """A worker that gives up on its broker ends the program with its code."""
    assert start(FakeApp(exit_code=1)).exit_code == 1


def test_logging_is_set_up_before_the_worker_is_made(tmp_path: Path) -> None:
    """Level, file with its pattern filled in, and colours go to the app's logging."""
    app = FakeApp(worker_logfile=str(tmp_path / "%n.log"))

    start(app, "-n", "w1", "-l", "info")

    (level, logfile), options = app.logging[0]
    assert (level, logfile) == (20, str(tmp_path / "%n.log"))
    assert options["colorize"] is False
    assert options["hostname"].startswith("w1@")
    assert app.workers[0].options["logfile"] == str(tmp_path / "w1.log")


def test_a_log_that_cannot_be_written_is_named() -> None:
    """A log file in a directory that does not exist is one line."""
    app = FakeApp()

    def setup(*_: Any, **__: Any) -> None:
        raise FileNotFoundError(2, "No such file or directory")

    app.log.setup = setup
    result = start(app, "-f", "/no/such/worker.log")

    assert result.exit_code == 2
    assert "cannot write the log to /no/such/worker.log: No such file" in result.output


def test_the_banner_says_who_and_where(capfd: pytest.CaptureFixture[str]) -> None:
    """Node, app, broker and store without passwords, pool and queues; tasks at INFO."""
    app = FakeApp(broker_url="amqp://u:hush@h//", result_backend="redis://:hush@h/0")

    start(app, "-n", "w1@host", "-l", "INFO", "-c", "3", quiet=False)

    out = capfd.readouterr().out
    assert "w1@host" in out
    assert "amqp://u:**@h//" in out
    assert "redis://:**@h/0" in out
    assert "prefork, 3 slots" in out
    assert "  celery      exchange=celery(direct) key=celery\n" in out
    assert "  long_queue  exchange=(default)(direct) key=k\n" in out
    assert "[tasks]\n  . proj.add\n" in out
    assert "celery.chord" not in out
    assert "hush" not in out


def test_the_banner_of_an_empty_app(capfd: pytest.CaptureFixture[str]) -> None:
    """Nothing set is said as nothing set; with a list of brokers all are shown."""
    app = FakeApp(main=None)
    app.tasks.clear()
    start(app, "-l", "info", quiet=False)
    start(FakeApp(broker_url=["a://u:hush@h", "b://h"]), quiet=False)

    out = capfd.readouterr().out
    assert "amqp://guest:**@localhost:5672// (the default; `broker_url` is not set)" in out
    assert "`result_backend` is not set" in out
    assert "(none; see the settings" in out
    assert "a://u:**@h; b://h" in out
    assert out.count("[tasks]") == 1


def test_quiet_means_no_banner(capfd: pytest.CaptureFixture[str]) -> None:
    """-q prints nothing."""
    result = start(FakeApp())

    assert result.output == capfd.readouterr().out == ""


def test_the_streams_are_put_back_at_the_end() -> None:
    """What ends the command is not sent to a log that nobody looks at."""
    app, before = FakeApp(), (sys.stdout, sys.stderr)

    def setup(*_: Any, **__: Any) -> None:
        sys.stdout = sys.stderr = io.StringIO()

    app.log.setup = setup
    start(app)

    assert (sys.stdout, sys.stderr) == before


def test_a_pidfile_is_held_while_the_worker_works(tmp_path: Path) -> None:
    """It has the process id while the worker runs, and is gone afterwards."""
    seen: list[str] = []
    app = FakeApp()
    path = tmp_path / "w1.pid"

    def log_setup(*_: Any, **__: Any) -> None:
        seen.append(path.read_text())

    app.log.setup = log_setup
    result = start(app, "-n", "w1", "--pidfile", str(tmp_path / "%n.pid"))

    assert result.exit_code == 0
    assert seen == [f"{os.getpid()}\n"]
    assert not path.exists()


def test_a_pidfile_of_a_living_process_is_respected(tmp_path: Path) -> None:
    """A second worker with the same pidfile does not start."""
    path = tmp_path / "worker.pid"
    path.write_text(f"{os.getppid()}\n")
    app = FakeApp()

    result = start(app, "--pidfile", str(path))

    assert isinstance(result.exception, LockFailed)
    assert app.workers == []
    assert path.exists()


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What would have been done to go to the background; nothing is."""
    seen: list[Any] = []

    def execute(path: str, argv: list[str], environ: dict[str, str]) -> None:
        seen.append((path, argv, environ[daemon.DETACHED]))
        raise SystemExit(0)

    monkeypatch.setattr(daemon, "detach_process", lambda umask: seen.append(("umask", umask)))
    monkeypatch.setattr(os, "execve", execute)
    monkeypatch.setattr(sys, "argv", ["taskq", "-A", "proj", "worker", "-D"])
    return seen


def test_in_the_background_the_same_command_runs_again(started: list[Any], tmp_path: Path) -> None:
    """-D says so, leaves the terminal, and starts this command afresh."""
    app = FakeApp()

    result = start(
        app,
        *("-D", "-n", "w1@h", "--executable", "/py", "--umask", "022"),
        *("--pidfile", str(tmp_path / "p")),
        quiet=False,
    )

    assert result.output == "w1@h starts in the background\n"
    assert started == [
        ("umask", 0o22),
        ("/py", ["/py", "-m", "taskq", "-A", "proj", "worker", "-D"], "1"),
    ]
    assert app.workers == []
    assert start(app, "-D").output == ""


def test_a_pidfile_that_is_taken_keeps_from_going_to_the_background(
    started: list[Any], tmp_path: Path
) -> None:
    """The mistake is found while somebody still looks."""
    (tmp_path / "p").write_text(f"{os.getppid()}\n")

    result = start(FakeApp(), "-D", "--pidfile", str(tmp_path / "p"), quiet=False)

    assert isinstance(result.exception, LockFailed)
    assert started == []
    assert result.output == ""


def test_the_process_in_the_background_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """Started by -D, it is the worker; with C_FAKEFORK nothing is started anew either."""
    monkeypatch.setenv(daemon.DETACHED, "1")
    app = FakeApp()

    start(app, "-D")
    assert daemon.DETACHED not in os.environ
    monkeypatch.setenv("C_FAKEFORK", "1")
    start(app, "-D")

    assert len(app.workers) == 2


def test_a_worker_that_asks_for_it_is_begun_anew(started: list[Any]) -> None:
    """By the same command, which stays where it is."""
    app = FakeApp()
    app.wants_restart = True

    start(app, "--executable", "/py")

    (path, argv, detached) = started[0]
    assert (path, argv[1:3], detached) == ("/py", ["-m", "taskq"], "1")


def test_receivers_may_change_settings_before_the_worker_is_made() -> None:
    """celeryd_init comes first of all, by the name of the node."""
    app, seen = FakeApp(), list[Any]()

    def receive(instance: Any, conf: Any, options: Any, **_: Any) -> None:
        conf.worker_prefetch_multiplier = 7
        seen.append((instance.app, instance.hostname, options["concurrency"], len(app.workers)))

    def other(**_: Any) -> None:
        seen.append("other")

    signals.celeryd_init.connect(receive, sender="w1@h")
    signals.celeryd_init.connect(other, sender="w2@h")
    try:
        start(app, "-n", "w1@h", "-c", "3")
    finally:
        signals.celeryd_init.disconnect(receive, sender="w1@h")
        signals.celeryd_init.disconnect(other, sender="w2@h")

    assert seen == [(app, "w1@h", 3, 0)]
    assert app.conf.worker_prefetch_multiplier == 7


def test_modules_that_are_not_there_are_one_line() -> None:
    """A worker whose modules cannot be imported does not start."""

    class Broken(FakeApp):
        def Worker(self, **_: Any) -> Any:  # noqa: N802 - Celery's name
            raise ModuleNotFoundError("No module named 'nosuch'")

    result = start(Broken(), "-I", "nosuch")

    assert result.exit_code == 2
    assert "cannot make the worker: No module named 'nosuch'" in result.output


def test_a_pool_may_be_a_class_of_somebody_elses() -> None:
    """By its path."""
    assert told("-P", "mine.pools:Pool")["pool"] == "mine.pools:Pool"


def test_root_and_pickle_do_not_go_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """As root, with pickle accepted, a worker does not start unless it is forced."""
    monkeypatch.setattr(os, "getuid", lambda: 0)
    monkeypatch.delenv("C_FORCE_ROOT")
    app = FakeApp(accept_content=["json", "pickle"])

    result = start(app)

    assert result.exit_code == 2
    assert "refused to run as root" in result.output
    assert start(FakeApp()).exit_code == 0
    monkeypatch.setenv("C_FORCE_ROOT", "1")
    assert start(app).exit_code == 0


def test_user_and_mask_are_changed_before_anything_is_written(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Mask and user hold when the log is opened."""
    done: list[Any] = []
    app = FakeApp(worker_umask="027")
    monkeypatch.setattr(os, "umask", lambda mask: done.append(("umask", mask)))
    monkeypatch.setattr(daemon, "become", lambda *who: done.append(("become", *who)))
    app.log.setup = lambda *_, **__: done.append("log")

    start(app, "--uid", "me", "--gid", "us")

    assert done == [("umask", 0o27), ("become", "me", "us"), "log"]


def test_the_settings_fill_in_what_is_not_said() -> None:
    """worker_uid and its like are the defaults of the options."""
    options = dict.fromkeys(("logfile", "pidfile", "uid", "gid", "umask", "executable"))
    options |= {"uid": "me", "concurrency": None}

    daemon.fill_in(FakeApp(worker_umask="022", worker_uid="you").conf, options, "worker")

    assert (options["umask"], options["uid"]) == ("022", "me")
