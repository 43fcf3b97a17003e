"""Connections of the kombu driver: one link is one connection with one channel.

Made by ``KombuBroker``; used by one thread at a time, which ``kombu_pool`` sees to.  kombu's
``Connection`` is asked for parameters, failover and error classes only: its own retrying sleeps
and has no limit, so transports are opened here, within the time that the caller has.
"""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import amqp
from kombu.transport import virtual

from taskq.adapters.broker import kombu_entities as entities
from taskq.adapters.broker.errors import BrokerError
from taskq.adapters.broker.kombu_advice import explain
from taskq.adapters.broker.kombu_entities import Spec
from taskq.adapters.broker.kombu_frames import ReadableFrames, split_frames
from taskq.adapters.broker.kombu_settings import ANSWER_TIMEOUT_S, LinkSettings
from taskq.adapters.inherited import leave_to_parent
from taskq.ports import Clock

# How long a farewell may take: the broker takes back everything anyway when the socket closes.
CLOSE_TIMEOUT_S: Final = 2.0
RECEIVE_BYTES: Final = 65_536
STARS: Final = "**"


class Deadline:
    """The moment until which a call may take."""

    def __init__(self, clock: Clock, seconds: float | None) -> None:
        self._clock, self.seconds = clock, seconds
        self._end = None if seconds is None else clock.read().elapsed_s + seconds

    def left(self, at_most: float = ANSWER_TIMEOUT_S) -> float:
        """Return the seconds until then, but not more than an answer may take."""
        if self._end is None:
            return at_most
        return max(0.0, min(at_most, self._end - self._clock.read().elapsed_s))

    @property
    def over(self) -> bool:
        """Whether it has come."""
        return self._end is not None and self._clock.read().elapsed_s >= self._end


class Link:
    """One connection with one channel."""

    def __init__(self, settings: LinkSettings, clock: Clock, heartbeat_s: float = 0) -> None:
        self._settings, self._clock = settings, clock
        self.connection = settings.connection(heartbeat_s)
        self.raw: Any = None  # what the transport calls a connection
        self.channel: Any = None
        self._declared: set[Hashable] = set()
        self._published: int | None = None  # None: publishes are not confirmed
        self.blocked_why: str | None = None  # the broker takes no messages for now
        self._frames: ReadableFrames | None = None

    @property
    def where(self) -> str:
        """The URL in use, its password starred."""
        starred = str(self.connection.as_uri(mask=STARS))
        if self.connection.info().get("password"):
            return starred
        return starred.replace(f":{STARS}@", "@", 1).replace("//@", "//", 1)

    @property
    def failures(self) -> tuple[type[BaseException], ...]:
        """What this transport raises when the other side does not do its part."""
        known = self.connection.connection_errors + self.connection.channel_errors
        return (*known, amqp.AMQPError, OSError)

    @property
    def passing(self) -> tuple[type[BaseException], ...]:
        """Those of them that may go away by themselves."""
        connection = self.connection
        return (
            *connection.recoverable_connection_errors,
            *connection.recoverable_channel_errors,
            # A queue or exchange was deleted that we had declared: a new link declares it again.
            amqp.exceptions.NotFound,
        )

    @property
    def speaks_amqp(self) -> bool:
        """Whether this is py-amqp, with a socket that can be watched and read here."""
        return isinstance(self.raw, amqp.Connection)

    @property
    def sock(self) -> Any:
        """The socket of an AMQP connection, or None."""
        transport = getattr(self.raw, "_transport", None)
        return getattr(transport, "sock", None)

    def connect(self, deadline: Deadline) -> None:
        """Connect, trying each URL once; raises what the last one raised."""
        for left in reversed(range(len(self.connection.alt or ()) or 1)):
            try:
                return self._open(deadline)
            except self.failures:
                self.abandon()
                self.connection.maybe_switch_next()
                if not left:
                    raise
        return None

    def _open(self, deadline: Deadline) -> None:
        connection: Any = self.connection  # kombu declares whole seconds
        connection.connect_timeout = deadline.left(self._settings.connect_timeout_s) or 0.001
        transport = self.connection.transport
        self.raw = transport.establish_connection()
        leave_to_parent(self.sock)
        if self.speaks_amqp:
            self.raw.on_blocked, self.raw.on_unblocked = self._on_blocked, self._on_unblocked
            self._frames = ReadableFrames(self.raw.on_inbound_frame)
            self.raw.on_inbound_frame = self._frames
        self.limit(deadline)
        self._published = None
        self.channel = transport.create_channel(self.raw)
        self.channel.auto_decode = False  # bodies are bytes, also when they are text

    def _on_blocked(self, why: str) -> None:
        self.blocked_why = why

    def _on_unblocked(self) -> None:
        self.blocked_why = None

    def limit(self, deadline: Deadline) -> None:
        """Let no single answer take longer than what is left."""
        if self.sock is not None:
            self.sock.settimeout(deadline.left() or 0.001)

    def declare(self, specs: Sequence[Spec]) -> None:
        """Make sure that entities exist, once for each connection."""
        for spec in specs:
            if (key := entities.key_of(spec)) not in self._declared:
                entities.to_entity(spec).bind(self.channel).declare()
                self._declared.add(key)

    def once(self, key: Hashable, deed: Callable[[], object]) -> None:
        """Do something that holds for the rest of this connection, if it was not done yet."""
        if key not in self._declared:
            deed()
            self._declared.add(key)

    @contextmanager
    def side_channel(self) -> Iterator[Any]:
        """Lend one more channel of AMQP: for what may fail, since a failure closes its channel."""
        channel = self.raw.channel()
        channel.auto_decode = False
        try:
            yield channel
        finally:
            # What failed on it is on its way up; a farewell that fails as well adds nothing.
            with contextlib.suppress(*self.failures):
                channel.close()

    def why_spoiled(self) -> str | None:
        """Say what could not be read of the message that has just come, once."""
        if self._frames is None:
            return None
        return self._frames.why_spoiled(self.channel.channel_id)

    def select_confirms(self) -> None:
        """Have publishes confirmed; the broker numbers them from here."""
        if self._published is None:
            self.channel.confirm_select()
            self._published = 0

    def count_publish(self) -> int:
        """Return the number that the broker will give to the next publish."""
        assert self._published is not None  # select_confirms comes first
        self._published += 1
        return self._published

    def forget_declared(self) -> None:
        """Declare again next time: something was deleted."""
        self._declared.clear()
        self.connection.declared_entities.clear()

    def pump(self) -> None:
        """Take in what the socket has, without waiting; callbacks of the channel are called."""
        while data := self._received(0):
            self._dispatch(data)

    def wait(self, timeout_s: float) -> None:
        """Take in what the socket has, as soon as it has something; raises ``TimeoutError``."""
        self._dispatch(self._received(timeout_s or 0.001))

    def _received(self, timeout_s: float) -> bytes:
        sock = self.sock
        if sock is None:
            raise ConnectionResetError("the connection is closed")
        before = sock.gettimeout()
        sock.settimeout(timeout_s)
        try:
            data: bytes = sock.recv(RECEIVE_BYTES)
        except (BlockingIOError, ssl.SSLWantReadError):
            return b""
        finally:
            sock.settimeout(before)
        if not data:
            raise ConnectionResetError("the broker closed the connection")
        return data

    def _dispatch(self, data: bytes) -> None:
        # py-amqp reads a frame in three small pieces, and spins on a socket that does not wait;
        # its buffer is kept right, since it reads from there when it waits for an answer.
        transport = self.raw.transport
        frames, transport._read_buffer = split_frames(transport._read_buffer + data)  # noqa: SLF001 - see above
        for frame in frames:
            self.raw.on_inbound_frame(frame)

    def stale(self) -> bool:
        """Whether the broker has closed it while nobody used it."""
        if not self.speaks_amqp:
            return False
        try:
            self.pump()
        except self.failures:
            return True
        return not self.raw.connected

    def close(self) -> None:
        """Say farewell, for a short time, and let go."""
        raw, self.raw, self.channel = self.raw, None, None
        if raw is None:
            return
        # The connection may be gone already, which is what was wanted.
        with contextlib.suppress(*self.failures, AttributeError):
            if (sock := getattr(getattr(raw, "_transport", None), "sock", None)) is not None:
                sock.settimeout(CLOSE_TIMEOUT_S)
            self.connection.transport.close_connection(raw)
        if isinstance(raw, amqp.Connection):
            raw.collect()
        self.connection.release()

    def abandon(self) -> None:
        """Let go of a connection that does not work: no farewell."""
        raw, self.raw, self.channel = self.raw, None, None
        self._declared.clear()
        self.blocked_why = None
        if isinstance(raw, amqp.Connection):
            raw.collect()
        elif raw is not None:
            with contextlib.suppress(*self.failures, AttributeError):
                self.connection.transport.close_connection(raw)
        self.connection.release()

    def disown(self) -> None:
        """After a fork: close the copy of the socket only; the parent goes on using its own."""
        sock = self.sock
        self.raw = self.channel = None
        if sock is not None:
            sock.close()

    def error(self, failure: BaseException, doing: str) -> BrokerError:
        """Word a failure."""
        why, advice = explain(failure)
        return BrokerError(self.where, f"{doing}: {why}", advice)


def is_virtual(channel: Any) -> bool:
    """Whether kombu emulates AMQP on this channel."""
    return isinstance(channel, virtual.Channel)
