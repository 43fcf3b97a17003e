"""``celery.utils.nodenames``: the forms of the name of a node."""

from __future__ import annotations

import socket
from functools import cache
from typing import Any

from taskq.app.log_files import expand
from taskq.compat.objects import worker_direct
from taskq.compat.utils.text import simple_format
from taskq.wiring.nodenames import DEFAULT_NAME, anonymous_name

__all__ = [
    "anon_nodename",
    "default_nodename",
    "gethostname",
    "host_format",
    "node_format",
    "nodename",
    "nodesplit",
    "worker_direct",
]


@cache
def gethostname() -> str:
    """Return the name of this machine."""
    return socket.gethostname()


def nodename(name: str, hostname: str) -> str:
    """Join the name of a node and its machine's."""
    return f"{name}@{hostname}"


def nodesplit(name: str) -> tuple[str | None, str]:
    """Take a node name apart; without a machine, all of it is the machine."""
    left, at, right = name.partition("@")
    return (left, right) if at else (None, left)


def default_nodename(hostname: str | None, default_name: str = DEFAULT_NAME) -> str:
    """Return a whole node name for a part of one."""
    name, host = nodesplit(hostname or "")
    return nodename(name or default_name, host or gethostname())


def anon_nodename(hostname: str | None = None, prefix: str = "gen") -> str:
    """Return a node name that no other thread of no other process has."""
    return anonymous_name(hostname, prefix)


def node_format(s: str, name: str | None, **extra: Any) -> str:
    """Put parts of a node name into text: ``%n %h %d %p``, and ``%i %I`` of the pool's process."""
    short, host = nodesplit(name or "")
    return host_format(s, host, short or DEFAULT_NAME, p=name, **extra)


def host_format(s: str, host: str | None = None, name: str | None = None, **extra: Any) -> str:
    """Put parts of a machine's name into text."""
    host = host or gethostname()
    label, _, domain = host.partition(".")
    shown = nodename(name or label, host)
    keys = {
        "h": host,
        "n": name or label,
        "d": domain,
        "i": lambda: expand("%i", shown),
        "I": lambda: expand("%I", shown),
        **extra,
    }
    return simple_format(s, keys)
