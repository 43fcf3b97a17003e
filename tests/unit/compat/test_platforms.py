"""``celery.platforms``: pid files, signals, users, files, the background."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from taskq.compat import platforms
from taskq.errors import LockFailed, SecurityError


def test_a_pid_file_is_one_process_s(tmp_path: Path) -> None:
    """It holds the number, cannot be had twice, and goes with its owner."""
    pidfile = platforms.Pidfile(str(tmp_path / "w.pid"))

    assert (pidfile.is_locked(), pidfile.read_pid()) == (False, None)
    with pidfile:
        assert (pidfile.is_locked(), pidfile.read_pid()) == (True, os.getpid())
        with pytest.raises(LockFailed):
            platforms.Pidfile(pidfile.path).acquire()
    assert not pidfile.is_locked()


@pytest.mark.parametrize(
    ("content", "stale"), [("99999999\n", True), ("1\n", False), ("abc", True)]
)
def test_a_pid_file_that_is_left_over(tmp_path: Path, content: str, stale: bool) -> None:
    """One of a process that is gone, or that is none, is removed; that of a living one stays."""
    path = tmp_path / "w.pid"
    path.write_text(content)

    assert platforms.Pidfile(str(path)).remove_if_stale() is stale
    assert path.exists() is not stale


def test_a_lock_that_is_held_ends_the_program(tmp_path: Path) -> None:
    """And says who has it."""
    path = tmp_path / "w.pid"
    path.write_text("1\n")

    with pytest.raises(SystemExit, match="process 1"):
        platforms.create_pidlock(str(path))


def test_signals_by_their_short_names() -> None:
    """Set, read, reset and ignored; what the system does not have is passed over."""
    signals, called = platforms.signals, []
    before = signal.getsignal(signal.SIGUSR1)
    try:
        signals["USR1"] = lambda *_: called.append(1)
        os.kill(os.getpid(), signal.SIGUSR1)
        assert called == [1]
        signals.ignore("USR1", "NO_SUCH")
        assert signals["USR1"] == signal.SIG_IGN
        signals.reset("USR1")
        assert signals["USR1"] == signal.SIG_DFL
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert signals.signum("TERM") == signals.signum("SIGTERM") == signal.SIGTERM
    assert (signals.supported("INT"), signals.supported("NO_SUCH")) == (True, False)
    assert platforms.signal_name(signal.SIGTERM) == "TERM"


def test_users_and_groups() -> None:
    """By name and by number; one that is not there is an error."""
    assert (platforms.parse_uid("root"), platforms.parse_uid("3")) == (0, 3)
    assert platforms.parse_gid(3) == 3
    with pytest.raises(KeyError, match="nobody-x"):
        platforms.parse_uid("nobody-x")
    with pytest.raises(KeyError, match="nobody-x"):
        platforms.parse_gid("nobody-x")


def test_errors_of_the_system_are_passed_over() -> None:
    """Those that are named, and no others."""
    with platforms.ignore_errno("ENOENT"):
        Path("/no/such/file").read_text()
    with pytest.raises(FileNotFoundError), platforms.ignore_errno("EPERM"):
        Path("/no/such/file").read_text()


def test_open_files_are_found_and_closed() -> None:
    """By their paths; all but those to keep."""
    code = (
        "import os\n"
        "from taskq.compat import platforms\n"
        "keep, lose = os.open('/dev/null', os.O_RDONLY), os.open('/dev/zero', os.O_RDONLY)\n"
        "assert lose in platforms.fd_by_path(['/dev/zero'])\n"
        "platforms.close_open_fds([0, 1, 2, keep])\n"
        "os.fstat(keep)\n"
        "try:\n"
        "    os.fstat(lose)\n"
        "except OSError:\n"
        "    print('closed')\n"
    )

    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )

    assert done.stdout.strip() == "closed", done.stderr


def test_going_to_the_background(tmp_path: Path) -> None:
    """The process goes on without its terminal, in its directory, with its pid file."""
    pidfile, log = tmp_path / "d.pid", tmp_path / "d.log"
    code = (
        "import os\n"
        "from taskq.compat import platforms\n"
        f"with platforms.detached({str(log)!r}, {str(pidfile)!r}, workdir={str(tmp_path)!r}):\n"
        "    open('done', 'w').write(f'{os.getcwd()} {os.getsid(0) != os.getppid()}')\n"
    )

    subprocess.run([sys.executable, "-c", code], timeout=60, check=True)

    done = tmp_path / "done"
    deadline = time.monotonic() + 60
    while not (done.exists() and done.read_text()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert done.read_text() == f"{tmp_path} True"
    assert pidfile.read_text().strip().isdigit()


def test_root_and_pickle(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker of root's is refused if it reads pickle, else warned; other users may."""
    monkeypatch.setattr(os, "getuid", lambda: 0)
    monkeypatch.delenv("C_FORCE_ROOT", raising=False)
    with pytest.raises(SecurityError, match="C_FORCE_ROOT"):
        platforms.check_privileges(["json", "pickle"])
    with pytest.warns(Warning, match="should not run as root"):
        platforms.check_privileges(["json"])
    monkeypatch.setattr(os, "getuid", lambda: 1000)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    platforms.check_privileges(["pickle"])
