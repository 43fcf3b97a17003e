"""Faults of what stands in messages: each is done to the next message of a task."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from taskq.ports import Message, Outgoing
from taskq_testing.faults.broker import QUEUE
from taskq_testing.faults.network import is_of
from taskq_testing.faults.table import TASK_NAME, Fault, Parameter
from taskq_testing.sim.world import SimWorld


def _change(world: SimWorld, given: Mapping[str, Any], make: Callable[[Message], Message]) -> None:
    editors = world.broker.editors

    def edit(outgoing: Outgoing) -> Sequence[Outgoing]:
        if not is_of(outgoing, given["task"]):
            return (outgoing,)
        editors.end(edit)
        return (replace(outgoing, message=make(outgoing.message)),)

    editors.add(edit)


def _corrupt_body(world: SimWorld, given: Mapping[str, Any]) -> None:
    _change(world, given, lambda message: replace(message, body=b"\x00\xff" + message.body[2:]))


def _truncated(world: SimWorld, given: Mapping[str, Any]) -> None:
    _change(world, given, lambda message: replace(message, body=message.body[:-4]))


def _unknown_task(world: SimWorld, given: Mapping[str, Any]) -> None:
    _change(world, given, lambda message: _with_header(message, "task", given["as"]))


def _bad_header(world: SimWorld, given: Mapping[str, Any]) -> None:
    _change(world, given, lambda message: _with_header(message, given["header"], given["value"]))


def _with_header(message: Message, name: str, value: Any) -> Message:
    return replace(message, headers={**message.headers, name: value})


def _content_type(world: SimWorld, given: Mapping[str, Any]) -> None:
    _change(world, given, lambda message: replace(message, content_type=given["as"]))


def _huge(world: SimWorld, given: Mapping[str, Any]) -> None:
    padding = b" " * int(given["bytes"])
    _change(world, given, lambda message: replace(message, body=message.body + padding))


def _old_protocol(world: SimWorld, given: Mapping[str, Any]) -> None:
    _change(world, given, _as_protocol_1)


def _as_protocol_1(message: Message) -> Message:
    """As a sender of long ago would have written it."""
    if message.content_type != "application/json":
        raise ValueError(
            f"payload.old_protocol rewrites JSON only; this message is {message.content_type}"
        )
    args, kwargs, embedded = json.loads(message.body)
    headers = message.headers
    body = {
        "task": headers["task"],
        "id": headers["id"],
        "args": args,
        "kwargs": kwargs,
        "retries": headers.get("retries", 0),
        "eta": headers.get("eta"),
        "expires": headers.get("expires"),
        "utc": True,
        "callbacks": embedded.get("callbacks"),
        "errbacks": embedded.get("errbacks"),
        "timelimit": headers.get("timelimit") or [None, None],
        "taskset": headers.get("group"),
        "chord": embedded.get("chord"),
    }
    return replace(message, headers={}, body=json.dumps(body).encode())


def _foreign(world: SimWorld, given: Mapping[str, Any]) -> None:
    world.put_raw(given["queue"], str(given["text"]).encode())


FAULTS: Final = (
    Fault("payload.corrupt_body", "its first bytes are broken", (TASK_NAME,), _corrupt_body),
    Fault("payload.truncated", "its last bytes are missing", (TASK_NAME,), _truncated),
    Fault("payload.unknown_task", "it calls a task that nobody has",
          (TASK_NAME, Parameter("as", "word", "no.such.task")), _unknown_task),
    Fault(
        "payload.bad_header",
        "one of its headers makes no sense",
        (TASK_NAME, Parameter("header", "word", "eta"), Parameter("value", "word", "tomorrow")),
        _bad_header,
    ),
    Fault("payload.content_type", "it says that its body is of another kind",
          (TASK_NAME, Parameter("as", "word", "application/x-unknown")), _content_type),
    Fault("payload.huge", "its body is padded with so many bytes",
          (TASK_NAME, Parameter("bytes", "number", 20_000_000)), _huge),
    Fault("payload.old_protocol", "it is written as in protocol 1", (TASK_NAME,), _old_protocol),
    Fault("payload.foreign", "somebody writes into a queue what is no message",
          (QUEUE, Parameter("text", "word", "hello")), _foreign),
)  # fmt: skip
