"""Makes the name of a task out of where its function stands.

A name is an address that other processes must agree on.  A module that is run as a script calls
itself ``__main__``; such a task is named by the app's ``main``, else by its file.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

__all__ = ["BUILTIN", "gen_task_name", "module_name"]

# Tasks that taskq and Celery bring themselves; people are not shown them.
BUILTIN: Final = ("celery.", "taskq.")


def gen_task_name(main: str | None, name: str, module: str | None) -> str:
    """Join module and function; a script goes by the name of its app, or of its file."""
    module = module or "__main__"
    if module == "__main__":
        module = main or _file_stem() or module
    elif module in sys.modules and sys.modules[module].__name__ == "__main__":
        module = main or module
    return f"{module}.{name}" if module else name


def _file_stem() -> str | None:
    file = getattr(sys.modules.get("__main__"), "__file__", None)
    return Path(file).stem if file else None


def module_name(module: object) -> str:
    """Return a module's name, given the module or its name."""
    return module if isinstance(module, str) else str(getattr(module, "__name__", module))
