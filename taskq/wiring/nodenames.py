"""Names of nodes: ``name@host``."""

from __future__ import annotations

import socket
from typing import Final

from taskq.app.log_files import expand

__all__ = ["DEFAULT_NAME", "expand", "node_name"]

DEFAULT_NAME: Final = "celery"


def node_name(said: str | None = None, host: str | None = None) -> str:
    """Return the full name for what was said: ``w1``, ``w1@%h``, ``@%h``, ``%n@%d`` or nothing."""
    host = host or socket.gethostname()
    name, at, where = (said or DEFAULT_NAME).partition("@")
    full = f"{name or DEFAULT_NAME}@{where if at else host}"
    return expand(full, f"{DEFAULT_NAME}@{host}")
