"""Answers what a name of Celery is here: ``resolve("celery.exceptions.Retry")``."""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import Any, Final

from taskq.compat.names import MODULES, Module

__all__ = ["Facade", "resolve"]


class Facade(ModuleType):
    """A module of Celery as it looks from outside: its names are looked up when they are used."""

    def __init__(self, name: str, row: Module) -> None:
        super().__init__(name, f"The names of {name}, as they live in taskq.")
        self.__row = row

    def __getattr__(self, name: str) -> Any:
        found = _look_up(self.__name__, self.__row, name)
        self.__dict__[name] = found
        return found

    def __dir__(self) -> list[str]:
        like = importlib.import_module(self.__row.like) if self.__row.like else None
        return sorted({*self.__row.names, *(dir(like) if like else ())})


_facades: Final[dict[str, Facade]] = {}


def resolve(dotted: str) -> Any:
    """Return what a dotted name of Celery stands for; raises ``AttributeError`` if nothing.

    A module is returned as a module, or as the dotted name of ours that is just like it.
    """
    row = MODULES.get(dotted)
    if row is not None:
        return row.like if row.like and not row.names else _facade(dotted, row)
    module, _, name = dotted.rpartition(".")
    if not module:
        raise AttributeError(f"taskq has nothing in the place of {dotted!r}")
    row = MODULES.get(module)
    return getattr(resolve(module), name) if row is None else _look_up(module, row, name)


def _facade(name: str, row: Module) -> Facade:
    if name not in _facades:
        _facades[name] = Facade(name, row)
    return _facades[name]


def _look_up(module: str, row: Module, name: str) -> Any:
    place = row.names.get(name)
    if place is not None:
        where, _, attribute = place.partition(":")
        return getattr(importlib.import_module(where), attribute)
    if f"{module}.{name}" in MODULES:
        found = resolve(f"{module}.{name}")
        return importlib.import_module(found) if isinstance(found, str) else found
    if row.like is not None and not name.startswith("_"):
        return getattr(importlib.import_module(row.like), name)
    raise AttributeError(f"taskq has nothing in the place of '{module}.{name}'")
