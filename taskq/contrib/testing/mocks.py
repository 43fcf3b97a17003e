"""Messages as a consumer holds them, for tests of what handles messages."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from unittest.mock import Mock

from kombu.serialization import dumps
from kombu.utils.uuid import uuid

__all__ = ["ContextMock", "TaskMessage", "TaskMessage1", "task_message_from_sig"]


def TaskMessage(  # noqa: N802, PLR0917 - Celery's name, Celery's signature
    name: str,
    id: str | None = None,  # noqa: A002 - Celery's name
    args: Sequence[Any] = (),
    kwargs: Mapping[str, Any] | None = None,
    callbacks: Any = None,
    errbacks: Any = None,
    chain: Any = None,
    shadow: str | None = None,
    utc: bool | None = None,
    **options: Any,
) -> Any:
    """Make a message of protocol 2; other options go into its headers.

    ``utc`` means nothing in this protocol.
    """
    del utc
    embed = {"callbacks": callbacks, "errbacks": errbacks, "chain": chain}
    headers = {"id": id or uuid(), "task": name, "shadow": shadow, **options}
    return _message((tuple(args), dict(kwargs or {}), embed), headers)


def TaskMessage1(  # noqa: N802, PLR0917 - Celery's name, Celery's signature
    name: str,
    id: str | None = None,  # noqa: A002 - Celery's name
    args: Sequence[Any] = (),
    kwargs: Mapping[str, Any] | None = None,
    callbacks: Any = None,
    errbacks: Any = None,
    chain: Any = None,
    **options: Any,
) -> Any:
    """Make a message of protocol 1, which knows no chain; other options go into its body."""
    del chain
    task_id = id or uuid()
    payload = {
        "task": name,
        "id": task_id,
        "args": tuple(args),
        "kwargs": dict(kwargs or {}),
        "callbacks": callbacks,
        "errbacks": errbacks,
        **options,
    }
    return _message(payload, {}, task_id)


def task_message_from_sig(
    app: Any,
    sig: Any,
    utc: bool = True,
    TaskMessage: Callable[..., Any] = TaskMessage,  # noqa: N803 - Celery's name
) -> Any:
    """Make the message as which a signature would be sent."""
    sig.freeze()
    options = dict(sig.options)
    task_id = options.pop("task_id")
    links = {key: _dicts(options.pop(key, None)) for key in ("link", "link_error", "chain")}
    times = {key: options.pop(key, None) for key in ("countdown", "eta", "expires")}
    sent = app.amqp.as_task_v2(task_id, sig.task, sig.args, sig.kwargs, **times)
    return TaskMessage(
        sig.task,
        id=task_id,
        args=sig.args,
        kwargs=sig.kwargs,
        callbacks=links["link"],
        errbacks=links["link_error"],
        chain=links["chain"],
        utc=utc,
        eta=sent.headers["eta"],
        expires=sent.headers["expires"],
        **options,
    )


def _dicts(signatures: Any) -> list[dict[str, Any]] | None:
    if not signatures:
        return None
    listed = [signatures] if isinstance(signatures, Mapping) else signatures
    return [dict(each) for each in listed]


def _message(payload: Any, headers: Mapping[str, Any], task_id: str | None = None) -> Any:
    content_type, content_encoding, body = dumps(payload, serializer="json")
    message = Mock(name=f"TaskMessage-{task_id or headers['id']}")
    message.headers, message.payload, message.body = dict(headers), payload, body
    message.content_type, message.content_encoding = content_type, content_encoding
    return message


def ContextMock(*args: Any, **kwargs: Any) -> Any:  # noqa: N802 - Celery's name
    """Make a mock that is its own context manager, and lets exceptions pass."""
    made = Mock(*args, **kwargs)
    made.__enter__ = Mock(return_value=made)
    made.__exit__ = Mock(return_value=False)
    return made
