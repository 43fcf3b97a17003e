"""The file in which beat remembers its last runs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from taskq.errors import ImproperlyConfigured
from taskq.runtime.schedule_file import ScheduleFile, ScheduleInUseError


def test_what_was_written_is_read(tmp_path: Path) -> None:
    """As a whole, and by its owner alone."""
    file = ScheduleFile(str(tmp_path / "schedule"))
    assert file.read() is None

    file.write(b"one")
    file.write(b"two")

    assert file.read() == b"two"
    assert file.path.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["schedule"]


def test_what_cannot_be_written_leaves_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And nothing else."""
    file = ScheduleFile(str(tmp_path / "schedule"))
    file.write(b"old")

    def full(_fd: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        file.write(b"new")

    assert file.read() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["schedule"]


def test_one_process_has_it(tmp_path: Path) -> None:
    """A second one is refused while the first lives, and named who it is; then it may."""
    path = str(tmp_path / "schedule")
    code = (
        "import sys; from taskq.runtime.schedule_file import ScheduleFile;"
        f"ScheduleFile({path!r}).acquire(); print('has it', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == b"has it\n"
        second = ScheduleFile(path)
        with pytest.raises(ScheduleInUseError, match=f"process {first.pid}.*--schedule"):
            second.acquire()
        first.kill()
        first.wait()

    second.acquire()
    assert int(Path(f"{path}.lock").read_text()) == os.getpid()
    second.close()
    ScheduleFile(path).acquire()


def test_it_is_set_aside_under_a_free_name(tmp_path: Path) -> None:
    """What was set aside before stays."""
    file = ScheduleFile(str(tmp_path / "schedule"))
    names = []
    for content in (b"one", b"two"):
        file.write(content)
        names.append(Path(file.set_aside()).name)

    assert names == ["schedule.old-1", "schedule.old-2"]
    assert (tmp_path / "schedule.old-1").read_bytes() == b"one"
    assert file.read() is None


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    """Somebody else may have put it there."""
    (tmp_path / "other").write_bytes(b"secret")
    (tmp_path / "schedule").symlink_to(tmp_path / "other")

    with pytest.raises(ImproperlyConfigured, match="cannot be used"):
        ScheduleFile(str(tmp_path / "schedule")).read()


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    """A folder, say."""
    (tmp_path / "schedule").mkdir()

    with pytest.raises(ImproperlyConfigured, match="cannot be used"):
        ScheduleFile(str(tmp_path / "schedule")).read()


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    """Is said when the file is taken, with what to do."""
    with pytest.raises(ImproperlyConfigured, match=r"No such file.*--schedule"):
        ScheduleFile(str(tmp_path / "none" / "schedule")).acquire()
