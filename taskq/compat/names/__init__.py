"""Where the names of Celery live here: one table.

A row is a module of Celery: the module of ours that has the same names, and the names that live
elsewhere or are called otherwise.  ``compat.celery`` looks names up; nothing is imported before.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from taskq.compat.names import app, backends, utils, worker
from taskq.compat.names.row import Module

__all__ = ["MODULES", "Module"]

MODULES: Final[Mapping[str, Module]] = MappingProxyType(
    {**app.MODULES, **backends.MODULES, **utils.MODULES, **worker.MODULES}
)
