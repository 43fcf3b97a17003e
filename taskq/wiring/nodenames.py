"""Names of nodes: ``name@host``."""

from __future__ import annotations

import os
import socket
import threading
from typing import Final

from taskq.app.log_files import expand

__all__ = ["DEFAULT_NAME", "anonymous_name", "expand", "node_name"]

DEFAULT_NAME: Final = "celery"


def node_name(said: str | None = None, host: str | None = None) -> str:
    """Return the full name for what was said: ``w1``, ``w1@%h``, ``@%h``, ``%n@%d`` or nothing."""
    host = host or socket.gethostname()
    name, at, where = (said or DEFAULT_NAME).partition("@")
    full = f"{name or DEFAULT_NAME}@{where if at else host}"
    return expand(full, f"{DEFAULT_NAME}@{host}")


def anonymous_name(host: str | None = None, prefix: str = "gen") -> str:
    """Return a name that no other thread of no other process has."""
    number = os.getpid()
    if threading.current_thread() is not threading.main_thread():
        number ^= threading.get_ident() & 0xFFFF
    return f"{prefix}{number}@{host or socket.gethostname()}"
