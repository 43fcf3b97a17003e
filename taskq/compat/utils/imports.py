"""``celery.utils.imports``: modules and objects by their names."""

from __future__ import annotations

import importlib
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

from kombu.utils.imports import symbol_by_name

__all__ = [
    "NotAPackage",
    "cwd_in_path",
    "find_module",
    "gen_task_name",
    "import_from_cwd",
    "instantiate",
    "load_extension_classes",
    "module_file",
    "qualname",
    "reload_from_cwd",
    "symbol_by_name",
]

Import = Callable[..., ModuleType]


class NotAPackage(Exception):
    """A module was looked for below one that has none below it."""


def qualname(obj: Any) -> str:
    """Return the full name of a class, or of an object's class: ``package.module.Class``."""
    if not hasattr(obj, "__name__") and hasattr(obj, "__class__"):
        obj = type(obj)
    name = getattr(obj, "__qualname__", obj.__name__)
    module = getattr(obj, "__module__", None)
    return name if module is None else f"{module}.{name}"


def instantiate(name: Any, *args: Any, **kwargs: Any) -> Any:
    """Make an object of a class, given the class or its name."""
    return symbol_by_name(name)(*args, **kwargs)


@contextmanager
def cwd_in_path() -> Iterator[None]:
    """Let modules be imported from the current directory for a while."""
    here = str(Path.cwd())
    if here in sys.path:
        yield
        return
    sys.path.insert(0, here)
    try:
        yield
    finally:
        if here in sys.path:
            sys.path.remove(here)


def find_module(module: str, path: Any = None, imp: Import | None = None) -> ModuleType:
    """Import a module, also from the current directory; raises ``NotAPackage``."""
    del path
    load = imp or importlib.import_module
    with cwd_in_path():
        parts = module.split(".")
        for end in range(1, len(parts)):
            parent = ".".join(parts[:end])
            if not hasattr(load(parent), "__path__"):
                raise NotAPackage(parent)
        return load(module)


def import_from_cwd(
    module: str, imp: Import | None = None, package: str | None = None
) -> ModuleType:
    """Import a module, also from the current directory."""
    with cwd_in_path():
        return (imp or importlib.import_module)(module, package=package)


def reload_from_cwd(module: ModuleType, reloader: Callable[[ModuleType], Any] | None = None) -> Any:
    """Import a module again, also from the current directory."""
    with cwd_in_path():
        return (reloader or importlib.reload)(module)


def module_file(module: ModuleType) -> str:
    """Return the file of a module's source."""
    name = module.__file__
    assert name is not None  # a module without a file has no source
    return name[:-1] if name.endswith(".pyc") else name


def gen_task_name(app: Any, name: str, module_name: str) -> str:
    """Return the name that a function's task has on an app."""
    named: str = app.gen_task_name(name, module_name)
    return named


def load_extension_classes(namespace: str) -> Iterator[tuple[str, Any]]:
    """Return names and classes of a group of entry points; warns of those that cannot be had."""
    for point in entry_points(group=namespace):
        try:
            found = point.load()
        except (ImportError, SyntaxError, AttributeError) as error:
            warnings.warn(
                f"Cannot load {namespace} extension {point.value!r}: {error!r}", stacklevel=2
            )
        else:
            yield point.name, found
