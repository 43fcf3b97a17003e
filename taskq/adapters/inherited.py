"""Sockets that belong to this process, and that a forked child must not keep.

A child that keeps a copy of its parent's socket keeps the connection alive when the parent has
closed it or is dead: the broker goes on waiting for a worker that is gone, and the parent's
``epoll`` goes on reporting a descriptor that it has forgotten.  So whoever opens a connection
names its socket here, and each fork of this process closes the child's copy.
"""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from typing import Final
from weakref import WeakSet

_sockets: Final[WeakSet[socket.socket]] = WeakSet()


def leave_to_parent(sock: socket.socket | None) -> None:
    """Close this socket in every child that is forked from now on."""
    if sock is not None:
        _sockets.add(sock)


def _close_copies() -> None:
    for sock in list(_sockets):
        with suppress(OSError):  # it was closed already
            sock.close()
    _sockets.clear()


os.register_at_fork(after_in_child=_close_copies)
