"""A module of Celery as it looks from outside, and the look into the table behind it.

Owned here: what a name of Celery stands for.  Not owned: how ``import celery`` comes to ask, which
is ``importer.py``.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import Any, Final

from taskq.compat.names import MODULES, Module, page_of

__all__ = ["Facade", "facade", "resolve"]


class Facade(ModuleType):
    """A module whose names are looked up each time they are used.

    So nothing is imported before it is asked for, and a name that changes is seen as it is.  What
    is assigned to a name of the table is assigned where the name lives: a program that replaces
    ``celery.result.AsyncResult`` (a mock does) replaces the thing; deleting it puts it back.
    """

    def __init__(self, name: str, row: Module) -> None:
        super().__init__(name, f"The names of {name}, as they live in taskq.")
        self.__dict__["_row"] = row
        self.__dict__["_replaced"] = {}
        self.__file__ = page_of(name)
        if has_children(name):
            self.__path__ = [location(name)]
            self.__package__ = name
        else:
            self.__package__ = name.rpartition(".")[0]

    def __getattr__(self, name: str) -> Any:
        if name == "__all__":
            return self._public()
        if name.startswith("__") and name not in self._row.names:
            # Asked by the machinery of imports: not a reason to import what stands behind.
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        return look_up(self.__name__, self._row, name)

    def __setattr__(self, name: str, value: Any) -> None:
        own = name.startswith("__") or isinstance(value, Facade)
        place = None if own else place_of(self._row, name)
        if place is None:
            super().__setattr__(name, value)
            return
        module, attribute = place
        self._replaced.setdefault(name, getattr(module, attribute))
        setattr(module, attribute, value)

    def __delattr__(self, name: str) -> None:
        place = place_of(self._row, name) if name in self._replaced else None
        if place is None:
            super().__delattr__(name)
            return
        module, attribute = place
        setattr(module, attribute, self._replaced.pop(name))

    def __dir__(self) -> list[str]:
        return sorted({*self._public(), *self._row.names, *self.__dict__} - {"_row", "_replaced"})

    def __reduce__(self) -> tuple[Any, ...]:
        return importlib.import_module, (self.__name__,)

    def __repr__(self) -> str:
        return f"<module {self.__name__!r}, as it lives in taskq>"

    def _public(self) -> list[str]:
        like = importlib.import_module(self._row.like) if self._row.like else None
        named = getattr(like, "__all__", None)
        if named is None and like is not None:
            named = [name for name in vars(like) if not name.startswith("_")]
        own = (name for name in self._row.names if not name.startswith("_"))
        return sorted({*own, *(named or ())})


_facades: Final[dict[str, Facade]] = {}


def facade(name: str) -> Facade:
    """Return the module that stands for one of Celery's; ``KeyError`` if there is no row."""
    if name not in _facades:
        made = _facades[name] = Facade(name, MODULES[name])
        if MODULES[name].plain:
            vars(made).update({each: getattr(made, each) for each in made.__all__})
    return _facades[name]


def resolve(dotted: str) -> Any:
    """Return what a dotted name of Celery stands for; raises ``AttributeError`` if nothing."""
    if dotted in MODULES:
        return facade(dotted)
    module, _, name = dotted.rpartition(".")
    if not module:
        raise AttributeError(f"taskq has nothing in the place of {dotted!r}")
    return getattr(resolve(module), name)


def look_up(module: str, row: Module, name: str) -> Any:
    """Return what one name of a module stands for."""
    place = place_of(row, name, follow=False)
    if place is not None:
        return getattr(*place)
    if f"{module}.{name}" in MODULES:
        child = f"{module}.{name}"
        return importlib.import_module(child) if module in sys.modules else facade(child)
    place = place_of(row, name)
    if place is not None:
        return getattr(*place)
    raise AttributeError(f"taskq has nothing in the place of '{module}.{name}'")


def place_of(row: Module, name: str, follow: bool = True) -> tuple[Any, str] | None:
    """Say which object of ours has a name, and as what: by its own row, else by the likeness."""
    named = row.names.get(name)
    if named is not None:
        where, _, path = named.partition(":")
        *way, last = path.split(".")
        holder: Any = importlib.import_module(where)
        for step in way:
            holder = getattr(holder, step)
        return (holder, last) if last else (_Whole(holder), "module")
    if not follow or row.like is None:
        return None
    like = importlib.import_module(row.like)
    if name.startswith("_") and name not in getattr(like, "__all__", ()):
        return None  # private to ours, which is another thing than Celery's
    return (like, name) if hasattr(like, name) else None


class _Whole:
    """Holds a module that as a whole stands for a name: ``"package.module:"``."""

    def __init__(self, module: ModuleType) -> None:
        self.module = module


def has_children(name: str) -> bool:
    """Whether a module of Celery is a package."""
    return any(other.startswith(f"{name}.") for other in MODULES)


# Where packages of the table are, for those that walk over them; nothing on disk is called so.
SCHEME: Final = "taskq-as-celery:"


def location(name: str) -> str:
    """Return the entry of ``__path__`` of a package."""
    return SCHEME + name
