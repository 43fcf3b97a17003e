"""Finds the modules in which tasks are defined, and imports them.

``include`` and ``imports`` name modules; ``autodiscover_tasks`` names packages that may have a
module called ``tasks``.  Nothing is imported before the worker (or a finalized app) asks for it by
the signal ``import_modules``.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Iterable
from types import ModuleType
from typing import Any

__all__ = ["autodiscover", "import_modules_of", "symbol"]

Packages = Iterable[str] | Callable[[], Iterable[str]] | None


def import_modules_of(app: Any) -> list[ModuleType]:
    """Import what ``imports`` and ``include`` name, in order, each once."""
    names = dict.fromkeys([*(app.conf.imports or ()), *(app.conf.include or ())])
    return [importlib.import_module(name) for name in names]


def autodiscover(packages: Packages, related_name: str | None) -> list[ModuleType]:
    """Import the related module of each package that has one."""
    named = packages() if callable(packages) else packages or ()
    found = (_related_module(package, related_name) for package in named)
    return [module for module in found if module is not None]


def _related_module(package: str, related_name: str | None) -> ModuleType | None:
    """Import ``package.related_name``; None where there is no such module.

    A module that exists and fails to import is an error: to pass over it would only show much
    later, as a task that is not registered.
    """
    if not related_name:
        return importlib.import_module(package)
    package = _package_of(package)
    wanted = f"{package}.{related_name}"
    try:
        found = importlib.util.find_spec(wanted)
    except ModuleNotFoundError as error:
        # ``package`` is a plain module: it can have no submodule.
        if error.name in (wanted, package) and _exists(package):
            return None
        raise
    return None if found is None else importlib.import_module(wanted)


def _package_of(name: str) -> str:
    """Return the package for a name, which may be a class in it (``shop.apps.ShopConfig``)."""
    if _exists(name):
        return name
    parent, _, last = name.rpartition(".")
    if parent and last[:1].isupper():
        return parent.rpartition(".")[0] or parent
    return name


def _exists(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False


def symbol(named: Any) -> Any:
    """Return the object behind ``module:name`` or ``module.name``; any other object as it is."""
    if not isinstance(named, str):
        return named
    module, colon, name = named.partition(":")
    if not colon:
        module, _, name = named.rpartition(".")
    return getattr(importlib.import_module(module), name)
