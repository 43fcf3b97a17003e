"""Where the names of Celery's beat and of its schedules live."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from taskq.compat.names.row import Module

MODULES: Final[Mapping[str, Module]] = {}
