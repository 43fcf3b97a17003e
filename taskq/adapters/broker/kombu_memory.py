"""Queues in this process, for ``memory://``: kombu's, without what a test would stumble over.

kombu's memory transport asks for messages once a second, forgets what is unacknowledged when its
channel is closed, knows no priority, and puts what is given back at the end of the queue.  This one
is a subclass that wakes who waits, keeps everything, gives high priorities first, and puts back
where it was.  ``Connection`` is what all connections of taskq's are made with.

Connections that a program opens by itself with kombu's class see the same queues; those of a
*space* of its own (transport option ``space``) are seen by nobody else.

Not here: what outlives the process, time to live, dead letters, limits of length.
"""

from __future__ import annotations

import contextlib
import heapq
import os
import select
import threading
from collections.abc import Mapping
from itertools import count
from queue import Empty
from time import monotonic
from typing import Any, Final

from kombu import connection
from kombu.transport import memory, virtual

from taskq.adapters.broker.errors import BrokerError

SPACE: Final = "space"  # transport option
# Where, in a message, its place in the queue is kept while somebody has it.
ORDER: Final = "taskq-order"
QUEUE: Final = "taskq-queue"


class Bell:
    """Wakes one who waits for a descriptor; may be rung by any thread."""

    def __init__(self) -> None:
        self._out, self._in = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    def fileno(self) -> int:
        """Return what becomes readable."""
        return self._out

    def ring(self) -> None:
        """Wake."""
        # A full pipe wakes as well; one that is closed has nobody behind it any more.
        with contextlib.suppress(BlockingIOError, OSError):
            os.write(self._in, b"!")

    def hush(self) -> None:
        """Be silent until it is rung again."""
        with contextlib.suppress(BlockingIOError):
            os.read(self._out, 4096)

    def wait(self, timeout_s: float) -> None:
        """Return when it was rung, or when the time is over."""
        select.select([self], [], [], timeout_s)

    def close(self) -> None:
        """Let go of the descriptors."""
        os.close(self._out)
        os.close(self._in)


class Line:
    """One queue: the highest priority first, then the oldest.

    It has what kombu's own channels use of ``queue.Queue``, and is none: under patches for
    greenlets that is another class.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        # kombu's own channels clear it by this name.
        self.queue: list[tuple[int, int, int, Any]] = []  # a heap
        self.mutex = threading.Lock()
        self._numbers = count()
        self._bells: set[Bell] = set()

    def qsize(self) -> int:
        """Return how many wait."""
        return len(self.queue)

    def empty(self) -> bool:
        """Whether none waits."""
        return not self.queue

    def put(self, item: Any) -> None:
        """Add one, and wake."""
        with self.mutex:
            self._put(item)

    def get(self, block: bool = True) -> Any:
        """Take the next; raises ``Empty``.  Who waits, waits for a bell."""
        del block
        with self.mutex:
            if not self.queue:
                raise Empty
            return self._get()

    def _put(self, item: Any) -> None:
        properties = _mapping(item, "properties")
        # Where it stood, if it has been in the queue before.
        order = _mapping(properties, "delivery_info").get(ORDER)
        number = next(self._numbers)
        entry = (-_priority(properties), number if order is None else order, number, item)
        heapq.heappush(self.queue, entry)
        for bell in self._bells:
            bell.ring()

    def _get(self) -> Any:
        _, order, _, item = heapq.heappop(self.queue)
        properties = _mapping(item, "properties")
        if not properties:  # no message: whoever takes it says so
            return item
        # A copy: the same message may stand in other queues too.
        info = {**_mapping(properties, "delivery_info"), ORDER: order, QUEUE: self.name}
        return {**item, "properties": {**properties, "delivery_info": info}}

    def attend(self, bell: Bell) -> None:
        """Ring it whenever something comes, and now if something is here."""
        with self.mutex:
            self._bells.add(bell)
            if self.queue:
                bell.ring()

    def leave(self, bell: Bell) -> None:
        """Ring it no more."""
        with self.mutex:
            self._bells.discard(bell)


def _mapping(holder: Any, key: str) -> Mapping[str, Any]:
    """Return a part of a message; anything can be put into a queue, also what is no message."""
    found = holder.get(key) if isinstance(holder, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def _priority(properties: Mapping[str, Any]) -> int:
    try:
        return int(properties.get("priority") or 0)
    except (TypeError, ValueError):
        return 0


class Space:
    """Queues, exchanges and bindings that belong together."""

    def __init__(self, queues: dict[str, Any], state: Any) -> None:
        self.queues, self.state = queues, state
        self.lock = threading.RLock()
        self.pid: int | None = None  # of the process in which somebody consumes

    def line(self, name: str) -> Line:
        """Return a queue; one that kombu's own channel has made becomes one of ours."""
        found = self.queues.get(name)
        if isinstance(found, Line):
            return found
        with self.lock:
            found = self.queues.get(name)
            if isinstance(found, Line):
                return found
            line = self.queues[name] = Line(name)
            with contextlib.suppress(Empty):
                while found is not None:
                    line.put(found.get(block=False))
            return line


_spaces: Final[dict[str, Space]] = {"": Space(memory.Channel.queues, memory.Transport.global_state)}
_spaces_lock: Final = threading.Lock()


def space(name: str) -> Space:
    """Return the space of that name; that without a name is the one of kombu's transport."""
    with _spaces_lock:
        if name not in _spaces:
            _spaces[name] = Space({}, virtual.BrokerState())
        return _spaces[name]


def forget_space(name: str) -> None:
    """Drop all that is in a space, when nobody uses it any more."""
    with _spaces_lock:
        _spaces.pop(name, None)


# kombu has no types: what it inherits is checked here by use.
_Channel: Any = memory.Channel
_Transport: Any = memory.Transport
_Connection: Any = connection.Connection


class Channel(_Channel):  # type: ignore[misc]  # see above
    """A channel that has a bell as long as it consumes."""

    def __init__(self, transport: Any, **kwargs: Any) -> None:
        super().__init__(transport, **kwargs)
        self._space: Space = transport.space
        self.queues = self._space.queues
        self.bell: Bell | None = None

    def _queue_for(self, queue: str) -> Line:
        return self._space.line(queue)

    def _new_queue(self, queue: str, **_options: Any) -> None:
        self._space.line(queue)

    def _put(self, queue: str, message: Any, **_options: Any) -> None:
        if self._space.pid not in {None, os.getpid()}:
            raise BrokerError(
                "memory://",
                "the queues are in the process of the worker, and this is a child of it",
                "use the pool solo or threads, or another broker",
            )
        self._space.line(queue).put(message)

    # -- consuming -------------------------------------------------------------------------------

    def basic_consume(
        self, queue: str, no_ack: bool, callback: Any, consumer_tag: str, **kwargs: Any
    ) -> None:
        """Consume, and hear when something comes."""
        super().basic_consume(queue, no_ack, callback, consumer_tag, **kwargs)
        if self.bell is None:
            self.bell = Bell()
        self._space.pid = os.getpid()
        self._space.line(queue).attend(self.bell)

    def basic_cancel(self, consumer_tag: str) -> None:
        """Consume no more."""
        queue = self._tag_to_queue.get(consumer_tag)
        super().basic_cancel(consumer_tag)
        if self.bell is not None and queue is not None and queue not in self._active_queues:
            self._space.line(queue).leave(self.bell)

    def basic_ack(self, delivery_tag: Any, multiple: bool = False) -> None:
        """Acknowledge; there is room for one more."""
        super().basic_ack(delivery_tag, multiple)
        self.ring()

    def basic_reject(self, delivery_tag: Any, requeue: bool = False) -> None:
        """Give back or drop; there is room for one more."""
        super().basic_reject(delivery_tag, requeue)
        self.ring()

    def basic_qos(self, *args: Any, **kwargs: Any) -> None:
        """Have more or less at once."""
        super().basic_qos(*args, **kwargs)
        self.ring()

    def ring(self) -> None:
        """Look again: what waits may be taken now."""
        if self.bell is None or not self.qos.can_consume():
            return
        if any(self._size(each) for each in self._active_queues):
            self.bell.ring()

    def _restore(self, message: Any) -> None:
        """Put back where it was: not where its exchange would send it anew."""
        raw = message.serializable()
        raw["redelivered"] = True
        info = {**(raw["properties"].get("delivery_info") or {}), "redelivered": True}
        raw["properties"] = {**raw["properties"], "delivery_info": info}
        self._space.line(info[QUEUE]).put(raw)

    def close(self) -> None:
        """Put back what is unacknowledged."""
        if not self.closed:
            self.qos.restore_unacked()
        super().close()
        self.queues = self._space.queues  # kombu's takes them away
        bell, self.bell = self.bell, None
        if bell is not None:
            bell.close()


class Transport(_Transport):  # type: ignore[misc]  # see above
    """kombu's, with those channels, and without asking again and again."""

    Channel = Channel

    def __init__(self, client: Any, **kwargs: Any) -> None:
        super().__init__(client, **kwargs)
        self.space = space(str(client.transport_options.get(SPACE, "")))
        self.state = self.space.state

    def drain_events(self, raw: Any, timeout: float | None = None) -> Any:
        """Deliver one message; raises ``TimeoutError`` where none comes in time."""
        del raw
        end = None if timeout is None else monotonic() + timeout
        while True:
            bells = [channel.bell for channel in self.channels if channel.bell is not None]
            for bell in bells:
                bell.hush()
            try:
                return self.cycle.get(self._deliver)
            except Empty:
                left = None if end is None else end - monotonic()
            if left is not None and left <= 0:
                raise TimeoutError("nothing has come")
            select.select(bells, [], [], left)


def bell_of(channel: Any) -> Bell | None:
    """Return what wakes who consumes on a channel; None where there is nothing but asking."""
    return channel.bell if isinstance(channel, Channel) else None


class Connection(_Connection):  # type: ignore[misc]  # see above
    """kombu's, but that ``memory`` means the transport here."""

    def get_transport_cls(self) -> type[Any]:
        """Return the class of the transport that is named."""
        if self.transport_cls == "memory":
            return Transport
        found: type[Any] = super().get_transport_cls()
        return found
