"""What is to be sent: for a canvas, and for a task whose body has ended.

Pure: calls in, steps out.  ``app.run_task`` calls it after a body has ended, turns the steps into
messages, and hands them over together with the result.  A ``Step`` that ``is_plain`` is one
message, its ``args``, ``kwargs`` and ``options`` are complete.  Any other goes through ``unfold``
first, which needs the app for ids, and says which chords have to be opened before what is sent:

    for step in next_steps(call, result):
        for operation in unfold(step, app).operations:
            match operation:
                case OpenChord(group_id, size): store.open_chord(group_id, size, expires_s)
                case Step(): a message, as app.send_task(operation.task, args, kwargs, **options)

Stamps stand among the options under their own names; the option ``stamped_headers`` lists them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from taskq.canvas import rests
from taskq.canvas.parts import listed
from taskq.canvas.signature import maybe_signature
from taskq.canvas.steps import OpenChord, Operation, Step, Unfolded, is_composite
from taskq.current import AppLike
from taskq.errors import InvalidTaskError
from taskq.protocol.message import PERSISTENT, Call
from taskq.protocol.saferepr import safe_repr

__all__ = [
    "OpenChord",
    "Operation",
    "Step",
    "Unfolded",
    "chord_body_step",
    "error_steps",
    "next_steps",
    "plan",
    "retry_step",
    "unfold",
]


def plan(sig: Any, args: Sequence[Any] = (), kwargs: Any = None, **options: Any) -> Unfolded:
    """Say what ``sig.apply_async(args, kwargs, **options)`` would do, in order."""
    unfolded: Unfolded = maybe_signature(sig).unfold(args, kwargs, **options)
    return unfolded


def unfold(step: Step, app: AppLike) -> Unfolded:
    """Turn a step into plain steps and chords to open; a plain step is its own.

    ``result`` is the handle of what comes of a composite step, and None for a plain one.
    """
    if step.is_plain:
        return Unfolded((step,))
    sig = maybe_signature(dict(step.signature), app=app)
    unfolded: Unfolded = sig.unfold(step.args, dict(step.kwargs), **step.options)
    return unfolded


# -- after success -------------------------------------------------------------------------------


def next_steps(call: Call, result: Any, *, priority: int | None = None) -> list[Step]:
    """Say what follows a success: callbacks in order, then the next step of the chain.

    The result stands in front of the args of each, unless it is immutable.  ``parent_id`` is the
    call, ``root_id`` its root.  What is left of the chain goes on as the option ``chain``, the last
    step first, and an exhausted one as an empty list.  ``priority`` is that of the call, where
    ``task_inherit_parent_priority`` says so.
    """
    options = _lineage(call, priority)
    steps = [_follow_up(each, (result,), options) for each in _signatures(call, "callbacks")]
    chain = _signatures(call, "chain")
    if chain:
        *rest, following = chain
        options = {**options, "chain": rest, **_where_it_goes_on(following, rest)}
        steps.append(_follow_up(following, (result,), options))
    return steps


def _where_it_goes_on(following: Mapping[str, Any], rest: Sequence[Any]) -> dict[str, Any]:
    """Name in the headers of a message where the rest of its chain is kept, if it is."""
    ref = rests.find(rest)
    if ref is None or is_composite(following):
        return {}
    own = (following.get("options") or {}).get("headers") or {}
    return {"headers": {**own, rests.HEADER: str(ref)}}


def chord_body_step(call: Call, results: Sequence[Any], *, priority: int | None = None) -> Step:
    """Say how the body of a chord is sent, after the last member of its header: ``call``.

    ``results`` are those of the header, in the order of its members; they are one argument.
    """
    if call.chord is None:
        raise InvalidTaskError(f"task {call.task!r} with id {call.id!r} belongs to no chord")
    _check_signature(call, "chord", call.chord)
    return _follow_up(call.chord, (list(results),), _lineage(call, priority))


# -- after failure -------------------------------------------------------------------------------


def error_steps(
    call: Call,
    task_id: str,
    *,
    group_id: str | None = None,
    errbacks: Sequence[Mapping[str, Any]] | None = None,
) -> list[Step]:
    """Say how errbacks of the old style are sent: with the task id as only argument.

    An immutable one gets its own arguments.  ``errbacks`` are those of the call that are of the
    old style; None means all.  On the wire they are the members of a new group: give its id.
    """
    chosen = _signatures(call, "errbacks") if errbacks is None else errbacks
    steps = []
    for index, errback in enumerate(chosen):
        options: dict[str, Any] = {"parent_id": task_id, "root_id": call.root_id or call.id}
        if group_id is not None:
            options.update(group_id=group_id, group_index=index)
        steps.append(_follow_up(errback, (task_id,), options))
    return steps


# -- once more -----------------------------------------------------------------------------------


def retry_step(
    call: Call,
    eta_iso: str | None,
    *,
    args: Sequence[Any] | None = None,
    kwargs: Mapping[str, Any] | None = None,
    **options: Any,
) -> Step:
    """Say how a call is sent once more: same id, one more retry, the call as its own parent.

    Everything that the message said is said again: place in group, chain and chord, links, limits,
    stamps, custom headers, where the answer goes, who sent it first (option ``origin``).  ``args``
    and ``kwargs`` replace its own; ``options`` (queue, exchange, priority, ...) are laid on top.
    """
    new_args = call.args if args is None else tuple(args)
    new_kwargs = dict(call.kwargs if kwargs is None else kwargs)
    said = _said_again(call)
    said.update(retries=call.retries + 1, parent_id=call.id)
    if eta_iso is not None:
        said["eta"] = eta_iso
    if args is None and kwargs is None:
        said.update(_chosen_reprs(call))
    said.update(options)
    signature = {
        "task": call.task,
        "args": new_args,
        "kwargs": new_kwargs,
        "options": said,
        "subtask_type": None,
        "immutable": False,
    }
    return Step(signature, new_args, new_kwargs, said)


# Field of a call, option that says it, and the value that need not be said.
_SAID_AGAIN: Final = (
    ("group", "group_id", None),
    ("group_index", "group_index", None),
    ("chord", "chord", None),
    ("chain", "chain", None),
    ("callbacks", "link", None),
    ("errbacks", "link_error", None),
    ("expires", "expires", None),
    ("shadow", "shadow", None),
    ("reply_to", "reply_to", None),
    ("origin", "origin", None),
    ("priority", "priority", 0),
    ("delivery_mode", "delivery_mode", PERSISTENT),
    ("replaced_task_nesting", "replaced_task_nesting", 0),
)


def _said_again(call: Call) -> dict[str, Any]:
    said: dict[str, Any] = {"task_id": call.id, "root_id": call.root_id or call.id}
    for field, option, silent in _SAID_AGAIN:
        value = getattr(call, field)
        if value is not None and value != silent:
            said[option] = value
    if call.ignore_result is not None:
        # False too: left out, the task's own default would count, and a result might get lost.
        said["ignore_result"] = call.ignore_result
    hard, soft = call.timelimit
    if hard is not None:
        said["time_limit"] = hard
    if soft is not None:
        said["soft_time_limit"] = soft
    if call.headers:
        said["headers"] = dict(call.headers)
    if call.correlation_id not in (None, call.id):
        said["correlation_id"] = call.correlation_id
    if call.stamped_headers:
        said["stamped_headers"] = list(call.stamped_headers)
        said.update(call.stamps)
    return said


def _chosen_reprs(call: Call) -> dict[str, str]:
    """Keep texts that a caller chose, to hide the arguments; all others are made anew."""
    chosen = {}
    if call.argsrepr is not None and call.argsrepr != safe_repr(call.args):
        chosen["argsrepr"] = call.argsrepr
    if call.kwargsrepr is not None and call.kwargsrepr != safe_repr(dict(call.kwargs)):
        chosen["kwargsrepr"] = call.kwargsrepr
    return chosen


# -- parts ---------------------------------------------------------------------------------------


def _lineage(call: Call, priority: int | None) -> dict[str, Any]:
    options: dict[str, Any] = {"parent_id": call.id, "root_id": call.root_id or call.id}
    if priority is not None:
        options["priority"] = priority
    return options


def _signatures(call: Call, where: str) -> list[Mapping[str, Any]]:
    """Return the signatures in one place of a call, all of them checked."""
    found = listed(getattr(call, where))
    for each in found:
        _check_signature(call, where, each)
    return found


def _check_signature(call: Call, where: str, found: Any) -> None:
    if not isinstance(found, Mapping) or not isinstance(found.get("task"), str):
        raise InvalidTaskError(
            f"task {call.task!r} with id {call.id!r}: no signature in its {where}: "
            f"{safe_repr(found, 100)}"
        )


def _follow_up(
    signature: Mapping[str, Any], args: tuple[Any, ...], options: Mapping[str, Any]
) -> Step:
    if is_composite(signature):
        return Step(signature, args, {}, dict(options))
    merged: Unfolded = maybe_signature(dict(signature)).unfold(args, {}, **options)
    (step,) = merged.operations
    assert isinstance(step, Step)
    return step
