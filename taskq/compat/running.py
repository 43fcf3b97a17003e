"""``python -m taskq.compat.celery``: runs a program, or makes an environment run all of them.

``--enable`` writes two files into the environment of the interpreter: a ``.pth`` line that reads
``TASKQ_AS_CELERY`` when an interpreter starts, and a program ``celery``.  ``--disable`` takes away
what was written, and nothing else.
"""

from __future__ import annotations

import runpy
import sys
import sysconfig
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from taskq.compat.importer import SITE, VARIABLE, install
from taskq.errors import TaskqError

__all__ = ["main"]

USAGE: Final = """\
usage: python -m taskq.compat.celery SCRIPT [ARGS...]
       python -m taskq.compat.celery -m MODULE [ARGS...]
       python -m taskq.compat.celery -c CODE [ARGS...]
       python -m taskq.compat.celery --enable | --disable

Runs a program in which `import celery` gives taskq; so it does in the processes that it starts.
--enable lets TASKQ_AS_CELERY=1 do the same for every Python of this environment, and writes a
program `celery`; --disable takes both away.
"""
PTH_NAME: Final = "taskq_as_celery.pth"
# Told apart from what others have written.
MARK: Final = "# written by taskq.compat.celery --enable"


PROGRAM: Final = """\
from taskq.compat.celery import install

install()

from taskq.__main__ import main  # the alias comes first

main()
"""


class NotOursError(TaskqError):
    """A file is in the way that this program did not write."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.path = path

    def __str__(self) -> str:
        return f"{self.path} is another package's; is celery installed here? uninstall it first"


def main(words: Sequence[str]) -> int:
    """Do what the words say; returns an exit code, unless the program that was run exits."""
    match list(words):
        case ["--enable" | "--disable" as switch]:
            return _switch(enable if switch == "--enable" else disable)
        case ["-m", module, *rest]:
            _begin(["-m", *rest], "")
            runpy.run_module(module, run_name="__main__", alter_sys=True)
        case ["-c", code, *rest]:
            _begin(["-c", *rest], "")
            exec(compile(code, "<string>", "exec"), _fresh_main())  # noqa: S102 - what -c means
        case [script, *rest] if not script.startswith("-"):
            _begin([script, *rest], str(Path(script).resolve().parent))
            runpy.run_path(script, run_name="__main__")
        case ["-h" | "--help"]:
            sys.stdout.write(USAGE)
        case _:
            sys.stderr.write(USAGE)
            return 2
    return 0


def _begin(argv: list[str], first_on_path: str) -> None:
    install()
    sys.argv[:] = argv
    # Where the interpreter itself would have put it.
    sys.path[0] = first_on_path


def _fresh_main() -> dict[str, object]:
    main_module = type(sys)("__main__")
    sys.modules["__main__"] = main_module
    return vars(main_module)


def _switch(act: Callable[[], list[Path]]) -> int:
    try:
        paths = act()
    except NotOursError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    for path in paths:
        sys.stdout.write(f"{path}\n")
    return 0


def _files() -> dict[Path, str]:
    hook = str(Path(SITE) / "taskq_alias_hook.py")
    line = (
        f"import os; os.environ.get({VARIABLE!r}, '') not in ('', '0') and"
        f" os.path.exists({hook!r}) and __import__('runpy').run_path({hook!r})['wait']()"
    )
    script = f"#!{sys.executable}\n{MARK}\n{PROGRAM}"
    return {
        Path(sysconfig.get_path("purelib")) / PTH_NAME: f"{MARK}\n{line}\n",
        Path(sysconfig.get_path("scripts")) / "celery": script,
    }


def enable() -> list[Path]:
    """Write the files; returns where they are."""
    files = _files()
    for path in files:
        if path.exists() and MARK not in path.read_text(encoding="utf-8", errors="replace"):
            raise NotOursError(str(path))
    for path, text in files.items():
        path.write_text(text, encoding="utf-8")
        if text.startswith("#!"):
            path.chmod(0o755)
    return list(files)


def disable() -> list[Path]:
    """Take away the files that ``enable`` wrote; returns where they were."""
    ours = [
        path
        for path in _files()
        if path.exists() and MARK in path.read_text(encoding="utf-8", errors="replace")
    ]
    for path in ours:
        path.unlink()
    return ours
