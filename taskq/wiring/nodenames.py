"""Names of nodes, ``name@host``, and the patterns in file names that stand for parts of them."""

from __future__ import annotations

import re
import socket
from typing import Final

DEFAULT_NAME: Final = "celery"

_PATTERN: Final = re.compile(r"%([hdnpiI%])")


def node_name(said: str | None = None, host: str | None = None) -> str:
    """Return the full name for what was said: ``w1``, ``w1@%h``, ``@%h``, ``%n@%d`` or nothing."""
    host = host or socket.gethostname()
    name, at, where = (said or DEFAULT_NAME).partition("@")
    full = f"{name or DEFAULT_NAME}@{where if at else host}"
    return expand(full, f"{DEFAULT_NAME}@{host}")


def expand(pattern: str, node: str, index: str = "0") -> str:
    """Return a pattern with its parts filled in.

    ``%p`` the whole name, ``%n`` the part before the @, ``%h`` the host, ``%d`` its domain,
    ``%i`` and ``%I`` the number of the process (a worker's own is 0, and empty with a dash).
    """
    name, _, host = node.partition("@")
    head, _, domain = host.partition(".")
    parts = {
        "p": node,
        "n": name,
        "h": host,
        "d": domain or head,
        "i": index,
        "I": "" if index == "0" else f"-{index}",
        "%": "%",
    }
    return _PATTERN.sub(lambda found: parts[found[1]], pattern)
