"""Finds the application that ``-A`` names.

``proj``            the app in the module or package ``proj``: its attribute ``app``, ``celery`` or
                    ``taskq``, else its only other app, else one in ``proj.celery``, ``proj.taskq``
``proj.mod:app``    exactly that one;  ``proj.mod.app`` means the same
"""

from __future__ import annotations

import importlib
import pkgutil
import sys
import traceback
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from taskq.app.app import App
from taskq.cli.errors import CommandError

# What is said when there is none.
MODULE_NOT_FOUND: Final = "cannot find the app {app!r}: there is no module {module!r} in {path}"
ERROR_OCCURRED: Final = "cannot load the app: importing {module!r} failed{where}: {error}"
APP_MISSING: Final = (
    "cannot find the app {app!r}: {module} has no app; make one there with"
    " `app = TaskQ({module!r})`, or name the place of another, like proj.module:app"
)

USUAL_NAMES: Final = ("app", "celery", "taskq")
USUAL_MODULES: Final = ("celery", "taskq", "app")


class _NoModule(Exception):
    """There is no module of that name."""


def find_app(said: str) -> Any:
    """Return the app that is meant; raises ``CommandError``."""
    _let_import_from_here()
    file_name, colon, path = said.partition(":")
    module_name = file_name.removesuffix(".py").replace("/", ".")
    try:
        module = _import(module_name)
    except _NoModule:
        return _as_attribute(said, module_name, path)
    return _named(module, path, said) if colon and path else _in_module(module, said)


def _let_import_from_here() -> None:
    here = str(Path.cwd())
    if here not in sys.path and "" not in sys.path:
        sys.path.insert(0, here)


def _import(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name and (name == error.name or name.startswith(error.name + ".")):
            raise _NoModule(name) from None
        raise _broken(name, error) from error
    except (ValueError, TypeError):
        raise _NoModule(name) from None  # the name is empty, or begins with a dot
    except Exception as error:  # a boundary: the module is the user's
        raise _broken(name, error) from error


def _broken(name: str, error: Exception) -> CommandError:
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if not frame.filename.startswith("<frozen")]
    where = f" at {ours[-1].filename}:{ours[-1].lineno}" if ours[1:] else ""
    text = f"{type(error).__name__}: {error}"
    return CommandError(ERROR_OCCURRED.format(module=name, where=where, error=text))


def _as_attribute(said: str, module_name: str, path: str) -> Any:
    # ``proj.app`` may be the attribute ``app`` of the module ``proj``.
    parent, dot, last = module_name.rpartition(".")
    if dot and parent and not path:
        try:
            module = _import(parent)
        except _NoModule:
            pass  # reported below, with the name that was given
        else:
            return _named(module, last, said)
    close = _closest(module_name, _modules_here())
    path = f"{Path.cwd()} or in the path of Python"
    said_so = MODULE_NOT_FOUND.format(app=said, module=module_name, path=path)
    raise CommandError(f"{said_so}{_did_you_mean(close)}")


def _named(module: ModuleType, path: str, said: str) -> Any:
    found: Any = module
    for part in path.split("."):
        found = getattr(found, part, None)
    if isinstance(found, App):
        return found
    if isinstance(found, ModuleType):
        return _in_module(found, said)
    what = "is nothing of that name" if found is None else f"{path!r} is no app, but {found!r:.80}"
    close = _closest(path, _apps_in(module)) or next(iter(_apps_in(module)), None)
    meant = f"{module.__name__}:{close}" if close else None
    raise CommandError(
        f"cannot find the app {said!r}: in {module.__name__} there {what}{_did_you_mean(meant)}"
        if found is None
        else f"cannot use {said!r}: {what}{_did_you_mean(meant)}"
    )


def _in_module(module: ModuleType, said: str) -> Any:
    apps = _apps_in(module)
    for name in USUAL_NAMES:
        if name in apps:
            return apps[name]
    if apps:
        return next(iter(apps.values()))
    if hasattr(module, "__path__"):
        for name in USUAL_MODULES:
            try:
                return _in_module(_import(f"{module.__name__}.{name}"), said)
            except _NoModule:
                continue
    raise CommandError(APP_MISSING.format(app=said, module=module.__name__))


def _apps_in(module: ModuleType) -> dict[str, Any]:
    return {name: value for name, value in vars(module).items() if isinstance(value, App)}


def _modules_here() -> list[str]:
    return [module.name for module in pkgutil.iter_modules([str(Path.cwd())])]


def _closest(name: str, among: Iterable[str]) -> str | None:
    return next(iter(get_close_matches(name, list(among), n=1)), None)


def _did_you_mean(name: str | None) -> str:
    return f"; did you mean {name!r}?" if name else ""
