"""A process that goes to the background, and one that becomes somebody else: for real."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys
import time

import pytest

REPORT = """
import os, pathlib, sys
from taskq.runtime.process import become, detach
{act}
umask = os.umask(0)
pathlib.Path(sys.argv[1]).with_suffix(".new").write_text(
    f"{{os.getpid()}} {{os.getppid()}} {{os.getsid(0)}} {{os.geteuid()}} {{os.getgroups()}} "
    f"{{umask:o}} {{os.readlink('/proc/self/fd/1')}}"
)
os.rename(pathlib.Path(sys.argv[1]).with_suffix(".new"), sys.argv[1])
"""


def run(act: str, report: pathlib.Path, umask: int = 0o27) -> subprocess.CompletedProcess[str]:
    """Run a script that acts and then reports on itself; its own end is not waited for."""
    return subprocess.run(
        [sys.executable, "-c", REPORT.format(act=act), str(report)],
        check=False, capture_output=True, text=True, umask=umask, timeout=20,
    )  # fmt: skip


def read(report: pathlib.Path) -> str:
    """Wait for the report: the pipe of the script is closed before it is written."""
    end_s = time.monotonic() + 10
    while not report.exists():
        assert time.monotonic() < end_s, "the process in the background has not reported"
        os.sched_yield()
    return report.read_text()


@pytest.mark.parametrize(
    ("inherited", "given", "expected"), [(0o27, "", "27"), (0, "", "22"), (0, "umask=0o77", "77")]
)
def test_a_detached_process_stands_alone(
    tmp_path: pathlib.Path, inherited: int, given: str, expected: str
) -> None:
    """It has left session, terminal and parent; its files are safe from others."""
    report = tmp_path / "report"
    done = run(f"detach({given})", report, inherited)
    _pid, _parent, session, _user, *_, umask, stdout = read(report).split()

    assert done.returncode == 0
    assert int(session) != os.getsid(0)
    assert (umask, stdout) == (expected, os.devnull)


def test_what_is_given_up_is_gone(tmp_path: pathlib.Path) -> None:
    """After root has become somebody, neither its user nor its groups are left; others cannot."""
    tmp_path.chmod(0o777)
    for parent in tmp_path.parents:  # pytest's own, closed to others
        if parent.stat().st_mode & 0o777 == 0o700:
            parent.chmod(0o711)
    report = tmp_path / "report"
    done = run("become(65534, None)", report, 0o22)

    if os.geteuid() == 0:
        assert done.returncode == 0, done.stderr
        assert " 65534 [65534] " in read(report)
    else:
        assert "only root may change its user" in done.stderr
