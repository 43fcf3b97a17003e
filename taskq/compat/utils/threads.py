"""``celery.utils.threads``: a thread that can be stopped, and stacks of one context."""

from __future__ import annotations

import socket
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import get_ident
from typing import Any, Final

from taskq.compat.proxies import Proxy

__all__ = [
    "Local",
    "LocalManager",
    "LocalStack",
    "bgThread",
    "bound_open_broker_sockets",
    "default_socket_timeout",
    "get_ident",
]

STOP_S: Final = threading.TIMEOUT_MAX


@contextmanager
def default_socket_timeout(timeout: float | None) -> Iterator[None]:
    """Give new sockets a time limit for a while."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(timeout)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


@contextmanager
def bound_open_broker_sockets(connection: Any, timeout: float | None) -> Iterator[None]:
    """Give the open sockets of a connection a time limit for a while, then what they had."""
    found = [sock for sock in _sockets(connection) if sock is not None]
    before = [(sock, sock.gettimeout()) for sock in found]
    for sock, _ in before:
        sock.settimeout(timeout)
    try:
        yield
    finally:
        for sock, limit in before:
            if sock.fileno() >= 0:
                sock.settimeout(limit)


def _sockets(connection: Any) -> Iterator[Any]:
    established = getattr(connection, "_connection", None)
    transport = getattr(established, "transport", None)
    yield getattr(transport, "sock", None)
    for channel in getattr(established, "channels", None) or ():
        for name in ("client", "subclient"):
            client = getattr(channel, "__dict__", {}).get(name)
            yield getattr(getattr(client, "connection", None), "_sock", None)


class bgThread(threading.Thread):  # noqa: N801, TID251 - Celery's name; for outside programs
    """A thread that calls ``body`` until it is stopped; an error in it ends the process."""

    def __init__(self, name: str | None = None, **_kwargs: Any) -> None:
        super().__init__()
        self.__stopping = threading.Event()
        self.__stopped = threading.Event()
        self.daemon = True
        self.name = name or type(self).__name__

    def body(self) -> None:
        """Do the work once; for subclasses."""
        raise NotImplementedError

    def on_crash(self, msg: str, *fmt: Any, **_kwargs: Any) -> None:
        """Say what went wrong."""
        sys.stderr.write(f"{msg.format(*fmt)}\n")
        traceback.print_exc(file=sys.stderr)

    def run(self) -> None:
        """Call the body until it is stopped."""
        try:
            while not self.__stopping.is_set():
                self._turn()
        finally:
            self.__stopped.set()

    def _turn(self) -> None:
        try:
            self.body()
        except Exception as error:
            self.on_crash("{0!r} crashed: {1!r}", self.name, error)
            sys.stderr.flush()
            raise SystemExit(1) from error

    def stop(self) -> None:
        """Let the body end, and wait for it."""
        self.__stopping.set()
        self.__stopped.wait()
        if self.is_alive() and threading.current_thread() is not self:
            self.join(STOP_S)


class Local:
    """Attributes of which each thread has its own."""

    def __init__(self) -> None:
        object.__setattr__(self, "_by_thread", {})

    def __iter__(self) -> Iterator[tuple[int, dict[str, Any]]]:
        return iter(self._by_thread.items())

    def __call__(self, proxy: str) -> Proxy:
        """Return a proxy for one attribute."""
        return Proxy(lambda: getattr(self, proxy))

    def _release(self) -> None:
        self._by_thread.pop(get_ident(), None)

    def __getattr__(self, name: str) -> Any:
        try:
            return object.__getattribute__(self, "_by_thread")[get_ident()][name]
        except KeyError:
            raise AttributeError(name) from None

    def __setattr__(self, name: str, value: Any) -> None:
        self._by_thread.setdefault(get_ident(), {})[name] = value

    def __delattr__(self, name: str) -> None:
        try:
            del self._by_thread[get_ident()][name]
        except KeyError:
            raise AttributeError(name) from None


class LocalStack:
    """A stack of which each thread has its own."""

    def __init__(self) -> None:
        self._local = Local()

    @property
    def stack(self) -> list[Any]:
        """What is on it, here."""
        return getattr(self._local, "stack", None) or []

    @property
    def top(self) -> Any:
        """The uppermost; None where there is none."""
        stack = self.stack
        return stack[-1] if stack else None

    def push(self, obj: Any) -> list[Any]:
        """Put one on it."""
        self._local.stack = [*self.stack, obj]
        return self.stack

    def pop(self) -> Any:
        """Take the uppermost; None where there is none."""
        stack = self.stack
        if not stack:
            return None
        self._local.stack = stack[:-1]
        return stack[-1]

    def __call__(self) -> Proxy:
        """Return a proxy for the uppermost."""

        def find() -> Any:
            if not self.stack:
                raise RuntimeError("object unbound")
            return self.top

        return Proxy(find)

    def __len__(self) -> int:
        return len(self.stack)

    def _release(self) -> None:
        self._local._release()  # noqa: SLF001 - this module's own class


class LocalManager:
    """Lets go of what several locals hold for this thread."""

    def __init__(
        self,
        locals: Any = None,  # noqa: A002 - Celery's name
        ident_func: Callable[[], int] | None = None,
    ) -> None:
        if locals is None:
            self.locals: list[Any] = []
        else:
            self.locals = [locals] if isinstance(locals, Local | LocalStack) else list(locals)
        self.ident_func = ident_func or get_ident

    def get_ident(self) -> int:
        """Return what tells this thread from others."""
        return self.ident_func()

    def cleanup(self) -> None:
        """Let go, here."""
        for each in self.locals:
            each._release()  # noqa: SLF001 - this module's own classes

    def __repr__(self) -> str:
        return f"<{type(self).__name__} storages: {len(self.locals)}>"
