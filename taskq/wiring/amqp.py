# ruff: noqa: PLR0917 - the parameters are Celery's, and so is their order
"""``app.amqp``: queues, routes and messages as programs of kombu see them.

taskq sends its own messages without it (``app.sending``); a message made here is the same on the
wire, made of the same records.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from kombu.entity import Exchange, Queue
from kombu.messaging import Consumer

from taskq import signals
from taskq.adapters.broker.kombu_entities import to_exchange, to_queue
from taskq.adapters.broker.surface import AmqpSurface
from taskq.app.discovery import symbol
from taskq.app.times import eta_text, expires_text
from taskq.protocol.message import Call, to_v1, to_v2
from taskq.protocol.saferepr import safe_repr

__all__ = ["AMQP", "task_message"]

PROTOCOLS: Final = (1, 2)


class task_message(NamedTuple):  # noqa: N801 - Celery's name
    """One message that is to be sent."""

    headers: Any
    properties: Any
    body: Any
    sent_event: Any


class AMQP(AmqpSurface):
    """What ``app.amqp`` is; ``TaskQ(amqp=...)`` takes a class below it."""

    queues_cls: Any = "taskq.compat.queues:Queues"
    autoexchange: Any = None
    # How long the texts of arguments in a message may be.
    argsrepr_maxsize = 1024
    kwargsrepr_maxsize = 1024

    def __init__(self, app: Any) -> None:
        super().__init__(app._surface, app.router.queues)  # noqa: SLF001 - wiring's own
        self.app = app
        self.task_protocols: dict[int, Any] = {1: self.as_task_v1, 2: self.as_task_v2}

    # -- queues and routes ------------------------------------------------------------------------

    @property
    def router(self) -> Any:
        """Decides where a message goes."""
        return self.app.router

    @property
    def routes(self) -> tuple[Any, ...]:
        """``task_routes``, prepared."""
        return tuple(self.app.router.routes)

    def flush_routes(self) -> None:
        """Read ``task_routes`` again."""
        self.app.flush_routes()

    @property
    def utc(self) -> bool:
        """Whether times are sent as UTC."""
        return bool(self.app.conf.enable_utc)

    def Queues(  # noqa: N802 - Celery's name
        self,
        queues: Any,
        create_missing: bool | None = None,
        create_missing_queue_type: str | None = None,
        create_missing_queue_exchange_type: str | None = None,
        autoexchange: Callable[[str], Any] | None = None,
        max_priority: int | None = None,
    ) -> Any:
        """Make a table of queues, as the settings say where nothing is said."""
        conf = self.app.conf
        return symbol(self.queues_cls)(
            queues,
            default_exchange=self.default_exchange,
            create_missing=conf.task_create_missing_queues
            if create_missing is None
            else create_missing,
            create_missing_queue_type=create_missing_queue_type
            or conf.task_create_missing_queue_type,
            create_missing_queue_exchange_type=create_missing_queue_exchange_type
            or conf.task_create_missing_queue_exchange_type,
            autoexchange=autoexchange or self.autoexchange,
            max_priority=conf.task_queue_max_priority if max_priority is None else max_priority,
            default_routing_key=conf.task_default_routing_key,
        )

    def Router(self, queues: Any = None, create_missing: bool | None = None) -> Any:  # noqa: N802 - Celery's name
        """Make a router over other queues."""
        del create_missing  # the queues know it
        kind = type(self.app.router)
        return kind(self.app, queues=queues) if queues is not None else kind(self.app)

    def TaskConsumer(  # noqa: N802 - Celery's name
        self, channel: Any, queues: Any = None, accept: Any = None, **kw: Any
    ) -> Consumer:
        """Make a consumer of the queues that a worker takes from."""
        found = queues if queues is not None else list(self.queues.consume_from.values())
        accepted = self.app.conf.accept_content if accept is None else accept
        return Consumer(channel, accept=accepted, queues=found, **kw)

    # -- messages ---------------------------------------------------------------------------------

    @property
    def create_task_message(self) -> Callable[..., task_message]:
        """Makes a message of the protocol that the settings name."""
        make: Callable[..., task_message] = self.task_protocols[self.app.conf.task_protocol]
        return make

    def as_task_v2(
        self,
        task_id: str,
        name: str,
        args: Any = None,
        kwargs: Any = None,
        countdown: float | None = None,
        eta: Any = None,
        group_id: str | None = None,
        group_index: int | None = None,
        expires: Any = None,
        retries: int = 0,
        chord: Any = None,
        callbacks: Any = None,
        errbacks: Any = None,
        reply_to: str | None = None,
        time_limit: float | None = None,
        soft_time_limit: float | None = None,
        create_sent_event: bool = False,
        root_id: str | None = None,
        parent_id: str | None = None,
        shadow: str | None = None,
        chain: Any = None,
        now: datetime | None = None,
        timezone: Any = None,
        origin: str | None = None,
        ignore_result: bool = False,
        argsrepr: str | None = None,
        kwargsrepr: str | None = None,
        stamped_headers: Any = None,
        replaced_task_nesting: int = 0,
        **options: Any,
    ) -> task_message:
        """Make a message of protocol 2; sends nothing."""
        call = self._call(task_id, name, args, kwargs, countdown, eta, expires, now, timezone)
        call = replace(
            call,
            group=group_id,
            group_index=group_index,
            retries=retries,
            chord=chord,
            callbacks=callbacks,
            errbacks=errbacks,
            reply_to=reply_to or "",
            timelimit=(time_limit, soft_time_limit),
            root_id=root_id,
            parent_id=parent_id,
            shadow=shadow,
            chain=chain,
            origin=origin or f"gen{self.app.ports.place.pid}@{self.app.ports.place.hostname}",
            ignore_result=ignore_result,
            argsrepr=argsrepr or safe_repr(call.args, self.argsrepr_maxsize),
            kwargsrepr=kwargsrepr or safe_repr(call.kwargs, self.kwargsrepr_maxsize),
            stamped_headers=stamped_headers,
            stamps={key: options[key] for key in stamped_headers or () if key in options},
            replaced_task_nesting=replaced_task_nesting,
        )
        return _message(call, to_v2(call), create_sent_event)

    def as_task_v1(
        self,
        task_id: str,
        name: str,
        args: Any = None,
        kwargs: Any = None,
        countdown: float | None = None,
        eta: Any = None,
        group_id: str | None = None,
        group_index: int | None = None,
        expires: Any = None,
        retries: int = 0,
        chord: Any = None,
        callbacks: Any = None,
        errbacks: Any = None,
        reply_to: str | None = None,
        time_limit: float | None = None,
        soft_time_limit: float | None = None,
        create_sent_event: bool = False,
        root_id: str | None = None,
        parent_id: str | None = None,
        shadow: str | None = None,
        now: datetime | None = None,
        timezone: Any = None,
        **compat_kwargs: Any,
    ) -> task_message:
        """Make a message of protocol 1; sends nothing."""
        del compat_kwargs
        call = self._call(task_id, name, args, kwargs, countdown, eta, expires, now, timezone)
        call = replace(
            call,
            group=group_id,
            group_index=group_index,
            retries=retries,
            chord=chord,
            callbacks=callbacks,
            errbacks=errbacks,
            reply_to=reply_to or "",
            timelimit=(time_limit, soft_time_limit),
            root_id=root_id,
            parent_id=parent_id,
            shadow=shadow,
            utc=self.utc,
        )
        return _message(call, to_v1(call), create_sent_event)

    def _call(
        self,
        task_id: str,
        name: str,
        args: Any,
        kwargs: Any,
        countdown: float | None,
        eta: Any,
        expires: Any,
        now: datetime | None,
        timezone: Any,
    ) -> Call:
        if not isinstance(args or (), list | tuple):
            raise TypeError(f"task args must be a list or tuple, not {args!r}")
        if not isinstance(kwargs or {}, Mapping):
            raise TypeError(f"task keyword arguments must be a mapping, not {kwargs!r}")

        def moment() -> datetime:
            at = now or self.app.now()
            return at.astimezone(timezone) if timezone is not None else at

        return Call(
            task=name,
            id=task_id,
            args=tuple(args or ()),
            kwargs=dict(kwargs or {}),
            eta=eta_text(eta, countdown, moment),
            expires=expires_text(_seconds(expires), moment),
        )

    @property
    def send_task_message(self) -> Callable[..., Any]:
        """Publishes a message that was made here with a producer of kombu's."""
        return self._send

    def _send(
        self,
        producer: Any,
        name: str,
        message: task_message,
        exchange: Any = None,
        routing_key: str | None = None,
        queue: Any = None,
        event_dispatcher: Any = None,
        retry: bool | None = None,
        retry_policy: Any = None,
        serializer: str | None = None,
        delivery_mode: Any = None,
        compression: str | None = None,
        declare: Any = None,
        headers: Mapping[str, Any] | None = None,
        exchange_type: str | None = None,
        timeout: float | None = None,
        confirm_timeout: float | None = None,
        **properties: Any,
    ) -> Any:
        conf = self.app.conf
        asked = {"queue": queue, "exchange": exchange, "routing_key": routing_key}
        routed = self.app.router.route(
            {key: value for key, value in asked.items() if value is not None}, name
        )
        where = self.app.router.destination({**routed, "exchange_type": exchange_type})
        all_headers = {**message.headers, **(headers or {})}
        told = {
            "exchange": where.exchange,
            "routing_key": where.routing_key,
            "headers": all_headers,
            "properties": {**message.properties, **properties},
        }
        signals.before_task_publish.send(
            sender=name,
            body=message.body,
            declare=list(declare or ()),
            retry_policy=dict(retry_policy or conf.task_publish_retry_policy),
            **told,
        )
        sent = producer.publish(
            message.body,
            exchange=where.exchange,
            routing_key=where.routing_key,
            serializer=serializer or conf.task_serializer,
            compression=compression or conf.task_compression,
            retry=conf.task_publish_retry if retry is None else retry,
            retry_policy=dict(retry_policy or conf.task_publish_retry_policy),
            delivery_mode=delivery_mode or conf.task_default_delivery_mode,
            declare=[*(declare or ()), *map(self._declared, where.declare)],
            headers=all_headers,
            timeout=timeout,
            confirm_timeout=confirm_timeout,
            **told["properties"],
        )
        del told["properties"]
        signals.after_task_publish.send(sender=name, body=message.body, **told)
        if message.sent_event and event_dispatcher is not None:
            event_dispatcher.publish("task-sent", message.sent_event, producer)
        return sent

    @staticmethod
    def _declared(spec: Any) -> Queue | Exchange:
        return to_queue(spec) if hasattr(spec, "routing_key") else to_exchange(spec)


def _seconds(expires: Any) -> Any:
    return expires.total_seconds() if isinstance(expires, timedelta) else expires


def _message(call: Call, parts: Any, create_sent_event: bool) -> task_message:
    properties = {"correlation_id": call.id, "reply_to": call.reply_to or ""}
    told = {
        "uuid": call.id,
        "root_id": call.root_id or call.id,
        "parent_id": call.parent_id,
        "name": call.task,
        "args": safe_repr(call.args) if call.argsrepr is None else call.argsrepr,
        "kwargs": safe_repr(call.kwargs) if call.kwargsrepr is None else call.kwargsrepr,
        "retries": call.retries,
        "eta": call.eta,
        "expires": call.expires,
    }
    return task_message(parts.headers, properties, parts.body, told if create_sent_event else None)
