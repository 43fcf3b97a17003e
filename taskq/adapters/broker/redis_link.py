"""Connections to Redis: one conversation each, a store of idle ones, and what their errors mean.

``Link`` speaks through redis-py's connection itself: its client objects cost more than the
command they send.  ``LinkPool`` hands links out, is safe to use from many threads, forgets what
it had after a fork, and goes on to the next server of a list when one cannot be reached.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha1
from typing import Any, Final, TypeAlias

from redis import exceptions
from redis.backoff import NoBackoff
from redis.retry import Retry
from redis.utils import HIREDIS_AVAILABLE

from taskq.adapters.broker.errors import BrokerError, BrokerGoneError
from taskq.adapters.broker.redis_url import Server
from taskq.adapters.inherited import leave_to_parent
from taskq.ports import Clock

Command: TypeAlias = tuple[Any, ...]


def _packer() -> Callable[[Command], bytes] | None:
    """redis-py packs as well, at several times the cost for each argument."""
    if not HIREDIS_AVAILABLE:
        return None
    import hiredis  # noqa: PLC0415 - not everybody who has redis-py has it

    return hiredis.pack_command


_pack: Final = _packer()

# Idle for longer than this, a connection is looked at before it is used: the server may have
# closed it.  Shorter, the look would cost more than it saves.
TRUSTED_IDLE_S: Final = 1.0
MOST_IDLE_LINKS: Final = 10

# Errors after which the same call may succeed on another connection.
LOST: Final = (
    exceptions.ConnectionError,
    exceptions.TimeoutError,
    exceptions.ReadOnlyError,
    exceptions.MasterDownError,
    OSError,
)
# Of those, what says that nothing was heard.
SILENCE: Final = (exceptions.TimeoutError, TimeoutError)
# Of those, what no second attempt will change.
FINAL: Final = (exceptions.AuthenticationError, exceptions.AuthorizationError)
ANY: Final = (exceptions.RedisError, OSError)
# For connections that are given up without a word from the other side.
GoneError: Final = exceptions.ConnectionError


class Script:
    """A Lua script and the name that the server gives it."""

    __slots__ = ("sha", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        # The name is Redis's choice; nothing is kept secret by it.
        self.sha = sha1(text.encode(), usedforsecurity=False).hexdigest()


class Link:
    """One connection.  Used by one thread at a time."""

    __slots__ = ("connection", "idle_since_s", "patience_s", "server")

    def __init__(self, server: Server) -> None:
        self.server = server
        self.connection: Any = server.connect()
        # How often to try again is decided by who calls, with the Clock port.
        self.connection.retry = Retry(NoBackoff(), 0)
        self.idle_since_s = 0.0
        # The longest to wait for the other side; None: as is configured.
        self.patience_s: float | None = None

    def open(self, timeout_s: float | None = None) -> None:
        """Connect, within the given time if that is shorter than what is configured."""
        connection = self.connection
        if timeout_s is None or getattr(connection, "_sock", None) is not None:
            connection.connect()
        else:
            self._open_within(timeout_s)
        leave_to_parent(getattr(connection, "_sock", None))

    def _open_within(self, timeout_s: float) -> None:
        """Let no step of connecting take longer: the socket, TLS, the password, the database."""
        connection = self.connection
        to_connect_s, to_answer_s = connection.socket_connect_timeout, connection.socket_timeout
        connection.socket_connect_timeout = min(timeout_s, to_connect_s or timeout_s)
        connection.socket_timeout = min(timeout_s, to_answer_s or timeout_s)
        connection.connect()
        connection.socket_timeout = to_answer_s
        if self._let_socket_wait(to_answer_s):
            # The parser keeps the time that it found when it was connected.
            connection._parser.on_connect(connection)  # noqa: SLF001 - redis-py has no other way

    def _let_socket_wait(self, timeout_s: float | None) -> bool:
        """Say for how long; returns whether there is a socket that can wait."""
        sock = getattr(self.connection, "_sock", None)
        if not isinstance(sock, socket.socket):
            return False
        sock.settimeout(timeout_s)
        return True

    def limit(self, timeout_s: float | None) -> None:
        """Until it is given back, wait no longer than this, nor than is configured."""
        if timeout_s is not None:
            self.patience_s = min(timeout_s, self.connection.socket_timeout or timeout_s)

    def ask(self, *command: Any) -> Any:
        """Send one command and return its reply."""
        self.send(*command)
        return self.answer()

    def send(self, *command: Any) -> None:
        """Send one command; its reply is read by ``answer``."""
        self._send_all((command,))

    def answer(self) -> Any:
        """Read one reply; waits for it no longer than is configured, or than is said."""
        if self.patience_s is None:
            return self.connection.read_response(disconnect_on_error=True)
        return self.connection.read_response(disconnect_on_error=True, timeout=self.patience_s)

    def push(self) -> Any:
        """Read one message of a subscription."""
        return self.connection.read_response(disconnect_on_error=True, push_request=True)

    def ask_many(self, commands: Sequence[Command]) -> list[Any]:
        """Send commands together; a reply that is an error is raised after all were read."""
        self._send_all(commands)
        replies: list[Any] = []
        failed: exceptions.ResponseError | None = None
        for _ in commands:
            try:
                replies.append(self.answer())
            except exceptions.ResponseError as error:
                failed = failed or error
                replies.append(error)
        if failed is not None:
            raise failed
        return replies

    def run(self, script: Script, keys: Sequence[Any], arguments: Iterable[Any]) -> Any:
        """Run a script; a server that does not know it (yet, or any more) is given its text."""
        rest = (len(keys), *keys, *arguments)
        try:
            return self.ask("EVALSHA", script.sha, *rest)
        except exceptions.NoScriptError:
            return self.ask("EVAL", script.text, *rest)

    def _send_all(self, commands: Sequence[Command]) -> None:
        if self.patience_s is not None:
            self._let_socket_wait(self.patience_s)  # whoever reads the reply sets it back
        self.connection.send_packed_command(self._packed(commands), check_health=False)

    def _packed(self, commands: Sequence[Command]) -> Sequence[bytes]:
        """Write commands as they go over the wire, in pieces to be sent one after the other."""
        if _pack is None:
            pieces: Sequence[bytes] = self.connection.pack_commands(commands)
            return pieces
        if len(commands) == 1:
            return (_pack(commands[0]),)
        return (b"".join([_pack(command) for command in commands]),)

    def readable(self, timeout_s: float = 0.0) -> bool:
        """Whether something can be read; raises where the other side has closed."""
        return bool(self.connection.can_read(timeout=timeout_s))

    def fileno(self) -> int:
        """Return the descriptor of its socket."""
        return int(self.connection._sock.fileno())  # noqa: SLF001 - redis-py has no other way

    def close(self) -> None:
        """Let go.  After a fork this closes the copy only; the parent's stays open."""
        self.connection.disconnect()


class LinkPool:
    """Links to one server, or to the first of a list that answers."""

    def __init__(self, servers: Sequence[Server], clock: Clock) -> None:
        self._servers = tuple(servers)
        self._clock = clock
        self._current = 0
        self._pid = os.getpid()
        # ``list.append`` and ``list.pop`` are atomic: no lock that a fork could copy while held.
        self._idle: list[Link] = []
        self._doubted_s = 0.0

    @property
    def server(self) -> Server:
        """The server in use."""
        return self._servers[self._current]

    @property
    def name(self) -> str:
        """All servers, passwords starred."""
        return ";".join(server.name for server in self._servers)

    @property
    def address(self) -> str:
        """Server and database; the same for each pool that goes to the same place."""
        return ";".join(server.address for server in self._servers)

    def take(self, timeout_s: float | None = None) -> Link:
        """Return a connected link, to be given back by ``give`` or closed."""
        if self._pid != os.getpid():
            self._forget_parent()
        while self._idle:
            try:
                link = self._idle.pop()
            except IndexError:  # another thread was faster
                break
            if link.server is self.server and self._is_sound(link):
                return link
            link.close()
        return self.fresh(timeout_s)

    def give(self, link: Link) -> None:
        """Put a link back whose conversation is at a clean point."""
        if len(self._idle) >= MOST_IDLE_LINKS:
            link.close()
            return
        link.patience_s = None
        link.idle_since_s = self._clock.read().elapsed_s
        self._idle.append(link)

    @contextmanager
    def lent(self) -> Iterator[Link]:
        """Lend a link for as long as nothing goes wrong with it."""
        link = self.take()
        try:
            yield link
        except BaseException:
            # Whatever interrupts, a reply may be under way: nobody else may read it as theirs.
            link.close()
            raise
        self.give(link)

    def doubt(self, cause: BaseException) -> None:
        """A connection broke: look at all that are idle now before they are used.

        Of one that fell silent the others may have done so as well, which no look would show.
        """
        self._doubted_s = self._clock.read().elapsed_s
        if isinstance(cause, SILENCE):
            self.close()

    def fresh(self, timeout_s: float | None = None) -> Link:
        """Return a new connected link; tries each server once, beginning with the one in use."""
        failure: Exception | None = None
        for _ in self._servers:
            link = Link(self.server)
            try:
                link.open(timeout_s)
            except ANY as error:
                link.close()
                failure = failure or error
                self._current = (self._current + 1) % len(self._servers)
            else:
                return link
        assert failure is not None, "there is at least one server"
        raise failure

    def close(self) -> None:
        """Close what is idle."""
        while self._idle:
            try:
                self._idle.pop().close()
            except IndexError:  # another thread was faster
                return

    def error(self, cause: BaseException) -> BrokerError:
        """Put a failed call into one line."""
        return BrokerError(self.name, *explain(cause))

    def gone(self, cause: BaseException) -> BrokerGoneError:
        """Put a lost connection into one line."""
        return BrokerGoneError(self.name, *explain(cause))

    def _forget_parent(self) -> None:
        inherited, self._idle, self._pid = self._idle, [], os.getpid()
        for link in inherited:
            link.close()

    def _is_sound(self, link: Link) -> bool:
        since_s = link.idle_since_s
        trusted = self._clock.read().elapsed_s - since_s < TRUSTED_IDLE_S
        if trusted and since_s > self._doubted_s:
            return True
        try:
            return not link.readable()
        except ANY:
            return False


# Kinds of errors, words in their text, what is said of them, what to do.  The first row that
# fits is taken; a row with words needs one of them in the text.
_KINDS: Final[tuple[tuple[tuple[type[BaseException], ...], tuple[str, ...], str, str], ...]] = (
    (
        (exceptions.AuthenticationError,),
        (),
        "authentication failed",
        "check user and password in the URL",
    ),
    (
        (exceptions.ResponseError, exceptions.ConnectionError),
        ("NOAUTH", "WRONGPASS", "AUTH"),
        "authentication failed",
        "check user and password in the URL",
    ),
    (
        (exceptions.BusyLoadingError,),
        (),
        "the server still reads its data",
        "try again soon",
    ),
    (
        SILENCE,
        (),
        "no answer in time",
        "check that the server is up and reachable",
    ),
    (
        (exceptions.ReadOnlyError,),
        (),
        "the server is a replica",
        "give the URL of the primary",
    ),
    (
        (exceptions.OutOfMemoryError,),
        (),
        "the server has no memory left",
        "raise maxmemory, or let workers drain the queues",
    ),
    (
        (exceptions.NoPermissionError,),
        (),
        "the user may not do this",
        "give it the rights it needs (ACL SETUSER)",
    ),
    (
        (exceptions.ResponseError,),
        ("WRONGTYPE",),
        "something else uses this key",
        "give taskq a database of its own",
    ),
    (
        (exceptions.ResponseError,),
        ("MISCONF",),
        "the server cannot write to its disk",
        "see the server's log",
    ),
    (
        (exceptions.ConnectionError, OSError),
        ("refused",),
        "connection refused",
        "start the server, or correct the URL",
    ),
    (
        (exceptions.ConnectionError,),
        ("max number of clients",),
        "the server has too many clients",
        "raise maxclients, or use fewer connections",
    ),
    (
        (exceptions.ConnectionError, OSError),
        (),
        "no connection",
        "check that the server is up and reachable",
    ),
)


def explain(error: BaseException) -> tuple[str, str]:
    """Say why a call failed and what to do, each in one line."""
    text = " ".join(str(error).split()) or type(error).__name__
    for kinds, words, why, advice in _KINDS:
        if isinstance(error, kinds) and (not words or any(word in text for word in words)):
            return f"{why} ({text})", advice
    return text, "see the server's log"
