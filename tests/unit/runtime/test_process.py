"""The dealings of a worker with its own process."""

from __future__ import annotations

import os
import pathlib
import signal

import pytest

from taskq.errors import ImproperlyConfigured, LockFailed
from taskq.runtime.process import PidFile, become, group_id, parse_umask, signals_to, user_id


def test_a_signal_becomes_a_callback() -> None:
    """Within the block a signal calls back; after it the old handler is there again."""
    came: list[str] = []
    before = signal.getsignal(signal.SIGUSR2)

    with signals_to({signal.SIGUSR2: lambda: came.append("usr2")}):
        signal.raise_signal(signal.SIGUSR2)

    assert came == ["usr2"]
    assert signal.getsignal(signal.SIGUSR2) == before


def test_a_pid_file_holds_the_pid_until_it_is_released(tmp_path: pathlib.Path) -> None:
    """The file has this process's number, may be read by others, and goes away."""
    path = tmp_path / "worker.pid"
    file = PidFile(str(path))
    file.acquire()

    assert path.read_text() == f"{os.getpid()}\n"
    assert path.stat().st_mode & 0o777 == 0o644
    file.release()
    assert list(tmp_path.iterdir()) == []


def test_a_living_holder_keeps_its_pid_file(tmp_path: pathlib.Path) -> None:
    """A second worker is refused, and told which process has the file."""
    path = tmp_path / "worker.pid"
    path.write_text(f"{os.getppid()}\n")

    with pytest.raises(LockFailed, match=f"process {os.getppid()} has it"):
        PidFile(str(path)).acquire()
    assert path.read_text() == f"{os.getppid()}\n"


@pytest.mark.parametrize("pid", ["dead", "own"])
def test_a_stale_pid_file_is_replaced(tmp_path: pathlib.Path, pid: str, finished_pid: int) -> None:
    """The file of a dead process is taken over, and so is one with this process's own number."""
    path = tmp_path / "worker.pid"
    path.write_text(f"{finished_pid if pid == 'dead' else os.getpid()}\n")
    PidFile(str(path)).acquire()

    assert path.read_text() == f"{os.getpid()}\n"


@pytest.mark.parametrize("content", ["", "hello", "[1]"])
def test_a_file_that_is_no_pid_file_is_left_alone(tmp_path: pathlib.Path, content: str) -> None:
    """A path given by mistake costs nobody a file."""
    path = tmp_path / "notes.txt"
    path.write_text(content)

    with pytest.raises(LockFailed, match="no pid file"):
        PidFile(str(path)).acquire()
    assert path.read_text() == content


def test_a_link_is_not_followed(tmp_path: pathlib.Path) -> None:
    """A link in the place of the pid file is refused; what it points to is left alone."""
    target, path = tmp_path / "target", tmp_path / "worker.pid"
    target.write_text("99999999\n")
    path.symlink_to(target)

    with pytest.raises(LockFailed):
        PidFile(str(path)).acquire()
    assert target.read_text() == "99999999\n"


def test_a_folder_that_is_missing_is_named(tmp_path: pathlib.Path) -> None:
    """The error has the path and the reason."""
    with pytest.raises(LockFailed, match=r"nowhere/worker\.pid.*No such file"):
        PidFile(str(tmp_path / "nowhere" / "worker.pid")).acquire()


def test_another_process_does_not_release_the_file(tmp_path: pathlib.Path) -> None:
    """Only the process that is named in the file removes it."""
    path = tmp_path / "worker.pid"
    path.write_text(f"{os.getppid()}\n")
    PidFile(str(path)).release()

    assert path.exists()


def test_users_and_groups_go_by_name_or_number() -> None:
    """``root`` and ``0`` are the same; an unknown name is an error that says so."""
    assert user_id("0") == user_id("root") == user_id(0) == 0
    assert group_id("0") == group_id(0) == 0
    with pytest.raises(ImproperlyConfigured, match="no user is called 'nobody-at-all'"):
        user_id("nobody-at-all")
    with pytest.raises(ImproperlyConfigured, match="no group is called 'nobody-at-all'"):
        group_id("nobody-at-all")


def test_to_become_nobody_else_is_nothing() -> None:
    """Without user and group, and with the own ones, nothing happens."""
    become(None, None)
    become("", "")
    become(os.geteuid(), os.getegid())


@pytest.mark.parametrize(
    ("text", "mask"), [("022", 0o22), ("0o077", 0o77), (18, 18), (None, None), ("", None)]
)
def test_a_umask_is_octal(text: str | int | None, mask: int | None) -> None:
    """Text is read as octal digits, a number is taken as it is."""
    assert parse_umask(text) == mask


def test_a_umask_that_is_no_number_is_refused() -> None:
    """The error repeats what was given."""
    with pytest.raises(ImproperlyConfigured, match="'rwx'"):
        parse_umask("rwx")


@pytest.fixture
def finished_pid() -> int:
    """Return the number of a process that is gone."""
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    return pid
