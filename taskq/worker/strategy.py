"""What becomes of the messages of a task when they come: ``Task.Strategy``.

A strategy is called with the task, the app and the worker's ``Consumer``, once, and returns what is
called with each message: ``handler(message, body, ack, reject, callbacks)``.  The messages of a
task that has the default ones for strategy and request do not come by here at all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from taskq.app.discovery import symbol
from taskq.protocol.message import upgrade_v1
from taskq.worker.request import create_request_cls

__all__ = ["default", "hybrid_to_proto2", "proto1_to_proto2"]

Handler = Callable[..., None]
Converted = tuple[Any, Mapping[str, Any], bool, bool]

DEFAULT: Final = frozenset({"taskq.worker.strategy:default", "celery.worker.strategy:default"})


def default(task: Any, app: Any, consumer: Any, **_options: Any) -> Handler:
    """Make a request of each message, and let the worker go on with it."""
    kind = create_request_cls(
        symbol(task.Request),
        task,
        consumer.pool,
        consumer.hostname,
        consumer.event_dispatcher,
        app=app,
    )

    def handle(
        message: Any,
        body: Any = None,
        ack: Any = None,
        reject: Any = None,
        callbacks: Any = (),
        **_more: Any,
    ) -> None:
        request = kind(
            message,
            on_ack=ack or message.ack_log_error,
            on_reject=reject or message.reject_log_error,
            app=app,
            hostname=consumer.hostname,
            eventer=consumer.event_dispatcher,
            task=task,
            body=message.body if body is None else body,
            headers=message.headers,
            connection_errors=consumer.connection_errors,
        )
        for callback in callbacks or ():
            callback(request)
        consumer.on_task_request(request)

    return handle


def proto1_to_proto2(message: Any, body: Any) -> Converted:
    """Turn the body of a message of protocol 1 into ``body, headers, decoded, utc``."""
    headers, parts = upgrade_v1(body)
    utc = bool(body.get("utc", True))
    return tuple(parts), {**dict(message.headers), **headers}, True, utc


def hybrid_to_proto2(message: Any, body: Any) -> Converted:
    """Do the same with one that has headers of protocol 2, and a body of protocol 1."""
    said = {"id": message.headers.get("id"), "task": message.headers.get("task")}
    return proto1_to_proto2(message, {**said, **body})
