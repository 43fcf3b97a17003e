# ruff: noqa: PLR0917 - the parameters are Celery's, and so is their order
"""The fourth layer of an app: from a call to a message at the broker.

``send_task`` reads from top to bottom: who is the parent, where does it go, what does the message
say, what bytes is it, publish, tell.  It runs for each message, so that what depends on settings
alone is worked out once (``derived.py``), and what depends on the route alone once for each task.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import replace
from typing import Any, Final, NamedTuple

from taskq import current, signals
from taskq.app.calling import build_call
from taskq.app.derived import Derived
from taskq.app.discovery import symbol
from taskq.app.encode_errors import explain_encode_error
from taskq.app.events import event_message
from taskq.app.result import AsyncResult
from taskq.app.routing import Destination
from taskq.app.send_settings import publish_options
from taskq.canvas.plain import with_plain_followers
from taskq.errors import EncodeError, MessageTooLarge
from taskq.ports import Message, Outgoing, Ports
from taskq.protocol.message import Call, Parts

__all__ = ["Prepared", "Sending"]

# Serializers that write a signature as the dict that it is.
_WRITES_DATA: Final = frozenset({"json", "application/json"})
# By its name: a worker stands on the app, and the app on this.
_RUN_HERE: Final = "taskq.app.eager.running:run_here"
_ROUTING: Final = ("queue", "exchange", "routing_key", "exchange_type")


class Prepared(NamedTuple):
    """A message that is ready to go, and what is told when it has gone."""

    outgoing: Outgoing
    name: str
    call: Call
    body: Any


# What is sent inside of ``together`` goes out at its end, in one publish.
_outbox: Final[ContextVar[list[Prepared] | None]] = ContextVar("taskq_outbox", default=None)
# The app that does it; None where whoever collects does not publish.
_publisher: Final[ContextVar[Sending | None]] = ContextVar("taskq_publisher", default=None)
# So many are kept at most: a group may have any number of members, and workers can begin with the
# first while the others are made.
MOST_TOGETHER: Final = 250


class Sending(Derived):
    """An app's way to the broker."""

    # -- sending ----------------------------------------------------------------------------------

    def send_task(
        self,
        name: str,
        args: Any = None,
        kwargs: Any = None,
        countdown: float | None = None,
        eta: Any = None,
        task_id: str | None = None,
        producer: Any = None,
        connection: Any = None,
        router: Any = None,
        result_cls: Any = None,
        expires: Any = None,
        publisher: Any = None,
        link: Any = None,
        link_error: Any = None,
        add_to_parent: bool = True,
        group_id: str | None = None,
        group_index: int | None = None,
        retries: int = 0,
        chord: Any = None,
        reply_to: str | None = None,
        time_limit: float | None = None,
        soft_time_limit: float | None = None,
        root_id: str | None = None,
        parent_id: str | None = None,
        route_name: str | None = None,
        shadow: str | None = None,
        chain: Any = None,
        task_type: Any = None,
        replaced_task_nesting: int = 0,
        **options: Any,
    ) -> AsyncResult[Any]:
        """Send a task by its name; it need not be known here.  Options as ``Task.apply_async``."""
        options.update(
            countdown=countdown,
            eta=eta,
            task_id=task_id,
            producer=producer,
            connection=connection,
            router=router,
            result_cls=result_cls,
            expires=expires,
            publisher=publisher,
            link=link,
            link_error=link_error,
            add_to_parent=add_to_parent,
            group_id=group_id,
            group_index=group_index,
            retries=retries,
            chord=chord,
            reply_to=reply_to,
            time_limit=time_limit,
            soft_time_limit=soft_time_limit,
            root_id=root_id,
            parent_id=parent_id,
            route_name=route_name,
            shadow=shadow,
            chain=chain,
            replaced_task_nesting=replaced_task_nesting,
        )
        if self.runs_here:
            here: AsyncResult[Any] = self.run_here(
                lambda: self.send_call(name, args, kwargs, options, task_type)
            )
            return here
        return self.send_call(name, args, kwargs, options, task_type)

    @property
    def runs_here(self) -> bool:
        """Whether what is sent now runs in this process; not what a worker sends on its own."""
        return self.send_settings.always_eager and not self._is_collecting()

    @staticmethod
    def _is_collecting() -> bool:
        return _outbox.get() is not None and _publisher.get() is None

    def run_here(self, send: Callable[[], Any], throw: bool | None = None) -> Any:
        """Run in this process what is sent inside of ``send``; return handles that are ready."""
        return symbol(_RUN_HERE)(self, send, throw)

    def send_call(
        self, name: str, args: Any, kwargs: Any, options: dict[str, Any], task: Any = None
    ) -> AsyncResult[Any]:
        """Send one call; ``options`` are used up."""
        result_cls = options.pop("result_cls", None)
        add_to_parent = options.pop("add_to_parent", True)
        prepared = self.prepare(name, args, kwargs, options, task)
        self._hand_over(prepared)
        call = prepared.call
        if result_cls is None and task is not None and task.overrides("AsyncResult"):
            result_cls = task.AsyncResult
        if result_cls is None:
            result: AsyncResult[Any] = AsyncResult(call.id, app=self)
        else:
            result = result_cls(call.id)
        if call.ignore_result is not None:
            result.ignored = call.ignore_result
        if add_to_parent:
            parent = current.get_current_worker_task()
            if parent is not None:
                parent.add_trail(result)
        return result

    def send_many(self, calls: Sequence[Mapping[str, Any]]) -> list[AsyncResult[Any]]:
        """Send many calls in one publish.  Each is a mapping of what ``send_task`` takes."""
        with self.together():
            return [self.send_task(**call) for call in calls]

    @contextlib.contextmanager
    def together(self) -> Iterator[None]:
        """Publish at the end, at once, what is sent inside; of very many some go out before."""
        if _outbox.get() is not None:
            yield  # who is further out publishes
            return
        with self.collecting() as outbox:
            token = _publisher.set(self)
            try:
                yield
            finally:
                _publisher.reset(token)
        self.publish(outbox)

    @contextlib.contextmanager
    def collecting(self) -> Iterator[list[Prepared]]:
        """Keep what is sent inside, and publish nothing: the caller does."""
        outbox: list[Prepared] = []
        token, nobody = _outbox.set(outbox), _publisher.set(None)
        try:
            yield outbox
        finally:
            _outbox.reset(token)
            _publisher.reset(nobody)

    def _hand_over(self, prepared: Prepared) -> None:
        outbox, publisher = _outbox.get(), _publisher.get()
        if outbox is None or (publisher is not None and publisher is not self):
            self.publish((prepared,))  # what another app sends is not ours to publish
            return
        outbox.append(prepared)
        if publisher is not None and len(outbox) >= MOST_TOGETHER:
            some = outbox[:]
            outbox.clear()
            self.publish(some)

    def publish(self, messages: Sequence[Prepared]) -> None:
        """Give messages to the broker, and tell that they were sent."""
        if not messages:
            return
        self.ports.broker.publish([each.outgoing for each in messages])
        self.announce_sent(messages)

    def announce_sent(self, messages: Sequence[Prepared]) -> None:
        """Tell that messages were sent."""
        if signals.after_task_publish.receivers or signals.task_sent.receivers:
            for each in messages:
                _announce(each)
        if self.send_settings.sent_event:
            self.ports.broker.publish([self._sent_event(each) for each in messages])

    def _sent_event(self, prepared: Prepared) -> Outgoing:
        call, outgoing = prepared.call, prepared.outgoing
        headers = outgoing.message.headers
        told = {
            "uuid": call.id,
            "root_id": headers.get("root_id", call.id),
            "parent_id": call.parent_id,
            "name": call.task,
            "args": headers.get("argsrepr"),
            "kwargs": headers.get("kwargsrepr"),
            "retries": call.retries,
            "eta": call.eta,
            "expires": call.expires,
            "queue": outgoing.routing_key if not outgoing.exchange else None,
            "exchange": outgoing.exchange,
            "routing_key": outgoing.routing_key,
        }
        if call.stamps:
            told["stamps"] = dict(call.stamps)
        return event_message(self, "task-sent", told, call.origin or "", self.send_settings.publish)

    # -- from a call to a message -----------------------------------------------------------------

    def prepare(
        self, name: str, args: Any, kwargs: Any, options: dict[str, Any], task: Any = None
    ) -> Prepared:
        """Build the message of one call, and send nothing.  ``options`` are used up."""
        settings, ports = self.send_settings, self.ports
        route_name = options.pop("route_name", None) or name
        destination = self._route(route_name, args, kwargs, options, task)
        serializer = options.pop("serializer", None) or settings.serializer
        compression = options.pop("compression", None) or settings.compression
        publish = publish_options(options, settings)
        call = build_call(self, name, args, kwargs, options, settings, ports)
        parts = settings.build(call)
        if signals.before_task_publish.receivers:
            signals.before_task_publish.send(
                sender=name,
                body=parts.body,
                exchange=destination.exchange,
                routing_key=destination.routing_key,
                declare=list(destination.declare),
                headers=parts.headers,
                properties=parts.properties,
                retry_policy=dict(settings.retry_policy),
            )
        message = self._encode(call, parts, serializer, compression, ports)
        outgoing = Outgoing(
            message,
            destination.exchange,
            destination.routing_key,
            destination.exchange_type,
            destination.declare,
            publish,
        )
        return Prepared(outgoing, name, call, parts.body)

    def _route(
        self, name: str, args: Any, kwargs: Any, options: dict[str, Any], task: Any
    ) -> Destination:
        """Take the routing out of the options; add to them what the route says beside it."""
        own = options.pop("router", None)
        # Our own is renewed with the settings that it comes from.
        router = own or self._router or self.router
        given = {key: value for key in _ROUTING if (value := options.pop(key, None)) is not None}
        declare = options.pop("declare", None)
        known = self._routes.get(name) if not given and own is None else None
        if known is None:
            # What a route of names alone says does not depend on the call; it may be kept.
            asked = given if router.is_static else {**options, **given}
            routed = router.route(asked, name, args, kwargs, task)
            destination = router.destination(routed)
            extras: Mapping[str, Any] = {
                key: value
                for key, value in routed.items()
                if key not in _ROUTING and value is not None
            }
            if not given and own is None and router.is_static:
                self._routes[name] = (destination, extras)
        else:
            destination, extras = known
        if extras:
            for key, value in extras.items():
                if options.get(key) is None:
                    options[key] = value
        return (
            replace(destination, declare=(*destination.declare, *declare))
            if declare
            else destination
        )

    def _encode(
        self, call: Call, parts: Parts, serializer: str, compression: str | None, ports: Ports
    ) -> Message:
        codec = ports.codec
        try:
            told = parts.body if serializer in _WRITES_DATA else with_plain_followers(parts.body)
            encoded = codec.encode(told, serializer)
        except EncodeError as error:
            raise explain_encode_error(
                error,
                name=call.task,
                args=call.args,
                kwargs=call.kwargs,
                serializer=serializer,
                codec=codec,
            ) from error
        body, headers = encoded.body, parts.headers
        if len(body) > (most := self.send_settings.most_bytes):
            raise MessageTooLarge(call.task, len(body), most)
        if compression:
            body, headers["compression"] = codec.compress(body, compression)
        return Message(
            headers, body, encoded.content_type, encoded.content_encoding, parts.properties
        )


def _announce(prepared: Prepared) -> None:
    outgoing, call = prepared.outgoing, prepared.call
    if signals.after_task_publish.receivers:
        signals.after_task_publish.send(
            sender=prepared.name,
            body=prepared.body,
            exchange=outgoing.exchange,
            routing_key=outgoing.routing_key,
            headers=outgoing.message.headers,
        )
    if signals.task_sent.receivers:
        signals.task_sent.send(
            sender=prepared.name,
            task_id=call.id,
            task=prepared.name,
            args=call.args,
            kwargs=call.kwargs,
            eta=call.eta,
            taskset=call.group,
        )
