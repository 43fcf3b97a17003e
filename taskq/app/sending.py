# ruff: noqa: PLR0917 - one pipeline hands the same few values on from step to step
"""The third layer of an app: from a call to a message at the broker.

``send_task`` reads from top to bottom: who is the parent, where does it go, what does the message
say, what bytes is it, publish, tell.  It runs for each message, so that what depends on settings
alone is worked out once (``SendSettings``), and what depends on the route alone once for each task.
"""

from __future__ import annotations

import contextlib
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, fields, replace
from typing import Any, Final, NamedTuple, cast

from taskq import current, signals
from taskq.app.backend import Backend
from taskq.app.configuring import AppSettings
from taskq.app.encode_errors import explain_encode_error
from taskq.app.events import event_message
from taskq.app.result import AsyncResult
from taskq.app.routing import Destination, Router
from taskq.app.tasking import Tasking
from taskq.app.times import eta_text, expiration_s, expires_text
from taskq.errors import AlwaysEagerIgnored, EncodeError
from taskq.ports import EMPTY, Message, Outgoing, Ports, PublishOptions, RetryPolicy
from taskq.protocol.message import PERSISTENT, TRANSIENT, Call, Parts, to_v1, to_v2
from taskq.protocol.saferepr import safe_repr

__all__ = ["Prepared", "SendSettings", "Sending"]

_ROUTING: Final = ("queue", "exchange", "routing_key", "exchange_type")
_DELIVERY_MODES: Final = {"transient": TRANSIENT, "persistent": PERSISTENT}
# A depth that ``safe_repr`` has by itself.
_REPR_LEVELS: Final = 3
_RETRY_FIELDS: Final = frozenset(field.name for field in fields(RetryPolicy))
# Options that say how to hand over, and are not part of the message.
_HANDOVER: Final = ("retry", "retry_policy", "timeout", "confirm_timeout", "mandatory", "immediate")
_NO_PROPERTIES: Final[Mapping[str, Any]] = EMPTY


class Prepared(NamedTuple):
    """A message that is ready to go, and what is told when it has gone."""

    outgoing: Outgoing
    name: str
    call: Call
    body: Any


@dataclass(frozen=True, slots=True)
class SendSettings:
    """What sending needs of the settings, in the form in which it needs it."""

    version: int
    build: Callable[[Call], Parts]
    serializer: str
    compression: str | None
    delivery_mode: int
    inherit_priority: bool
    repr_levels: int
    sent_event: bool
    always_eager: bool
    retry_policy: Mapping[str, Any]
    publish: PublishOptions

    def publish_with(self, retry: bool, policy: Any) -> PublishOptions:
        """Return how to hand over something with a retry policy of its own."""
        chosen = retry_policy({**self.retry_policy, **(policy or {})}) if retry else None
        return replace(self.publish, retry=chosen)

    @classmethod
    def of(cls, conf: AppSettings) -> SendSettings:
        """Read the settings."""
        policy = dict(conf.task_publish_retry_policy or {})
        return cls(
            version=conf.version,
            build=to_v1 if int(conf.task_protocol) == 1 else to_v2,
            serializer=conf.task_serializer,
            compression=conf.task_compression,
            delivery_mode=delivery_mode(conf.task_default_delivery_mode),
            inherit_priority=bool(conf.task_inherit_parent_priority),
            repr_levels=conf.task_repr_maxlevels,
            sent_event=bool(conf.task_send_sent_event),
            always_eager=bool(conf.task_always_eager),
            retry_policy=policy,
            publish=PublishOptions(
                retry=retry_policy(policy) if conf.task_publish_retry else None,
                timeout_s=conf.taskq_publish_timeout_s,
            ),
        )


def delivery_mode(value: Any) -> int:
    """Return the number of a delivery mode."""
    return _DELIVERY_MODES[value] if isinstance(value, str) else int(value)


def retry_policy(policy: Mapping[str, Any]) -> RetryPolicy:
    """Read a retry policy; what kombu knows beside this is of no use here."""
    known = {key: value for key, value in policy.items() if key in _RETRY_FIELDS}
    if known.get("retry_errors") is not None:
        known["retry_errors"] = tuple(known["retry_errors"])
    else:
        known.pop("retry_errors", None)
    return RetryPolicy(**known)


# What is sent inside of ``together`` goes out at its end, in one publish.
_outbox: Final[ContextVar[list[Prepared] | None]] = ContextVar("taskq_outbox", default=None)


class Sending(Tasking):
    """An app's way to the broker."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._send_settings: SendSettings | None = None
        self._router: Router | None = None
        self._router_key: tuple[Any, ...] = ()
        self._router_version = -1
        self._routes: dict[Any, tuple[Destination, Mapping[str, Any]]] = {}
        self._backend: tuple[int, Backend] | None = None
        self._accept: tuple[int, frozenset[str]] | None = None
        self._oid: dict[tuple[int, int], tuple[Ports, str]] = {}
        self._thread_oids = threading.local()

    # -- what is derived from settings ------------------------------------------------------------

    @property
    def send_settings(self) -> SendSettings:
        """What sending needs of the settings."""
        known = self._send_settings
        if known is None or known.version != self._conf._version:  # noqa: SLF001 - hot: no property
            self.conf.finalize()
            known = self._send_settings = SendSettings.of(self.conf)
            self._routes.clear()
            self._renew_router()
        return known

    @property
    def router(self) -> Router:
        """The queues and routes; made anew when a setting that they come from has changed."""
        if self._router is None or self._router_version != self.conf.version:
            return self._renew_router()
        return self._router

    def _renew_router(self) -> Router:
        # A change of another setting must not lose the queues that were added since.
        conf = self.conf
        key = (
            conf.task_queues,
            conf.task_routes,
            conf["task_default_queue"],
            conf["task_default_exchange"],
            conf["task_default_routing_key"],
            conf.task_default_exchange_type,
            conf.task_default_queue_type,
            conf.task_create_missing_queues,
            conf.task_create_missing_queue_type,
            conf.task_create_missing_queue_exchange_type,
            conf.task_queue_max_priority,
        )
        router = self._router
        if router is None or key != self._router_key:
            router = self._router = Router(self)
            self._router_key = key
            self._routes.clear()
        self._router_version = conf.version
        return router

    def flush_routes(self) -> None:
        """Read ``task_routes`` and ``task_queues`` again; for who changes them in place."""
        self._router = None
        self._routes.clear()

    def select_queues(self, queues: Any = None) -> None:
        """Consume from these queues only."""
        self.router.queues.select(queues)

    @property
    def backend(self) -> Backend:
        """What the app keeps in its result store."""
        version = self._conf._version  # noqa: SLF001 - hot: no property
        if self._backend is None or self._backend[0] != version:
            self.conf.finalize()
            self._backend = (version, Backend(self))
        return self._backend[1]

    @property
    def accept(self) -> frozenset[str]:
        """The content types that a worker of this app takes."""
        version = self._conf._version  # noqa: SLF001 - hot: no property
        if self._accept is None or self._accept[0] != version:
            self._accept = (version, self.ports.codec.accepted(self.conf.accept_content))
        return self._accept[1]

    # -- who sends --------------------------------------------------------------------------------

    def new_id(self) -> str:
        """Return a new id for a task or a group."""
        return self.ports.randomness.uuid()

    @property
    def oid(self) -> str:
        """The reply queue of this process."""
        ports = self.ports
        key = (id(ports), ports.place.pid)
        known = self._oid.get(key)
        if known is None:
            # The ports are kept beside the id, so that their address cannot be given to others.
            known = self._oid.setdefault(key, (ports, ports.randomness.uuid()))
        return known[1]

    @property
    def thread_oid(self) -> str:
        """The reply queue of this thread."""
        return self._thread_oid(self.ports)

    def _thread_oid(self, ports: Ports) -> str:
        key = (id(ports), ports.place.pid)
        oids: dict[tuple[int, int], tuple[Ports, str]] | None
        oids = getattr(self._thread_oids, "by_ports", None)
        if oids is None:
            oids = self._thread_oids.by_ports = {}
        known = oids.get(key)
        if known is None:
            known = oids[key] = (ports, ports.randomness.uuid())
        return known[1]

    # -- sending ----------------------------------------------------------------------------------

    def send_task(
        self, name: str, args: Any = None, kwargs: Any = None, **options: Any
    ) -> AsyncResult[Any]:
        """Send a task by its name; it need not be known here.  Options as ``Task.apply_async``."""
        if self.send_settings.always_eager:
            warnings.warn(
                "task_always_eager has no effect on send_task", AlwaysEagerIgnored, stacklevel=2
            )
        return self.send_call(name, args, kwargs, options)

    def send_call(
        self, name: str, args: Any, kwargs: Any, options: dict[str, Any], task: Any = None
    ) -> AsyncResult[Any]:
        """Send one call; ``options`` are used up."""
        result_cls = options.pop("result_cls", None)
        add_to_parent = options.pop("add_to_parent", True)
        prepared = self.prepare(name, args, kwargs, options, task)
        self._hand_over(prepared)
        call = prepared.call
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
        """Publish at the end, at once, what is sent inside."""
        if _outbox.get() is not None:
            yield  # who is further out publishes
            return
        with self.collecting() as outbox:
            yield
        self.publish(outbox)

    @contextlib.contextmanager
    def collecting(self) -> Iterator[list[Prepared]]:
        """Keep what is sent inside, and publish nothing: the caller does."""
        outbox: list[Prepared] = []
        token = _outbox.set(outbox)
        try:
            yield outbox
        finally:
            _outbox.reset(token)

    def _hand_over(self, prepared: Prepared) -> None:
        outbox = _outbox.get()
        if outbox is None:
            self.publish((prepared,))
        else:
            outbox.append(prepared)

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
        publish = _publish_options(options, settings)
        call = self._call(name, args, kwargs, options, settings, ports)
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
        router = self._router or self.router  # renewed with the settings that it comes from
        if options.pop("router", None) is not None:
            raise TypeError("router= is no option of a call here; use the setting task_routes")
        given = {key: value for key in _ROUTING if (value := options.pop(key, None)) is not None}
        declare = options.pop("declare", None)
        known = self._routes.get(name) if not given else None
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
            if not given and router.is_static:
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

    def _call(
        self,
        name: str,
        args: Any,
        kwargs: Any,
        options: dict[str, Any],
        settings: SendSettings,
        ports: Ports,
    ) -> Call:
        """Build the record of a call; what is left of the options goes into the properties."""
        take = options.pop
        task_id = take("task_id", None) or ports.randomness.uuid()
        args = () if args is None else tuple(args)
        kwargs = {} if kwargs is None else kwargs
        root_id, parent_id = take("root_id", None), take("parent_id", None)
        priority = take("priority", None)
        if root_id is None or parent_id is None or settings.inherit_priority:
            parent = current.get_current_worker_task()
            if parent is not None:
                request = parent.request
                root_id = root_id or request.root_id or request.id
                parent_id = parent_id or request.id
                if priority is None and settings.inherit_priority:
                    priority = (request.delivery_info or EMPTY).get("priority")
        countdown, eta, expires = take("countdown", None), take("eta", None), take("expires", None)
        expiration = take("expiration", None)
        if expires is not None:
            now = self.now()
            lifetime_s = expiration_s(expires, now, self.timezone)
            expires = expires_text(expires, lambda: now)
            expiration = lifetime_s if expiration is None else expiration
        if countdown or eta is not None:
            eta = eta_text(eta, countdown, self.now)
        origin, argsrepr, kwargsrepr = (
            options.get("origin"),
            options.get("argsrepr"),
            options.get("kwargsrepr"),
        )
        if settings.repr_levels != _REPR_LEVELS:
            argsrepr = argsrepr or safe_repr(args, maxlevels=settings.repr_levels)
            kwargsrepr = kwargsrepr or safe_repr(kwargs, maxlevels=settings.repr_levels)
        stamped = take("stamped_headers", None)
        take("stamps", None)
        hard, soft = take("time_limit", None), take("soft_time_limit", None)
        mode = take("delivery_mode", None)
        return Call(
            task=name,
            id=task_id,
            args=args,
            kwargs=kwargs,
            eta=eta,
            expires=expires,
            retries=take("retries", 0) or 0,
            callbacks=_listed(take("link", None)),
            errbacks=_listed(take("link_error", None)),
            chain=take("chain", None),
            chord=take("chord", None),
            group=take("group_id", None),
            group_index=take("group_index", None),
            root_id=root_id or task_id,
            parent_id=parent_id,
            timelimit=(hard, soft),
            shadow=take("shadow", None),
            argsrepr=argsrepr,
            kwargsrepr=kwargsrepr,
            origin=origin or f"gen{ports.place.pid}@{ports.place.hostname}",
            # The reference sends null where neither the call nor a known task says it.
            ignore_result=cast("bool", take("ignore_result", None)),
            replaced_task_nesting=take("replaced_task_nesting", 0) or 0,
            stamped_headers=list(stamped) if stamped else None,
            stamps={key: take(key) for key in stamped} if stamped else EMPTY,
            headers=take("headers", None) or EMPTY,
            reply_to=take("reply_to", None) or self._thread_oid(ports),
            correlation_id=take("correlation_id", None),
            priority=priority or 0,
            delivery_mode=settings.delivery_mode if mode is None else delivery_mode(mode),
            expiration_ms=None if expiration is None else int(float(expiration) * 1000),
            properties=_left_over(options) if options else _NO_PROPERTIES,
        )

    def _encode(
        self, call: Call, parts: Parts, serializer: str, compression: str | None, ports: Ports
    ) -> Message:
        codec = ports.codec
        try:
            encoded = codec.encode(parts.body, serializer)
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
        if compression:
            body, headers["compression"] = codec.compress(body, compression)
        return Message(
            headers, body, encoded.content_type, encoded.content_encoding, parts.properties
        )


def _publish_options(options: dict[str, Any], settings: SendSettings) -> PublishOptions:
    """Take out of the options how to hand over; the settings where they say nothing."""
    link = None
    for key in ("producer", "publisher", "connection"):
        given = options.pop(key, None)
        link = given if link is None else link
    said = {key: value for key in _HANDOVER if (value := options.pop(key, None)) is not None}
    if not said and link is None:
        return settings.publish
    retry = settings.publish.retry
    if "retry" in said or "retry_policy" in said:
        policy = {**settings.retry_policy, **said.get("retry_policy", {})}
        retry = retry_policy(policy) if said.get("retry", retry is not None) else None
    return PublishOptions(
        retry=retry,
        timeout_s=said.get("timeout", settings.publish.timeout_s),
        confirm_timeout_s=said.get("confirm_timeout"),
        mandatory=bool(said.get("mandatory")),
        immediate=bool(said.get("immediate")),
        link=link,
    )


def _listed(signatures: Any) -> list[Any] | None:
    """Return one or more signatures as a list; None for none."""
    if not signatures:
        return None
    if isinstance(signatures, Mapping) or not isinstance(signatures, list | tuple):
        return [signatures]
    return list(signatures)


def _left_over(options: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in options.items() if value is not None}


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
