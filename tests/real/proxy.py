"""A wire between a program and its server that a test can cut, hold and mend."""

from __future__ import annotations

import contextlib
import re
import select
import socket
import struct
import threading
from collections.abc import Iterator
from typing import Final

# RST instead of FIN when the socket is closed.
RESET: Final = struct.pack("ii", 1, 0)
LOOK_S: Final = 0.02
CHUNK: Final = 65_536


class Proxy:
    """Listens on a port of its own, and passes on to one server what it hears."""

    def __init__(self, port: int, host: str = "127.0.0.1") -> None:
        self._server = (host, port)
        self._flows = threading.Event()
        self._flows.set()
        self._over = threading.Event()
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._stranded: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []
        self.accepted = 0
        self._listener = socket.create_server((host, 0))
        self.port: int = self._listener.getsockname()[1]
        self._start(self._accept)

    def url(self, url: str) -> str:
        """Return a URL of the server that leads through here."""
        return re.sub(r":\d+(?=/|$)", f":{self.port}", url, count=1)

    @property
    def open(self) -> int:
        """How many connections there are."""
        with self._lock:
            return len(self._pairs)

    def reset(self) -> None:
        """Break all connections; new ones are welcome."""
        with self._lock:
            pairs, self._pairs = self._pairs, []
        for pair in pairs:
            for end in pair:
                _reset(end)

    def strand(self) -> None:
        """Pass on nothing more by the connections that there are, and break none: half-open."""
        with self._lock:
            self._stranded.update(end for pair in self._pairs for end in pair)

    def hold(self) -> None:
        """Pass on nothing more, and say nothing: a black hole, also for who connects anew."""
        self._flows.clear()

    def mend(self) -> None:
        """Pass on again what was held, and what comes."""
        self._flows.set()

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Hold for as long as the block takes."""
        self.hold()
        try:
            yield
        finally:
            self.mend()

    def close(self) -> None:
        """End it."""
        self._over.set()
        self._flows.set()
        self._listener.close()
        self.reset()
        for thread in self._threads:
            thread.join(10)

    def _start(self, work: object, *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments, daemon=True)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self._over.is_set():
            try:
                if not select.select([self._listener], [], [], LOOK_S)[0]:
                    continue
                near, _ = self._listener.accept()
            except (OSError, ValueError):
                return
            self.accepted += 1
            self._start(self._connect, near)

    def _connect(self, near: socket.socket) -> None:
        self._flows.wait()
        try:
            far = socket.create_connection(self._server)
        except OSError:
            _reset(near)
            return
        with self._lock:
            self._pairs.append((near, far))
        self._start(self._pass_on, near, far)
        self._pass_on(far, near)

    def _pass_on(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError, ValueError):
            while not self._over.is_set():
                self._flows.wait()
                if source in self._stranded:
                    self._over.wait(LOOK_S)
                    continue
                if not select.select([source], [], [], LOOK_S)[0]:
                    continue
                if not self._flows.is_set() or source in self._stranded:
                    continue
                data = source.recv(CHUNK)
                if not data:
                    break
                target.sendall(data)
        with self._lock:
            self._pairs = [pair for pair in self._pairs if source not in pair]
        for end in (source, target):
            end.close()


def _reset(end: socket.socket) -> None:
    with contextlib.suppress(OSError):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    end.close()
