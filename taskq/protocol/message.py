"""Task messages: the record, and its two forms on the wire.

A client builds a ``Call`` and sends ``to_v2`` of it (``to_v1`` where ``task_protocol`` says so);
who runs or inspects a task gets the ``Call`` back with ``read``.  Bodies are Python values here:
what bytes they become is the codec's business, and so is its header (``compression``).

Protocol 2 says what the task is in the headers and what it works on in the body, so that a worker
routes without decoding.  Protocol 1 says everything in the body.  A worker upgrades what comes in
protocol 1 (``upgrade_v1``) and knows only protocol 2 from there on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, NoReturn, TypeAlias

from taskq.errors import InvalidTaskError
from taskq.protocol.saferepr import safe_repr

__all__ = ["PERSISTENT", "TRANSIENT", "Call", "Parts", "read", "to_v1", "to_v2", "upgrade_v1"]

PERSISTENT: Final = 2
TRANSIENT: Final = 1

# A signature as it travels: task, args, kwargs, options, subtask_type, immutable.
Sig: TypeAlias = Mapping[str, Any]
Limits: TypeAlias = tuple[float | None, float | None]

NO_LIMITS: Final[Limits] = (None, None)


@dataclass(frozen=True, slots=True)
class Call:
    """Everything that a task message says.

    ``eta`` and ``expires`` are ISO texts.  ``None`` in ``argsrepr`` and ``kwargsrepr`` means: made
    from the arguments when the message is built; in ``correlation_id``: the task's own id; in
    ``root_id``: the task's own id.
    """

    task: str
    id: str
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    eta: str | None = None
    expires: str | None = None
    retries: int = 0
    callbacks: Sequence[Sig] | None = None
    errbacks: Sequence[Sig] | None = None
    chain: Sequence[Sig] | None = None  # the last step comes first
    chord: Sig | None = None
    group: str | None = None
    group_index: int | None = None
    root_id: str | None = None
    parent_id: str | None = None
    timelimit: Limits = NO_LIMITS  # hard, soft: in this order
    shadow: str | None = None
    argsrepr: str | None = None
    kwargsrepr: str | None = None
    origin: str | None = None
    ignore_result: bool | None = False  # None: not said, the task itself decides
    replaced_task_nesting: int = 0
    stamped_headers: Sequence[str] | None = None
    stamps: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, Any] = field(
        default_factory=dict
    )  # the caller's own, beside the standard ones
    reply_to: str | None = None
    correlation_id: str | None = None
    priority: int | None = 0  # None: not said; brokers take it for 0
    delivery_mode: int = PERSISTENT
    expiration_ms: int | None = None
    # What else goes into the properties.  Not every transport carries them.
    properties: Mapping[str, Any] = field(default_factory=dict)
    lang: str = "py"
    utc: bool = True  # protocol 1 only: times without an offset are UTC


class Parts(NamedTuple):
    """The three parts of a message.  The body is still a Python value."""

    headers: dict[str, Any]
    properties: dict[str, Any]
    body: Any


# -- building ------------------------------------------------------------------------------------


def to_v2(call: Call) -> Parts:
    """Build a message of protocol 2.  Called for each send, hence flat."""
    kwargs = call.kwargs if type(call.kwargs) is dict else dict(call.kwargs)
    argsrepr, kwargsrepr = call.argsrepr, call.kwargsrepr
    headers = {
        "lang": call.lang,
        "task": call.task,
        "id": call.id,
        "shadow": call.shadow,
        "eta": call.eta,
        "expires": call.expires,
        "group": call.group,
        "group_index": call.group_index,
        "retries": call.retries,
        "timelimit": list(call.timelimit),
        "root_id": call.root_id or call.id,
        "parent_id": call.parent_id,
        "argsrepr": safe_repr(call.args) if argsrepr is None else argsrepr,
        "kwargsrepr": safe_repr(kwargs) if kwargsrepr is None else kwargsrepr,
        "origin": call.origin,
        "ignore_result": call.ignore_result,
        "replaced_task_nesting": call.replaced_task_nesting,
        "stamped_headers": call.stamped_headers,
        "stamps": dict(call.stamps),
    }
    if call.headers:
        headers.update(call.headers)
    embed = {
        "callbacks": call.callbacks,
        "errbacks": call.errbacks,
        "chain": call.chain,
        "chord": call.chord,
    }
    return Parts(headers, _properties_of(call), (call.args, kwargs, embed))


def to_v1(call: Call) -> Parts:
    """Build a message of protocol 1.  It has no place for a chain, stamps, parents or headers."""
    body = {
        "task": call.task,
        "id": call.id,
        "args": call.args,
        "kwargs": dict(call.kwargs),
        "group": call.group,
        "group_index": call.group_index,
        "retries": call.retries,
        "eta": call.eta,
        "expires": call.expires,
        "utc": call.utc,
        "callbacks": call.callbacks,
        "errbacks": call.errbacks,
        "timelimit": list(call.timelimit),
        "taskset": call.group,
        "chord": call.chord,
    }
    return Parts({}, _properties_of(call), body)


def _properties_of(call: Call) -> dict[str, Any]:
    properties: dict[str, Any] = {
        "correlation_id": call.correlation_id or call.id,
        "reply_to": call.reply_to or "",
    }
    if call.properties:
        properties.update(call.properties)
    properties["delivery_mode"] = call.delivery_mode
    if call.expiration_ms is not None:
        properties["expiration"] = str(call.expiration_ms)
    if call.priority is not None:
        properties["priority"] = call.priority
    return properties


# -- reading -------------------------------------------------------------------------------------

_OWN_HEADERS: Final = frozenset(
    {
        "lang",
        "task",
        "id",
        "shadow",
        "eta",
        "expires",
        "group",
        "group_index",
        "retries",
        "timelimit",
        "root_id",
        "parent_id",
        "argsrepr",
        "kwargsrepr",
        "origin",
        "ignore_result",
        "replaced_task_nesting",
        "stamped_headers",
        "stamps",
    }
)
# Written by codecs and brokers on the way.  Sent on with a retry they would be untrue.
_TRANSPORT_HEADERS: Final = frozenset(
    {
        "compression",
        "x-death",
        "x-first-death-exchange",
        "x-first-death-queue",
        "x-first-death-reason",
        "x-last-death-exchange",
        "x-last-death-queue",
        "x-last-death-reason",
        "x-delivery-count",
        "x-acquired-count",
    }
)
_OWN_PROPERTIES: Final = frozenset(
    {"correlation_id", "reply_to", "delivery_mode", "priority", "expiration"}
)
# Written by transports for themselves.
_TRANSPORT_PROPERTIES: Final = frozenset(
    {"delivery_info", "delivery_tag", "body_encoding", "content_type", "content_encoding"}
)


def read(headers: Mapping[str, Any], properties: Mapping[str, Any], body_value: Any) -> Call:
    """Read a message of protocol 2, of protocol 1, or headers of 2 with a body of 1.

    ``body_value`` is the decoded body.  Raises ``InvalidTaskError`` that says what is missing.
    """
    if "task" not in headers:
        headers, body_value = upgrade_v1(body_value)
    task, task_id = _identity(headers, "headers")
    if isinstance(body_value, Mapping):
        args, kwargs, embed = _from_v1_body(body_value, task, task_id)
    else:
        args, kwargs, embed = _from_v2_body(body_value, task, task_id)
    return _call(task, task_id, headers, properties, (args, kwargs, embed))


def upgrade_v1(body_value: Any) -> tuple[dict[str, Any], tuple[Any, Any, dict[str, Any]]]:
    """Turn a body of protocol 1 into headers and body of protocol 2."""
    if not isinstance(body_value, Mapping):
        raise InvalidTaskError(
            f"not a task message: no 'task' in the headers, and the body is {_kind(body_value)} "
            "instead of the mapping that protocol 1 asks for"
        )
    task, task_id = _identity(body_value, "body")
    body = _from_v1_body(body_value, task, task_id)
    given = body_value.get
    headers: dict[str, Any] = {
        "lang": "py",
        "task": task,
        "id": task_id,
        "shadow": None,
        "eta": given("eta"),
        "expires": given("expires"),
        "group": given("group") or given("taskset"),
        "group_index": given("group_index"),
        "retries": given("retries") or 0,
        "timelimit": given("timelimit") or [None, None],
        "root_id": task_id,
        "parent_id": None,
        "argsrepr": safe_repr(body[0]),
        "kwargsrepr": safe_repr(body[1]),
        "origin": None,
        "ignore_result": False,
        "replaced_task_nesting": 0,
        "stamped_headers": None,
        "stamps": {},
    }
    return headers, body


def _identity(found: Mapping[str, Any], where: str) -> tuple[str, str]:
    task, task_id = found.get("task"), found.get("id")
    if not isinstance(task, str) or not task:
        raise InvalidTaskError(f"not a task message: 'task' in its {where} is {task!r}, not a name")
    if not isinstance(task_id, str) or not task_id:
        raise InvalidTaskError(
            f"message for task {task!r}: 'id' in its {where} is {task_id!r}, not an id"
        )
    return task, task_id


def _from_v1_body(body: Mapping[str, Any], task: str, task_id: str) -> tuple[Any, Any, Any]:
    embed = {
        "callbacks": body.get("callbacks"),
        "errbacks": body.get("errbacks"),
        "chain": body.get("chain"),
        "chord": body.get("chord"),
    }
    args, kwargs = body.get("args"), body.get("kwargs")
    return _checked(
        () if args is None else args, {} if kwargs is None else kwargs, embed, task, task_id
    )


_V2_BODY_PARTS: Final = 3


def _from_v2_body(body: Any, task: str, task_id: str) -> tuple[Any, Any, Any]:
    if not isinstance(body, list | tuple) or len(body) != _V2_BODY_PARTS:
        _refuse(task, task_id, f"its body is {_kind(body)}, not a list of args, kwargs and embed")
    args, kwargs, embed = body
    return _checked(args, kwargs, embed, task, task_id)


def _checked(args: Any, kwargs: Any, embed: Any, task: str, task_id: str) -> tuple[Any, Any, Any]:
    if not isinstance(args, list | tuple):
        _refuse(task, task_id, f"its args are {_kind(args)}, not a list")
    if not isinstance(kwargs, Mapping):
        _refuse(task, task_id, f"its kwargs are {_kind(kwargs)}, not a mapping")
    if embed is not None and not isinstance(embed, Mapping):
        _refuse(task, task_id, f"its embed is {_kind(embed)}, not a mapping")
    return args, kwargs, embed or {}


def _refuse(task: str, task_id: str, why: str) -> NoReturn:
    raise InvalidTaskError(f"message for task {task!r} with id {task_id!r}: {why}")


def _kind(value: Any) -> str:
    if isinstance(value, list | tuple):
        return f"a {type(value).__name__} of {len(value)}"
    return f"of type {type(value).__name__}"


def _call(
    task: str,
    task_id: str,
    headers: Mapping[str, Any],
    properties: Mapping[str, Any],
    body: tuple[Any, Any, Any],
) -> Call:
    args, kwargs, embed = body
    header, own = headers.get, properties.get
    return Call(
        task=task,
        id=task_id,
        args=tuple(args),
        kwargs=kwargs,
        eta=header("eta"),
        expires=header("expires"),
        retries=_count(header("retries"), "retries", task, task_id),
        callbacks=embed.get("callbacks"),
        errbacks=embed.get("errbacks"),
        chain=embed.get("chain"),
        chord=embed.get("chord"),
        group=header("group"),
        group_index=header("group_index"),
        root_id=header("root_id"),
        parent_id=header("parent_id"),
        timelimit=_limits(header("timelimit"), task, task_id),
        shadow=header("shadow"),
        argsrepr=header("argsrepr"),
        kwargsrepr=header("kwargsrepr"),
        origin=header("origin"),
        ignore_result=header("ignore_result"),
        replaced_task_nesting=_count(header("replaced_task_nesting"), "nesting", task, task_id),
        stamped_headers=header("stamped_headers"),
        stamps=header("stamps") or {},
        headers=_others(headers, _OWN_HEADERS, _TRANSPORT_HEADERS),
        reply_to=own("reply_to") or None,
        correlation_id=own("correlation_id"),
        priority=own("priority"),
        delivery_mode=own("delivery_mode") or PERSISTENT,
        expiration_ms=_milliseconds(own("expiration")),
        properties=_others(properties, _OWN_PROPERTIES, _TRANSPORT_PROPERTIES),
        lang=header("lang") or "py",
    )


def _others(
    found: Mapping[str, Any], own: frozenset[str], transport: frozenset[str]
) -> Mapping[str, Any]:
    names = found.keys() - own - transport
    return {name: found[name] for name in found if name in names} if names else {}


def _count(value: Any, what: str, task: str, task_id: str) -> int:
    if value is None:
        return 0
    if not isinstance(value, int):
        _refuse(task, task_id, f"its {what} is {_kind(value)}, not a whole number")
    return value


_LIMITS: Final = 2


def _limits(value: Any, task: str, task_id: str) -> Limits:
    if not value:
        return NO_LIMITS
    if not isinstance(value, list | tuple) or len(value) != _LIMITS:
        _refuse(task, task_id, f"its timelimit is {_kind(value)}, not a pair of hard and soft")
    return (value[0], value[1])


def _milliseconds(value: Any) -> int | None:
    """Read the text of an expiration; who cannot say when a message expires says it never does."""
    try:
        return None if value is None else int(value)
    except (TypeError, ValueError):
        return None
