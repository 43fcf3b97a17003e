# ruff: noqa: A002, PLR0917 - the parameters are Celery's, and so is their order
"""Events of one's own: ``with app.events.default_dispatcher() as d: d.send("task-progress", ...)``.

Workers tell of tasks by a shorter way (``sending.py``); this is for programs and tasks.
"""

from __future__ import annotations

import threading
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar, Self

from taskq import current
from taskq.app.events.event import group_from
from taskq.app.events.sending import event_exchange, event_outgoing, make_event
from taskq.errors import OperationalError
from taskq.ports import Outgoing, PublishOptions
from taskq.protocol.event import Event, batch_body, event_body, routing_key

__all__ = ["EventDispatcher"]

# What is kept for a broker that is away; the oldest goes.
MOST_KEPT = 10_000


class EventDispatcher:
    """Sends events of one node."""

    DISABLED_TRANSPORTS: ClassVar[frozenset[str]] = frozenset({"sql"})
    app: Any = None
    # Called when it begins to send, or ends.
    on_enabled: set[Callable[[], Any]] | None = None
    on_disabled: set[Callable[[], Any]] | None = None

    def __init__(
        self,
        connection: Any = None,
        hostname: str | None = None,
        enabled: bool = True,
        channel: Any = None,
        buffer_while_offline: bool = True,
        app: Any = None,
        serializer: str | None = None,
        groups: Iterable[str] | None = None,
        delivery_mode: int = 1,
        buffer_group: Iterable[str] | None = None,
        buffer_limit: int = 24,
        on_send_buffered: Callable[[], Any] | None = None,
    ) -> None:
        self.app = current.app_or_default(app or self.app)
        place = self.app.ports.place
        self.connection, self.channel = connection, channel
        self.hostname = hostname or f"gen{place.pid}@{place.hostname}"
        self.pid = place.pid
        self.buffer_while_offline = buffer_while_offline
        self.buffer_group = frozenset(buffer_group or ())
        self.buffer_limit = buffer_limit
        self.on_send_buffered = on_send_buffered
        self.serializer = serializer or self.app.conf.event_serializer
        self.groups = set(groups or ())
        self.delivery_mode = delivery_mode
        self.clock = self.app.clock
        self.tzoffset = 0
        self.mutex = threading.Lock()
        self.producer: Any = None
        self.exchange = event_exchange(self.app)
        self.enabled = False
        self.on_enabled, self.on_disabled = set(), set()
        self._buffered: defaultdict[str, list[Event]] = defaultdict(list)
        self._kept: deque[Outgoing] = deque(maxlen=MOST_KEPT)
        if enabled:
            self.enable()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def enable(self) -> None:
        """Send from now on."""
        self.enabled = True
        for callback in self.on_enabled or ():
            callback()

    def disable(self) -> None:
        """Send no more."""
        if self.enabled:
            self.enabled = False
            self.close()
            for callback in self.on_disabled or ():
                callback()

    def send(
        self,
        type: str,
        blind: bool = False,
        retry: bool = False,
        retry_policy: Mapping[str, Any] | None = None,
        **fields: Any,
    ) -> None:
        """Send an event, or keep it with others of its group to be sent together."""
        if not self.enabled:
            return
        group = group_from(type)
        if self.groups and group not in self.groups:
            return
        if group not in self.buffer_group:
            self.publish(type, fields, self.producer, blind, retry=retry, retry_policy=retry_policy)
            return
        self._buffered[group].append(make_event(self.app, type, fields, self.hostname))
        if len(self._buffered[group]) >= self.buffer_limit:
            self.flush()
        elif self.on_send_buffered is not None:
            self.on_send_buffered()

    def publish(
        self,
        type: str,
        fields: Mapping[str, Any],
        producer: Any,
        blind: bool = False,
        **kwargs: Any,
    ) -> None:
        """Send an event now.  A ``blind`` one does not count in the logical clock."""
        event = make_event(self.app, type, fields, self.hostname, counts=not blind)
        body, key = event_body(event), routing_key(type)
        self._hand_over([self._message(body, key, producer, retry=bool(kwargs.get("retry")))])

    def flush(self, errors: bool = True, groups: bool = True) -> None:
        """Send what could not be sent before, and what was kept to be sent together."""
        with self.mutex:
            messages: list[Outgoing] = []
            if errors:
                messages += self._kept
                self._kept.clear()
            if groups:
                for group, events in self._buffered.items():
                    if events:
                        body, key = batch_body(events), f"{group}.multi"
                        messages.append(self._message(body, key, self.producer, retry=False))
                self._buffered.clear()
            if messages:
                self._hand_over(messages)

    def extend_buffer(self, other: EventDispatcher) -> None:
        """Take over what another one could not send."""
        self._kept.extend(other._kept)

    def close(self) -> None:
        """Send what is left."""
        self.flush(errors=False)

    @property
    def publisher(self) -> Any:
        """The user's own kombu producer, if there is one."""
        return self.producer

    @publisher.setter
    def publisher(self, producer: Any) -> None:
        self.producer = producer

    def _message(self, body: Any, key: str, link: Any, *, retry: bool) -> Outgoing:
        options = PublishOptions(
            timeout_s=self.app.conf.taskq_publish_timeout_s,
            link=link or self.channel or self.connection,
        )
        if not retry:
            options = PublishOptions(retry=None, timeout_s=options.timeout_s, link=options.link)
        return event_outgoing(
            self.app,
            body,
            key,
            self.hostname,
            options,
            serializer=self.serializer,
            delivery_mode=self.delivery_mode,
        )

    def _hand_over(self, messages: list[Outgoing]) -> None:
        try:
            self.app.ports.broker.publish(messages)
        except OperationalError:
            if not self.buffer_while_offline:
                raise
            self._kept.extend(messages)
