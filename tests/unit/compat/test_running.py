"""An environment in which every Python, and a program ``celery``, can mean taskq."""

from __future__ import annotations

import os
import subprocess
import sysconfig
import venv
from pathlib import Path

import pytest

import taskq

# What the environment made here does not have, and this one has.
LIBRARIES = os.pathsep.join([str(Path(taskq.__file__).parents[1]), sysconfig.get_path("purelib")])


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make an environment of its own."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False)
    return folder


def run(environment: Path, *words: str, program: str = "python", **environ: str) -> str:
    """Run one of its programs, and return what it prints."""
    inherited = {key: value for key, value in os.environ.items() if key != "TASKQ_AS_CELERY"}
    done = subprocess.run(
        [str(environment / "bin" / program), *words],
        env={**inherited, "PYTHONPATH": LIBRARIES, **environ},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return done.stdout + done.stderr


SWITCH = ("-m", "taskq.compat.celery")
ASK = "import celery; print('taskq' in celery.__version__)"
WAITS = "import sys; print(any('Waiting' in repr(each) for each in sys.meta_path))"


def test_an_environment_is_switched_and_switched_back(environment: Path) -> None:
    """Two files make it so, where the variable says it; they are taken away again."""
    written = run(environment, *SWITCH, "--enable").split()

    assert [Path(each).name for each in written] == ["taskq_as_celery.pth", "celery"]
    assert run(environment, "-c", ASK, TASKQ_AS_CELERY="1").strip() == "True"
    assert run(environment, "-c", WAITS).strip() == "False"
    assert "worker" in run(environment, "--help", program="celery")
    assert run(environment, *SWITCH, "--enable").split() == written

    assert run(environment, *SWITCH, "--disable").split() == written
    assert not any(Path(each).exists() for each in written)
    assert run(environment, "-c", WAITS, TASKQ_AS_CELERY="1").strip() == "False"


def test_the_program_of_another_package_stays(environment: Path) -> None:
    """Where the real Celery has its program, nothing is written over it, or taken away."""
    other = environment / "bin" / "celery"
    other.write_text("#!/bin/sh\n")

    said = run(environment, *SWITCH, "--enable")

    assert "another package's" in said
    assert "Traceback" not in said
    assert run(environment, *SWITCH, "--disable").strip() == ""
    assert other.read_text() == "#!/bin/sh\n"
    other.unlink()
