"""Where the names of Celery live here: one table.

A row is a module of Celery: the module of ours that has the same names, and the names that live
elsewhere or are called otherwise.  ``compat.facade`` looks names up; nothing is imported before.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType, ModuleType
from typing import Final

from taskq.compat.names import app, backends, beat, billiard, utils, worker
from taskq.compat.names.row import Module

__all__ = ["MODULES", "Module", "page_of"]

# A page for each family.
PAGES: Final[tuple[ModuleType, ...]] = (app, backends, beat, billiard, utils, worker)


def _parents(name: str) -> Iterator[str]:
    while "." in name:
        name = name.rpartition(".")[0]
        yield name


_TOLD: Final = {name: row for page in PAGES for name, row in page.MODULES.items()}

# A package whose page says nothing of it has the modules below it, and no names.
MODULES: Final[Mapping[str, Module]] = MappingProxyType(
    {**{parent: Module() for name in _TOLD for parent in _parents(name)}, **_TOLD}
)


def page_of(name: str) -> str:
    """Return the file of the page that a module of Celery is on: there one reads its names."""
    pages = (page for page in PAGES for told in page.MODULES if (told + ".").startswith(name + "."))
    own = (page for page in PAGES if name in page.MODULES)
    return str((next(own, None) or next(pages)).__file__)
