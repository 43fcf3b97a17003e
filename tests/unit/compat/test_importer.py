"""What ``import celery`` gives once the alias is there; each program has its own process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from taskq.compat.importer import SITE
from taskq.compat.names import MODULES


def run(code: str, *, cwd: Path | None = None, **environ: str) -> str:
    """Run a program in a fresh interpreter, and return what it prints."""
    inherited = {key: value for key, value in os.environ.items() if key != "TASKQ_AS_CELERY"}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        env={**inherited, **environ},
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip()


INSTALL = "from taskq.compat.celery import install; install()\n"


def test_every_module_of_the_table_can_be_imported() -> None:
    """``import celery.x.y`` finds each module."""
    names = sorted(MODULES)

    out = run(
        f"{INSTALL}import importlib\n"
        f"for name in {names!r}:\n"
        "    assert importlib.import_module(name).__name__ == name\n"
        "print('done')"
    )

    assert out == "done"


def test_each_package_above_a_module_has_a_row() -> None:
    """A module without its packages could not be imported."""
    parents = {name.rpartition(".")[0] for name in MODULES} - {""}

    assert parents <= set(MODULES)


def test_all_forms_of_import_give_the_same_objects() -> None:
    """From, as, by name, by attribute: one object, and it is taskq's."""
    out = run(
        INSTALL
        + "import importlib, celery\n"
        + "import celery.app.task as task_module\n"
        + "from celery.app import task as again\n"
        + "from celery.app.task import Task\n"
        + "import taskq\n"
        + "assert task_module is again is importlib.import_module('celery.app.task')\n"
        + "assert celery.app.task is task_module\n"
        + "assert Task is celery.Task is taskq.Task\n"
        + "assert celery.Celery is taskq.TaskQ\n"
        + "print('done')"
    )

    assert out == "done"


def test_installing_costs_the_table_alone() -> None:
    """Beyond taskq itself, install() imports the importer and the pages of the table."""
    out = run(
        "import sys, taskq\n"
        "before = set(sys.modules)\n"
        f"{INSTALL}install()\n"
        "print(*sorted(set(sys.modules) - before))"
    )

    assert all(name.startswith("taskq.compat") for name in out.split())
    assert len(out.split()) <= 14


def test_an_import_costs_what_it_names() -> None:
    """Importing celery imports none of the modules behind it."""
    out = run(
        f"{INSTALL}import sys\n"
        "before = set(sys.modules)\n"
        "import celery, celery.utils.time, celery.utils.graph\n"
        "print(*sorted(name for name in set(sys.modules) - before if 'celery' not in name))"
    )

    assert out == ""


def test_an_interpreter_that_waits_has_imported_nothing_of_taskq() -> None:
    """With the directory on the path, a program that never imports celery pays for nothing."""
    out = run(
        "import sys; print([name for name in sys.modules if name.split('.')[0] in"
        " ('taskq', 'kombu', 'celery')])",
        PYTHONPATH=SITE,
        TASKQ_AS_CELERY="1",
    )

    assert out == "[]"


def test_the_environment_alone_makes_the_alias() -> None:
    """A fresh interpreter that is told by its environment imports taskq for celery."""
    path = os.pathsep.join([SITE, *filter(None, [os.environ.get("PYTHONPATH")])])

    out = run("import celery; print(celery.__version__)", PYTHONPATH=path, TASKQ_AS_CELERY="1")

    assert out.startswith("5.7.0+taskq.")


def test_the_directory_alone_does_not() -> None:
    """Without the variable, the real celery is looked for."""
    out = run(
        "import sys; print([each for each in sys.meta_path if 'Waiting' in repr(each)])",
        PYTHONPATH=SITE,
    )

    assert out == "[]"


def test_the_next_sitecustomize_runs_too(tmp_path: Path) -> None:
    """What another tool has put on the path is not lost."""
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.marked = True\n")

    out = run(
        "import sys; print(sys.marked)",
        PYTHONPATH=os.pathsep.join([SITE, str(tmp_path)]),
        TASKQ_AS_CELERY="1",
    )

    assert out == "True"


def test_processes_that_a_program_starts_see_it_too() -> None:
    """Children and their children import taskq for celery."""
    inner = "import celery; print(celery.__version__)"
    middle = (
        f"import subprocess, sys; subprocess.run([sys.executable, '-c', {inner!r}], check=True)"
    )

    out = run(
        f"{INSTALL}import subprocess, sys\n"
        f"subprocess.run([sys.executable, '-c', {middle!r}], check=True)"
    )

    assert out.startswith("5.7.0+taskq.")


def test_children_are_left_alone_when_that_is_said() -> None:
    """install(children=False) changes this process only."""
    out = run(
        "import os; before = dict(os.environ)\n"
        "from taskq.compat.celery import install; install(children=False)\n"
        "assert dict(os.environ) == before; import celery; print(celery.SERIES)"
    )

    assert out


def test_it_refuses_where_the_real_one_is_loaded() -> None:
    """Two kinds of objects in one process would meet; the error says what to do."""
    out = run(
        "import sys, types\n"
        "sys.modules['celery'] = types.ModuleType('celery')\n"
        "from taskq.compat.celery import install, CeleryIsLoadedError\n"
        "try:\n"
        "    install()\n"
        "except CeleryIsLoadedError as error:\n"
        "    print(error)"
    )

    assert "imported already" in out
    assert "python -m taskq.compat.celery" in out


def test_packages_can_ask_for_the_version() -> None:
    """As text, as a tuple, and of the installed distributions."""
    out = run(
        INSTALL
        + "import celery, importlib.metadata as metadata\n"
        + "from packaging.version import Version\n"
        + "assert Version('5.7') <= Version(celery.__version__) < Version('5.8')\n"
        + "assert Version(celery.__version__).local.startswith('taskq.')\n"
        + "assert celery.VERSION[:3] == (5, 7, 0) and celery.version_info.major == 5\n"
        + "assert celery.VERSION_BANNER.startswith(celery.__version__)\n"
        + "assert metadata.version('celery') == celery.__version__\n"
        + "print('done')"
    )

    assert out == "done"


def test_tools_that_look_at_modules_find_their_way() -> None:
    """pkgutil walks, inspect finds a file that exists, specs say what they are."""
    out = run(
        INSTALL
        + "import celery, celery.utils, inspect, os, pickle, pkgutil\n"
        + "below = {each.name for each in pkgutil.walk_packages(celery.__path__, 'celery.')}\n"
        + "assert {'celery.app.task', 'celery.states', 'celery.utils.log'} <= below, below\n"
        + "assert inspect.getmodule(celery) is celery\n"
        + "assert os.path.exists(celery.__file__) and os.path.exists(celery.utils.__file__)\n"
        + "assert celery.__spec__.name == 'celery' and celery.__spec__.parent == 'celery'\n"
        + "assert celery.utils.__package__ == 'celery.utils'\n"
        + "assert pickle.loads(pickle.dumps(celery.utils)) is celery.utils\n"
        + "from celery.exceptions import Retry\n"
        + "assert pickle.loads(b'ccelery.exceptions\\nRetry\\n.') is Retry\n"
        + "assert 'Celery' in celery.__all__ and 'Celery' in dir(celery)\n"
        + "print('done')"
    )

    assert out == "done"


def test_what_is_not_there_is_an_import_error() -> None:
    """Neither modules nor names are made up."""
    out = run(
        INSTALL
        + "for line in ('import celery.nothing', 'from celery.app import Nothing'):\n"
        + "    try:\n"
        + "        exec(line)\n"
        + "    except ImportError as error:\n"
        + "        print(error.name)"
    )

    assert out.split() == ["celery.nothing", "celery.app"]


def test_what_is_assigned_is_assigned_where_it_lives() -> None:
    """A mock put into celery's name is the one that taskq uses, until it is taken out again."""
    out = run(
        INSTALL
        + "from unittest import mock\n"
        + "import celery.result, taskq.app.result as ours\n"
        + "real = ours.AsyncResult\n"
        + "with mock.patch('celery.result.AsyncResult') as fake:\n"
        + "    assert ours.AsyncResult is fake is celery.result.AsyncResult\n"
        + "assert ours.AsyncResult is real is celery.result.AsyncResult\n"
        + "celery.result.added = 3\n"
        + "assert celery.result.added == 3 and not hasattr(ours, 'added')\n"
        + "print('done')"
    )

    assert out == "done"


@pytest.mark.parametrize(
    "words", [["SCRIPT"], ["-m", "program"], ["-c", "import program"]], ids=lambda words: words[0]
)
def test_a_program_is_run_under_the_alias(tmp_path: Path, words: list[str]) -> None:
    """``python -m taskq.compat.celery`` runs a script, a module or code, with its arguments."""
    (tmp_path / "program.py").write_text(
        "import celery, helper, sys\nprint(celery.SERIES == helper.SERIES, *sys.argv[1:])\n"
    )
    (tmp_path / "helper.py").write_text("from celery import SERIES\n")
    said = [str(tmp_path / "program.py") if each == "SCRIPT" else each for each in words]

    done = subprocess.run(
        [sys.executable, "-m", "taskq.compat.celery", *said, "--an", "argument"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert done.stdout.strip() == "True --an argument", done.stderr


def test_wrong_words_are_told(tmp_path: Path) -> None:
    """Without a program, or with an option it does not know, it says how it is used."""
    for words in ([], ["--nonsense"], ["-m"]):
        done = subprocess.run(
            [sys.executable, "-m", "taskq.compat.celery", *words],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

        assert done.returncode == 2
        assert "usage:" in done.stderr
