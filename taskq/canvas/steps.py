"""What a canvas comes to: messages to send, and chords to open before them.

``Signature.unfold`` makes a list of these.  A client carries it out with ``carry_out``; a worker
turns it into messages itself, so that they can share a transaction with the result.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from taskq.canvas.lasting import chord_life_s
from taskq.current import AppLike
from taskq.errors import EncodeError
from taskq.ports import AsksForChords, EndsChords

__all__ = [
    "COMPOSITE",
    "OpenChord",
    "Operation",
    "Step",
    "Unfolded",
    "carry_out",
    "is_chunks",
    "is_composite",
    "send",
]

# The kinds of signature that are no single message.
COMPOSITE: Final = frozenset({"chain", "group", "chord"})

# Data of this task stand for several messages, though no kind is said.
_CHUNKS: Final = "celery.chunks"


def is_chunks(data: Mapping[str, Any]) -> bool:
    """Whether the data of a signature are those of chunks."""
    return data.get("task") == _CHUNKS


def is_composite(data: Mapping[str, Any]) -> bool:
    """Whether the data of a signature stand for more than one message."""
    return data.get("subtask_type") in COMPOSITE or is_chunks(data)


@dataclass(frozen=True, slots=True)
class Step:
    """One signature to send.

    If ``is_plain``, it is one message, and ``args``, ``kwargs`` and ``options`` are complete: they
    are what ``task.apply_async`` or ``app.send_task(step.task, ...)`` is given.  Else they are what
    the composite signature's ``apply_async`` is given, and ``plan.unfold`` turns it into messages.
    """

    signature: Mapping[str, Any]
    args: Sequence[Any] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def task(self) -> str:
        """The name of the task."""
        name: str = self.signature["task"]
        return name

    @property
    def is_plain(self) -> bool:
        """Whether this is one message."""
        return not is_composite(self.signature)


@dataclass(frozen=True, slots=True)
class OpenChord:
    """Tell the result store how many members a header has, before any of them is sent."""

    group_id: str
    size: int
    # What is sent instead where the store cannot count: a task that asks whether all have ended.
    unlock: Callable[[AppLike], Step] | None = field(default=None, compare=False)
    # The handle of the header, and the body: for a store that opens chords in a way of its own.  A
    # store that counts keeps the body, for a member whose own message cannot be read.
    header: Any = field(default=None, compare=False)
    body: Any = field(default=None, compare=False)


Operation: TypeAlias = Step | OpenChord


@dataclass(frozen=True, slots=True)
class Unfolded:
    """What to do, in order, and the handle of what will come of it."""

    operations: tuple[Operation, ...]
    result: Any = None


def send(step: Step, app: AppLike) -> Any:
    """Send one plain step by the task itself if there is one here, else by its name."""
    # A signature that was made by a task knows it, also if it is registered elsewhere.
    task = getattr(step.signature, "_type", None) or app.tasks.get(step.task)
    if task is not None:
        return task.apply_async(step.args, step.kwargs, **step.options)
    return app.send_task(step.task, step.args, step.kwargs, **step.options)


def carry_out(operations: Iterable[Operation], app: AppLike) -> None:
    """Open chords and send steps, in order; nothing is sent where a chord cannot be opened."""
    todo = tuple(operations)
    if any(isinstance(each, OpenChord) for each in todo):
        _check_store(app)
    for operation in todo:
        if isinstance(operation, OpenChord):
            _open(operation, app)
        else:
            send(operation, app)


def _encoded(body: Mapping[str, Any], app: AppLike) -> bytes | None:
    """Write a body as results are written; None where it cannot be."""
    try:
        return app.ports.codec.encode(body, app.conf.result_serializer).body
    except EncodeError:
        return None


def _check_store(app: AppLike) -> None:
    store = app.ports.store
    if not (store.counts_chords or (isinstance(store, AsksForChords) and store.asks_for_chords)):
        raise NotImplementedError(
            f"a chord needs a result store that keeps the results of its members, and {store.name} "
            "does not; set result_backend to one that does, such as redis:// or db+postgresql://"
        )


def _open(chord: OpenChord, app: AppLike) -> None:
    """Tell the store how many members come; one that cannot count gets a task that asks."""
    store = app.ports.store
    if isinstance(store, EndsChords) and store.ends_chords:
        store.begin_chord(chord.header, chord.body)
    elif store.counts_chords or chord.unlock is None:
        body = None if chord.body is None else _encoded(chord.body, app)
        store.open_chord(chord.group_id, chord.size, chord_life_s(app.conf), body)
    else:
        send(chord.unlock(app), app)
