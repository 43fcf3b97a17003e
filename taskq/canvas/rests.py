"""The rest of a long chain: what travels in its messages, and what waits in the result store.

A chain travels in the message of its next step, the last step in front.  If all of a long one did,
each of its messages would be as long as what is left of it.  So a worker lets the near steps travel
(a *window*), and puts what is behind them away, in windows of the same size:

    [last, marker 0, step 4, step 3, step 2]        the message of step 1
    window 0:  [marker 1, step 7, step 6, step 5]
    window 1:  [step 9, step 8]

A *marker* is the signature of a task that every taskq worker has, ``taskq.rest``.  Where it comes
next, the window that it names takes its place (``taskq.app.rests``).  A worker that does not know
this sends it like any other step, and the taskq worker that gets it goes on with the chain.

The last step travels too, since it says in which chord the chain stands and whose result is waited
for, unless it is made of many.  Windows begin with the marker of the next, so to load one is all.

Pure: lists in, lists out.  Not owned: how windows are written, where they are kept, for how long.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from taskq.canvas.stamping import STAMPED_HEADERS

__all__ = ["HEADER", "REST_TASK", "Parted", "Ref", "find", "part", "ref_of", "spliced", "touched"]

REST_TASK: Final = "taskq.rest"
# On the message of a step whose chain goes on in the store: where, for people.
HEADER: Final = "taskq-rest"

# What a marker says as its step does, beside the stamps: above all whom to tell of a failure.
_AS_THE_STEP: Final = ("link_error", "priority", "reply_to")
_PLACES_OF_MARKERS: Final = 2


class Ref(NamedTuple):
    """Where a window is, and how it is written."""

    rest: str
    window: int
    of: int  # how many windows there are
    content_type: str
    content_encoding: str
    kept_s: float  # when somebody last said that it is to be kept, as wall time

    @property
    def is_last(self) -> bool:
        """Whether nothing is kept behind it."""
        return self.window == self.of - 1

    def __str__(self) -> str:
        return f"{self.rest}:{self.window}"


class Parted(NamedTuple):
    """A chain in two."""

    chain: list[Any]  # what travels
    windows: list[list[Any]]  # what is kept


def ref_of(sig: Any) -> Ref | None:
    """Return what a marker refers to; None of anything else."""
    if not isinstance(sig, Mapping) or sig.get("task") != REST_TASK:
        return None
    return read_ref(sig.get("kwargs"))


def read_ref(found: Any) -> Ref | None:
    """Read the arguments of a marker; None where they are nothing of the kind."""
    if not isinstance(found, Mapping):
        return None
    try:
        ref = Ref(**found)
    except TypeError:
        return None
    kinds = zip(ref, (str, int, int, str, str, int | float), strict=True)
    return ref if all(isinstance(value, kind) for value, kind in kinds) else None


def find(chain: Sequence[Any]) -> Ref | None:
    """Return what the rest of a chain refers to, wherever its marker stands: in front, or next."""
    for sig in chain[:_PLACES_OF_MARKERS]:
        ref = ref_of(sig)
        if ref is not None:
            return ref
    return None


def part(
    chain: Sequence[Any], size: int, first: Ref, way: Mapping[str, Any], *, last_travels: bool
) -> Parted:
    """Let the next ``size`` steps travel, and what is behind them stay.

    ``first`` is window 0, where ``of`` counts for nothing: how many windows there are comes out
    here.  ``way`` are the options that send a marker to a worker that knows what it is.
    """
    end = 1 if last_travels else 0
    ahead = chain[end:]
    near, far = ahead[len(ahead) - size :], ahead[: len(ahead) - size]
    # The last step comes first, so windows are cut off from behind.
    cuts = [far[max(0, at - size) : at] for at in range(len(far), 0, -size)]
    refs = [first._replace(window=number, of=len(cuts)) for number in range(len(cuts))]
    markers = [[_marker(ref, steps[-1], way)] for ref, steps in zip(refs, cuts, strict=True)]
    windows = [[*behind, *steps] for steps, behind in zip(cuts, [*markers[1:], []], strict=True)]
    return Parted([*chain[:end], *markers[0], *near], windows)


def spliced(chain: Sequence[Any], window: Sequence[Any], kept_s: float) -> list[Any]:
    """Put a window in the place of the marker that comes next; all that is kept is renewed."""
    return touched([*chain[:-1], *window], kept_s)


def touched(chain: Sequence[Any], kept_s: float) -> list[Any]:
    """Say in the marker of a chain when its rest was renewed."""
    renewed = list(chain)
    for at, sig in enumerate(chain[:_PLACES_OF_MARKERS]):
        if ref_of(sig) is not None:
            renewed[at] = {**sig, "kwargs": {**sig["kwargs"], "kept_s": kept_s}}
    return renewed


def _marker(ref: Ref, step: Mapping[str, Any], way: Mapping[str, Any]) -> dict[str, Any]:
    """Return what stands for a window; ``step`` is the first one in it."""
    said = step.get("options") or {}
    names = [*_AS_THE_STEP, STAMPED_HEADERS, *(said.get(STAMPED_HEADERS) or ())]
    options = {name: said[name] for name in names if said.get(name) is not None}
    options.update(way)
    # The same each time: a step that runs twice sends it twice as the same task.
    options["task_id"] = f"{ref.rest}.{ref.window}"
    return {
        "task": REST_TASK,
        "args": [],
        "kwargs": ref._asdict(),
        "options": options,
        "subtask_type": None,
        "immutable": False,
    }
