"""What ``task.replace`` and ``task.add_to_chord`` do.

The replacement is sent by ``work`` when the body has ended, together with all else that follows
from it; ``Replaced`` carries it there.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Any, Final, NoReturn

from taskq.app.follow import of_signature
from taskq.canvas.composite import gathered, is_many
from taskq.canvas.signature import maybe_signature
from taskq.errors import Ignore, ImproperlyConfigured
from taskq.ports import ChordPart, GrowsChords, Outgoing, ResultRecord

__all__ = ["Replaced", "add_to_chord", "replace", "send_replacement"]


# Where members of a header stand, at most; what they add stands behind.
_HEADER_BITS: Final = 20
_RETRIES_BITS: Final = 8
_ADDED_BITS: Final = 12
# Whole numbers that a sorted set of Redis keeps apart.
_EXACT_BITS: Final = 53


class Replaced(Ignore):
    """Another signature takes the place of this task; its state is left alone.

    Where it is None, a task's own ``on_replace`` has sent it.
    """

    def __init__(self, sig: Any) -> None:
        super().__init__("Replaced by new task")
        self.sig = sig

    def __reduce__(self) -> tuple[Any, ...]:
        return Ignore, self.args

    def consequences(
        self, app: Any
    ) -> tuple[tuple[Outgoing, ...], ResultRecord | None, ChordPart | None]:
        """Return what is sent, stored and counted."""
        return () if self.sig is None else of_signature(app, self.sig), None, None


def replace(task: Any, sig: Any) -> Any:
    """Give a signature the id and the place of the running task, and send it."""
    request = task.request
    if request.called_directly:
        raise Ignore("Replaced by new task")
    sig = _followed(task, request, maybe_signature(sig, app=task.app).clone())
    sig = _in_its_place(request, sig)
    try:
        return task.on_replace(sig)
    except Replaced:
        raise
    except Ignore as by_itself:
        raise Replaced(None) from by_itself


def _followed(task: Any, request: Any, sig: Any) -> Any:
    """Give it what follows the task."""
    if sig.subtask_type == "chain" and not sig.tasks:
        raise ImproperlyConfigured(f"task {task.name!r} cannot be replaced by an empty chain")
    if is_many(sig):
        sig = gathered(sig)  # one result stands for all
    for callback in request.callbacks or ():
        sig.link(maybe_signature(callback, app=task.app))
    for errback in request.errbacks or ():
        sig.link_error(maybe_signature(errback, app=task.app))
    return sig


def _in_its_place(request: Any, sig: Any) -> Any:
    """Give it the id and the place of the task."""
    place = {
        "task_id": request.id,
        "root_id": request.root_id,
        "group_id": request.group,
        "group_index": request.group_index,
        "chord": request.chord,
        "chain": request.chain or None,
        "reply_to": request.reply_to,
    }
    sig.set(**{key: value for key, value in place.items() if value is not None})
    sig.set(replaced_task_nesting=(request.replaced_task_nesting or 0) + 1)
    for stamp in request.stamped_headers or ():
        if stamp not in sig.options:
            sig.stamp(**{stamp: (request.stamps or {})[stamp]})
    return sig


def send_replacement(sig: Any) -> NoReturn:
    """End the body by ``Replaced``, which carries the signature to who sends it.

    So ``return self.replace(...)`` and ``raise self.replace(...)`` do the same, wherever they run.
    """
    raise Replaced(sig)


def add_to_chord(task: Any, sig: Any, lazy: bool = False) -> Any:
    """Add a member to the chord of the running task; the chord waits for it too."""
    request, app = task.request, task.app
    if not request.chord:
        raise ValueError("Current task is not member of any chord")
    store = request.chord_store or app.ports.store
    if not isinstance(store, GrowsChords):
        raise NotImplementedError(
            f"add_to_chord: the result store {store.name} cannot add members to a chord that runs"
        )
    sig = maybe_signature(sig, app=app).clone()
    if is_many(sig):
        sig = gathered(sig)  # one result stands for all
    added = request.added_to_chord or []
    place = {
        "group_id": request.group,
        "chord": request.chord,
        "root_id": request.root_id,
        "group_index": index_of_added(request.group_index or 0, request.retries, len(added)),
    }
    if lazy:
        # The caller sends it.  Counted before that: the chord must not end without it.
        mark = f"+{request.id}:{place['group_index']}"
        store.grow_chord(request.group, 1, mark)
        return sig.freeze(**place)
    result = sig.freeze(parent_id=request.id, **place)
    request.added_to_chord = [*added, sig]
    return result


def index_of_added(own: int, retries: int, number: int) -> int:
    """Say where a member stands that another one has added.

    Behind all that were there, in the order of those who added it; and at the same place when the
    same body is run again, so that it is counted once.
    """
    parts = ((own, _HEADER_BITS), (retries, _RETRIES_BITS), (number, _ADDED_BITS))
    if any(value >= 1 << bits for value, bits in parts):
        # Added by one that was added: no order, but a place of its own.
        digest = blake2b(f"{own}:{retries}:{number}".encode(), digest_size=8).digest()
        half = 1 << (_EXACT_BITS - 1)
        return half + int.from_bytes(digest) % half
    return (((own + 1) << _RETRIES_BITS | retries) << _ADDED_BITS) | number
