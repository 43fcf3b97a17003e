"""What follows from an ended task: the next messages, the failed rest of a chain, its chord.

``canvas.plan`` says which calls follow; here they become messages, inside of the request of the
task that ended, so that parent, root and trail are right.  Nothing is published.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, NamedTuple

from taskq import states
from taskq.app import rests
from taskq.app.asked import must_be_kept, tell_members
from taskq.app.incoming import Incoming
from taskq.canvas.depth import check_depth
from taskq.canvas.plan import chord_body_step, error_steps, next_steps, unfold
from taskq.canvas.rests import ref_of
from taskq.canvas.signature import maybe_signature
from taskq.canvas.steps import Step, carry_out, is_composite
from taskq.current import get_current_worker_task
from taskq.errors import NotRegistered
from taskq.ports import ChordPart, Job, Outgoing, ResultRecord
from taskq.protocol.followers import is_index
from taskq.protocol.message import Call
from taskq.protocol.result import chord_part

__all__ = [
    "Place",
    "after_failure",
    "after_success",
    "call_errback",
    "chord_message",
    "chord_places",
    "failed_rest",
    "failures_of",
    "ids_of",
    "messages",
    "own_place",
    "part_of_chord",
    "part_of_unreadable",
    "place_in_store",
    "places_of",
    "tasks_of",
]

logger: Final = logging.getLogger("taskq.app.trace")


class Place(NamedTuple):
    """Where a task, or the last step of its chain, stands in a chord."""

    body: Mapping[str, Any]
    group_id: str
    member: int
    task_id: str


# -- messages ------------------------------------------------------------------------------------


def messages(app: Any, steps: Iterable[Step]) -> tuple[Outgoing, ...]:
    """Turn steps into messages; the chords among them are opened."""
    with app.collecting() as outbox:
        for step in steps:
            unfolded = unfold(step, app)
            carry_out(unfolded.operations, app)
            _leave_trail(unfolded.result)
    app.announce_sent(outbox)
    return tuple(each.outgoing for each in outbox)


def _leave_trail(result: Any) -> None:
    """Let a group that was sent be a child of the task that ended; single tasks are by themselves.

    Of a chord that is the group of its header.
    """
    task = get_current_worker_task()
    while result is not None and result.parent is not None:
        result = result.parent
    if task is not None and getattr(result, "results", None) is not None:
        task.add_trail(result)


def of_signature(app: Any, sig: Any) -> tuple[Outgoing, ...]:
    """Turn a signature into messages."""
    check_depth(sig)
    with app.collecting() as outbox:
        carry_out(sig.unfold().operations, app)
    app.announce_sent(outbox)
    return tuple(each.outgoing for each in outbox)


def after_success(
    app: Any, call: Call, result: Any, job: Job | None = None
) -> tuple[Outgoing, ...]:
    """Return callbacks and the next step of the chain; ``job`` is what the call came in."""
    if call.chain and job is not None:
        near = rests.near(app, job, call.chain, _travels)
        if near is not call.chain:
            call = replace(call, chain=near)
    return messages(app, next_steps(call, result, priority=_inherited(app, call)))


def _travels(last: Any) -> bool:
    """Whether the last step of a chain is in all of its messages.

    Not where it is large without need: who waits for many results does not wait in a chord's place.
    """
    sig = maybe_signature(last)
    return not is_composite(sig) or bool(places_of(sig))


def _inherited(app: Any, call: Call) -> int | None:
    return call.priority if app.conf.task_inherit_parent_priority else None


# -- failure -------------------------------------------------------------------------------------


def after_failure(
    app: Any, call: Call, request: Any, error: BaseException, traceback: str | None
) -> tuple[Outgoing, ...]:
    """Call errbacks of the new style here; return the messages of the others."""
    old_style = []
    for errback in call.errbacks or ():
        task = _task_of(app, errback)
        if task is not None and task.takes_failure:
            call_errback(maybe_signature(errback, app=app), request, error, traceback)
        else:
            old_style.append(errback)
    if not old_style:
        return ()
    steps = error_steps(call, call.id, group_id=app.new_id(), errbacks=old_style)
    return messages(app, steps)


def _task_of(app: Any, sig: Mapping[str, Any]) -> Any:
    try:
        return app.tasks[sig["task"]]
    except NotRegistered:
        return None


def call_errback(sig: Any, request: Any, error: BaseException, traceback: str | None) -> None:
    """Call an errback of the new style; what it raises is logged, and changes nothing."""
    try:
        sig(request, error, traceback)
    except Exception:  # the boundary: a user's errback may raise anything
        logger.exception("errback %s of task [%s] failed", sig.task, request.id)


def failed_rest(
    app: Any, call: Call, error: BaseException, traceback: str | None
) -> list[ResultRecord]:
    """Return what is stored for the steps of the chain that will not come."""
    return failures_of(app, call.chain or (), error, traceback, reply_to=call.reply_to)


def failures_of(
    app: Any,
    signatures: Iterable[Any],
    error: BaseException,
    traceback: str | None,
    *,
    reply_to: str | None,
) -> list[ResultRecord]:
    """Return what is stored for tasks that will not come, as far as their results are kept."""
    plain = (task for sig in signatures for task in tasks_of(sig, app))
    ids = dict.fromkeys(task.options["task_id"] for task in plain if _is_kept(app, task))
    return [
        app.backend.record(task_id, error, states.FAILURE, traceback, reply_to=reply_to)
        for task_id in ids
    ]


def _is_kept(app: Any, sig: Any) -> bool:
    if must_be_kept(app, sig.options.get("chord")):
        return True
    said = sig.options.get("ignore_result")
    task = _task_of(app, sig) if said is None else None
    return not (said or (task is not None and task.ignore_result))


def ids_of(sig: Any) -> Iterator[str]:
    """Return the ids of the tasks that a signature stands for, and of those that follow it."""
    for task in tasks_of(sig):
        yield task.options["task_id"]


def tasks_of(sig: Any, app: Any = None) -> Iterator[Any]:
    """Return the tasks with ids that a signature stands for, and those that follow it.

    With an app, those too that wait in the result store.
    """
    if ref_of(sig) is not None:
        for each in () if app is None else rests.whole(app, [sig]):
            yield from tasks_of(each, app)
        return
    sig = maybe_signature(sig)
    yield from _own_tasks(sig, app)
    # The last step comes first.
    for each in reversed(sig.options.get("chain") or ()):
        yield from tasks_of(each, app)


def _own_tasks(sig: Any, app: Any) -> Iterator[Any]:
    kind = sig.subtask_type
    if kind in ("chain", "group"):
        for each in sig.tasks:
            yield from tasks_of(each, app)
    elif kind == "chord":
        # A header is a group, or no more than the list of its members.
        for each in getattr(sig.tasks, "tasks", sig.tasks):
            yield from tasks_of(each, app)
        if sig.body is not None:
            yield from tasks_of(sig.body, app)
    elif sig.options.get("task_id"):
        yield sig


# -- chords --------------------------------------------------------------------------------------


def chord_places(call: Call) -> list[Place]:
    """Return the place of a call in a chord; of a chain, where its last step stands.

    Those are many where the last step is a group: each of its members is one of the chord's.
    """
    if call.chord is not None and call.group is not None:
        return [Place(call.chord, call.group, call.group_index or 0, call.id)]
    return _places_at_end(call.chain)


def own_place(incoming: Incoming) -> Place:
    """Return the place of a member that does no more than count, straight from its message."""
    headers = incoming.headers
    index = headers.get("group_index") or 0
    return Place(incoming.embed["chord"], headers["group"], index, headers["id"])


def places_of(sig: Any) -> list[Place]:
    """Return the places in a chord that a signature, or what follows it, has been given."""
    return _own_places(sig) or _places_at_end(sig.options.get("chain"))


def _places_at_end(chain: Sequence[Any] | None) -> list[Place]:
    """Return the places of the last step that has one; the last step comes first."""
    found = (places_of(maybe_signature(step)) for step in chain or ())
    return next(filter(None, found), [])


def _own_places(sig: Any) -> list[Place]:
    kind, options = sig.subtask_type, sig.options
    if kind == "group":
        return [place for member in sig.tasks for place in places_of(member)]
    if kind == "chain":
        return places_of(sig.tasks[-1]) if sig.tasks else []
    if kind == "chord":
        return [] if sig.body is None else places_of(sig.body)
    chord, group_id = options.get("chord"), options.get("group_id")
    if chord is None or group_id is None:
        return []
    index, task_id = options.get("group_index") or 0, options.get("task_id") or ""
    return [Place(chord, group_id, index, task_id)]


def part_of_chord(
    app: Any,
    places: Sequence[Place],
    task_id: str,
    state: str,
    result: Any,
    *,
    recorded: bool = True,
) -> ChordPart | None:
    """Return what a chord keeps of the end of a task; None if it is in none.

    The first of its members says which task that was, the others have ended without beginning.
    ``recorded``: the task's own end is stored besides.
    """
    if not places:
        return None
    if not app.ports.store.counts_chords:
        own = task_id if recorded else None
        tell_members(app, [each for each in places if each.task_id != own], state, result)
        return None
    backend = app.backend

    def payload(of: str) -> bytes:
        part = chord_part(of, state, backend.storable(result), backend.is_encodable)
        encoded: bytes = backend.encode(part)
        return encoded

    first, *others = places
    return ChordPart(
        group_id=first.group_id,
        index=first.member,
        task_id=task_id,
        payload=payload(task_id),
        expires_s=backend.chord_expires_s,
        also=tuple((each.member, each.task_id, payload(each.task_id)) for each in others),
    )


def part_of_unreadable(
    app: Any, headers: Mapping[str, Any], error: BaseException
) -> ChordPart | None:
    """Return what a chord keeps of a message of which no more than the headers can be read.

    They name a group, of which only the store knows whether it is a chord.
    """
    task_id, group_id, index = (headers.get(key) for key in ("id", "group", "group_index"))
    store = app.ports.store
    known = isinstance(task_id, str) and isinstance(group_id, str) and is_index(index or 0)
    if not known or not store.counts_chords or store.chord_body(group_id) is None:
        return None
    return part_of_chord(
        app, [Place({}, str(group_id), index or 0, "")], str(task_id), states.FAILURE, error
    )


def place_in_store(app: Any, headers: Mapping[str, Any]) -> Place | None:
    """Return the same member's place, with the body as the store knows it."""
    group_id: str = headers["group"]
    body = app.ports.store.chord_body(group_id)
    if body is None:
        return None
    return Place(app.backend.decode(body), group_id, headers.get("group_index") or 0, headers["id"])


def chord_message(
    app: Any, call: Call, place: Place, results: Sequence[Any]
) -> tuple[Outgoing, ...]:
    """Return the body of a chord as a message."""
    member = replace(call, chord=place.body)
    step = chord_body_step(member, results, priority=_inherited(app, call))
    return messages(app, [step])
