# ruff: noqa: ARG002 - the parameters are Celery's
"""``celery.backends.asynchronous``: for classes of users whose server tells of changes.

Such a class mixes ``AsyncBackendMixin`` in and gives a ``ResultConsumer``, whose ``drain_events``
waits for news.  Our own stores listen by themselves and need none of it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from types import TracebackType
from typing import Any, Final

from taskq import states
from taskq.app.waiting import wait_for
from taskq.errors import TimeoutError as ResultTimeoutError

__all__ = [
    "AsyncBackendMixin",
    "BaseResultConsumer",
    "Drainer",
    "EventletAdaptedEvent",
    "drainers",
    "eventletDrainer",
    "geventDrainer",
    "greenletDrainer",
    "register_drainer",
]

drainers: Final[dict[str, type[Drainer]]] = {}
# How long one wait for news takes at most, before who waits is asked whether it has enough.
TURN_S: Final = 1.0


def register_drainer(name: str) -> Callable[[type[Drainer]], type[Drainer]]:
    """Name the class that waits for news under one kind of concurrency."""

    def keep(cls: type[Drainer]) -> type[Drainer]:
        drainers[name] = cls
        return cls

    return keep


@register_drainer("default")
class Drainer:
    """Waits for news in the thread that wants it."""

    def __init__(self, result_consumer: Any) -> None:
        self.result_consumer = result_consumer

    def start(self) -> None:
        """Nothing runs by itself."""

    def stop(self) -> None:
        """Nothing runs by itself."""

    def drain_events_until(
        self,
        p: Any,
        timeout: float | None = None,
        interval: float = TURN_S,
        on_interval: Callable[[], Any] | None = None,
        wait: Callable[..., Any] | None = None,
    ) -> Iterator[None]:
        """Wait until a promise is kept; raises ``TimeoutError`` when the time is over."""
        wait = wait or self.result_consumer.drain_events
        end_s = None if timeout is None else time.monotonic() + timeout  # noqa: TID251 - of real sockets
        while True:
            if end_s is not None and time.monotonic() >= end_s:  # noqa: TID251 - of real sockets
                raise TimeoutError
            with suppress(TimeoutError):
                self.wait_for(p, wait, timeout=interval)
            yield
            if on_interval is not None:
                on_interval()
            if p.ready:
                return

    def wait_for(self, p: Any, wait: Callable[..., Any], timeout: float | None = None) -> None:
        """Wait for the next news."""
        wait(timeout=timeout)


class greenletDrainer(Drainer):  # noqa: N801 - Celery's name
    """Waits for news in a greenlet of its own."""

    spawn: Any = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._stopped, self._changed = threading.Event(), threading.Event()
        self._greenlet: Any = None

    def run(self) -> None:
        """Wait for news until it is stopped."""
        while not self._stopped.is_set():
            with suppress(TimeoutError):
                self.result_consumer.drain_events(timeout=TURN_S)
            self._changed.set()

    def start(self) -> None:
        """Begin, once."""
        if self._greenlet is None:
            self._greenlet = self.spawn(self.run)

    def stop(self) -> None:
        """End after the turn."""
        self._stopped.set()

    def wait_for(self, p: Any, wait: Callable[..., Any], timeout: float | None = None) -> None:
        """Wait until the greenlet has heard something."""
        self.start()
        if not p.ready:
            self._changed.wait(timeout)
            self._changed.clear()


@register_drainer("eventlet")
class eventletDrainer(greenletDrainer):  # noqa: N801 - Celery's name
    """With eventlet."""

    def spawn(self, func: Callable[[], Any]) -> Any:
        """Start a greenlet."""
        import eventlet  # noqa: PLC0415 - only under that pool

        greenlet = eventlet.spawn(func)
        eventlet.sleep(0)
        return greenlet


@register_drainer("gevent")
class geventDrainer(greenletDrainer):  # noqa: N801 - Celery's name
    """With gevent."""

    def spawn(self, func: Callable[[], Any]) -> Any:
        """Start a greenlet."""
        import gevent  # noqa: PLC0415 - only under that pool

        greenlet = gevent.spawn(func)
        gevent.sleep(0)
        return greenlet


class EventletAdaptedEvent:
    """An event with the methods that code of threads expects."""

    def __init__(self) -> None:
        from eventlet.event import Event  # noqa: PLC0415 - only under that pool

        self._event = Event()

    def wait(self, timeout: float | None = None) -> Any:
        """Wait for it."""
        return self._event.wait(timeout)

    def set(self) -> None:
        """Let it happen."""
        self._event.send()

    def is_set(self) -> bool:
        """Whether it has happened."""
        return bool(self._event.ready())


class AsyncBackendMixin:
    """Waiting, for classes whose server tells of changes."""

    result_consumer: Any = None

    @property
    def is_async(self) -> bool:
        """Changes are told."""
        return True

    def iter_native(self, result: Any, no_ack: bool = True, **kwargs: Any) -> Iterator[Any]:
        """Return pairs of id and meta of a set's results, as they end."""
        yield from result.iter_native(**kwargs)

    def add_pending_result(
        self, result: Any, weak: bool = False, start_drainer: bool = True
    ) -> Any:
        """Listen for a result."""
        if self.result_consumer is not None and start_drainer:
            self.result_consumer.drainer.start()
            self.result_consumer.consume_from(result.id)
        return result

    def add_pending_results(self, results: Any, weak: bool = False) -> None:
        """Listen for several."""
        for each in results:
            self.add_pending_result(each, weak=weak)

    def remove_pending_result(self, result: Any) -> Any:
        """Listen for it no more."""
        self.on_result_fulfilled(result)
        return result

    def on_result_fulfilled(self, result: Any) -> None:
        """A result has been read."""
        if self.result_consumer is not None:
            self.result_consumer.cancel_for(result.id)

    def wait_for_pending(
        self,
        result: Any,
        callback: Callable[..., Any] | None = None,
        propagate: bool = True,
        **kwargs: Any,
    ) -> Any:
        """Wait for one result; return its value, or raise its exception."""
        known = {"timeout": "timeout_s", "interval": "interval_s"}
        options = {
            known.get(name, name): value
            for name, value in kwargs.items()
            if name in {*known, "on_message", "on_interval"}
        }
        wait_for(result.app, [result], **options)
        return result.maybe_throw(callback=callback, propagate=propagate)


class BaseResultConsumer:
    """Listens for results; a subclass says how."""

    def __init__(
        self,
        backend: Any,
        app: Any,
        accept: Any,
        pending_results: Any,
        pending_messages: Any,
    ) -> None:
        self.backend, self.app, self.accept = backend, app, accept
        self._pending_results, self._pending_messages = pending_results, pending_messages
        self.on_message: Callable[..., Any] | None = None
        self.drainer: Drainer = drainers["default"](self)

    def start(self, initial_task_id: str, **kwargs: Any) -> None:
        """Begin to listen."""
        raise NotImplementedError

    def stop(self) -> None:
        """Listen no more."""

    def drain_events(self, timeout: float | None = None) -> None:
        """Wait for news."""
        raise NotImplementedError

    def consume_from(self, task_id: str) -> None:
        """Listen for a task too."""
        raise NotImplementedError

    def cancel_for(self, task_id: str) -> None:
        """Listen for a task no more."""
        raise NotImplementedError

    def on_after_fork(self) -> None:
        """Begin anew in a child."""

    def drain_events_until(
        self,
        p: Any,
        timeout: float | None = None,
        on_interval: Callable[[], Any] | None = None,
    ) -> Iterator[None]:
        """Wait until a promise is kept."""
        return self.drainer.drain_events_until(p, timeout=timeout, on_interval=on_interval)

    def on_wait_for_pending(self, result: Any, timeout: float | None = None, **kwargs: Any) -> None:
        """Called before somebody waits."""

    def on_out_of_band_result(self, message: Any) -> None:
        """News came that nobody had asked for yet."""
        self.on_state_change(message.payload, message)

    def on_state_change(self, meta: Any, message: Any) -> None:
        """A task has changed its state: hand it to who waits for it."""
        if self.on_message is not None:
            self.on_message(meta)
        if meta["status"] in states.READY_STATES:
            for kept in self._pending_results or ():
                found = kept.get(meta["task_id"]) if hasattr(kept, "get") else None
                if found is not None:
                    found._maybe_set_cache(meta)  # noqa: SLF001 - of AsyncResult

    def reconnect_on_error(self) -> Any:
        """Return a block in which a lost connection is found again."""
        return _Reconnecting(self)


class _Reconnecting:
    """Lets a consumer begin anew after an error of its connection."""

    def __init__(self, consumer: BaseResultConsumer) -> None:
        self._consumer = consumer

    def __enter__(self) -> None:
        return None

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        if isinstance(error, OSError) and not isinstance(error, ResultTimeoutError):
            self._consumer.on_after_fork()
            return True
        return False
