# ruff: noqa: PLR0917 - one step of a pipeline that hands on the same few values
"""From the options of a call to its record: who is its parent, when it may run, what it says.

Called for each message, hence flat.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, cast

from taskq import current
from taskq.app.send_settings import SendSettings, delivery_mode
from taskq.app.times import eta_text, expiration_s, expires_text
from taskq.ports import EMPTY, Ports
from taskq.protocol.message import Call
from taskq.protocol.saferepr import safe_repr

__all__ = ["build_call"]

# A depth that ``safe_repr`` has by itself.
_REPR_LEVELS: Final = 3


def build_call(
    app: Any,
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
        now = app.now()
        lifetime_s = expiration_s(expires, now, app.timezone)
        expires = expires_text(expires, lambda: now)
        # A broker that drops what has expired tells nobody.  Whoever waits for a chord or a chain
        # is told by the worker, which knows it from the headers.
        waited_for = options.get("chord") or options.get("chain")
        expiration = lifetime_s if expiration is None and not waited_for else expiration
    if countdown or eta is not None:
        eta = eta_text(eta, countdown, app.now)
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
        reply_to=take("reply_to", None) or app.reply_address(ports),
        correlation_id=take("correlation_id", None),
        priority=priority or 0,
        delivery_mode=settings.delivery_mode if mode is None else delivery_mode(mode),
        expiration_ms=None if expiration is None else int(float(expiration) * 1000),
        properties=_left_over(options) if options else EMPTY,
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
