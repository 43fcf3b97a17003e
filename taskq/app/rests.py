# ruff: noqa: PLR0917 - one pipeline hands the same few values on from step to step
"""The rests of long chains, in the result store: put there, and taken from there.

``follow`` asks for what comes next in a chain (``near``) before it makes a message of it, and for
all that is left of one (``whole``) when it fails.  ``canvas.rests`` says what travels and what
stays; here it is written, kept and read.

A rest is kept before the message that refers to it is published, under the id of the task that puts
it there: who is killed in between does the same again.  Nothing is lost where the store cannot be
reached or has forgotten it: what cannot be put away travels, and a marker that cannot be replaced
by its window is sent as the task that it is, which tries again, or fails for the steps behind it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from taskq.app.incoming import way_back
from taskq.canvas import rests
from taskq.canvas.rests import Ref
from taskq.canvas.signature import maybe_signature
from taskq.errors import ChainRestLost, DecodeError, EncodeError, InvalidTaskError, OperationalError
from taskq.ports import Job, KeepsRests, KnowsOthers

__all__ = ["continuation", "load", "near", "whole"]

logger: Final = logging.getLogger("taskq.app.trace")

# How many steps travel where nobody has said it.
WINDOW: Final = 16
_DAY_S: Final = 86_400.0
# A rest outlives its chain, whatever ``result_expires`` says: nothing waits longer for a step than
# a month.  It is renewed with every window, and by every step that is a day younger.
LIFE_S: Final = 30 * _DAY_S
RENEWED_AFTER_S: Final = _DAY_S
# The last window has been read: from then on only for messages that are delivered once more.
SPENT_LIFE_S: Final = 7 * _DAY_S
# Windows are made of fewer steps where those are large.
MOST_WINDOW_BYTES: Final = 64 * 1024


# -- what comes next -----------------------------------------------------------------------------


def near(app: Any, job: Job, chain: Sequence[Any], travels: Callable[[Any], bool]) -> Sequence[Any]:
    """Return what is left of a chain so that the next step is in it, and far ones are not.

    ``job`` is the task that has ended; ``travels`` says whether a last step goes along.
    """
    store = app.ports.store
    if isinstance(store, KeepsRests):
        if rests.ref_of(chain[-1]) is not None:
            chain = _with_window(app, store, chain)
        size = _window(app, len(chain))
        if size and len(chain) > 2 * size:
            last_travels = rests.ref_of(chain[0]) is None and travels(chain[0])
            chain = _put_away(app, store, job, chain, size, last_travels)
        elif (ref := rests.find(chain)) is not None:
            chain = _renewed(app, store, chain, ref)
    return chain


def _window(app: Any, length: int) -> int:
    """Return how many steps of a chain of this length travel; 0: all of them.

    Another program's worker does not know what stands at the end of a window.  Nobody is asked
    about them for a chain that would travel as a whole anyway.
    """
    said: int | None = app.conf.taskq_chain_window
    if said is not None:
        return said
    broker = app.ports.broker
    if length <= 2 * WINDOW or not isinstance(broker, KnowsOthers):
        return 0
    try:
        others = broker.other_workers(f"{app.conf.control_exchange}.pidbox")
    except OperationalError as error:
        logger.warning("a chain of %d travels as a whole, since %s", length, error)
        return 0
    return 0 if others else WINDOW


def _with_window(app: Any, store: KeepsRests, chain: Sequence[Any]) -> Sequence[Any]:
    """Put windows in the place of the marker that comes next, until a step does."""
    try:
        while (ref := rests.ref_of(chain[-1])) is not None:
            window = load(app, store, ref)
            chain = rests.spliced(chain, window, _now_s(app))
    except (OperationalError, DecodeError, ChainRestLost) as error:
        logger.warning("chain goes on by a task of its own, since %s", error)
    return chain


def _put_away(
    app: Any, store: KeepsRests, job: Job, chain: Sequence[Any], size: int, last_travels: bool
) -> Sequence[Any]:
    """Keep the far steps; where that cannot be done, all of them travel."""
    try:
        parted, payloads = _written(app, job, chain, size, last_travels)
        store.keep_rest(job.headers["id"], payloads, LIFE_S)
    except (OperationalError, EncodeError) as error:
        logger.warning("a chain of %d travels as a whole, since %s", len(chain), error)
        return chain
    return parted.chain


def _written(
    app: Any, job: Job, chain: Sequence[Any], size: int, last_travels: bool
) -> tuple[rests.Parted, list[bytes]]:
    """Write windows, of fewer steps where one of them would be large.

    They are written as the message was: what it says must be sayable, and is accepted here.  A
    marker goes to the queue that this came from, for there are workers there that know it.
    """
    codec, serializer, way = app.ports.codec, job.content_type, way_back(job)
    known = codec.encode([], serializer)
    ref = Ref(job.headers["id"], 0, 0, known.content_type, known.content_encoding, _now_s(app))
    while True:
        parted = rests.part(chain, size, ref, way, last_travels=last_travels)
        payloads = [codec.encode(window, serializer).body for window in parted.windows]
        largest = max(map(len, payloads))
        if size == 1 or largest <= MOST_WINDOW_BYTES:
            return parted, payloads
        size = max(1, size * MOST_WINDOW_BYTES // largest)


def _renewed(app: Any, store: KeepsRests, chain: Sequence[Any], ref: Ref) -> Sequence[Any]:
    """Keep the rest of a chain whose steps take days."""
    now_s = _now_s(app)
    if now_s - ref.kept_s < RENEWED_AFTER_S:
        return chain
    try:
        store.load_rest(ref.rest, ref.window, LIFE_S)
    except OperationalError as error:
        logger.warning("the rest of a chain could not be renewed: %s", error)
        return chain
    return rests.touched(chain, now_s)


# -- all of it -----------------------------------------------------------------------------------


def load(app: Any, store: KeepsRests, ref: Ref) -> list[Any]:
    """Read one window; raises ``ChainRestLost`` where it is gone."""
    life_s = SPENT_LIFE_S if ref.is_last else LIFE_S
    payload = store.load_rest(ref.rest, ref.window, life_s)
    if payload is None:
        raise ChainRestLost(ref.rest, ref.window, store.name)  # type: ignore[attr-defined]  # every store has one
    codec = app.ports.codec
    window = codec.decode(payload, ref.content_type, ref.content_encoding, app.accept)
    if not isinstance(window, list):
        raise DecodeError(f"window {ref.window} of the chain's rest {ref.rest} is no list of steps")
    return window


def whole(app: Any, chain: Sequence[Any]) -> Iterator[Any]:
    """Go through all steps of a chain, in the order in which they would run, window by window.

    Of a rest that is gone nothing can be told; what else there is still comes.
    """
    for sig in reversed(chain):
        ref = rests.ref_of(sig)
        if ref is None:
            yield sig
            continue
        store = app.ports.store
        try:
            if isinstance(store, KeepsRests):
                yield from whole(app, load(app, store, ref))
        except (DecodeError, ChainRestLost) as error:
            logger.warning("not all steps of a chain are told that it failed: %s", error)


# -- by a task -----------------------------------------------------------------------------------


def continuation(app: Any, request: Any, given: Sequence[Any], ref: Mapping[str, Any]) -> Any:
    """Return what is sent in the place of a marker that was sent as a task.

    ``given`` is the result of the step before; the task stands where the next step would.
    """
    found = rests.read_ref(ref)
    if found is None:
        raise InvalidTaskError(f"task {rests.REST_TASK}: its arguments name no rest of a chain")
    store = app.ports.store
    if not isinstance(store, KeepsRests):
        raise ChainRestLost(found.rest, found.window, store.name)
    chain = [*(request.chain or ()), *load(app, store, found)]
    *rest, following = rests.touched(chain, _now_s(app))
    sig = maybe_signature(dict(following), app=app).clone(given)
    return sig.set(chain=rest, parent_id=request.parent_id, root_id=request.root_id)


def _now_s(app: Any) -> float:
    wall_s: float = app.ports.clock.read().wall_s
    return wall_s
