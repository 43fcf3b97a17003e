"""Works out what ends a chord, once the results of all its members are known.  Does none of it."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, Final

from taskq import states
from taskq.app import follow
from taskq.app.context import Context
from taskq.app.follow import Place
from taskq.app.incoming import decode
from taskq.canvas.failing import told_of_failure
from taskq.canvas.showing import excerpt
from taskq.canvas.signature import maybe_signature
from taskq.errors import ChordError, DecodeError, EncodeError, OperationalError, TaskqError
from taskq.ports import ChordEnding, ChordFull, Job, Outgoing
from taskq.protocol.exceptions import exception_from
from taskq.protocol.message import Call, read
from taskq.protocol.result import read_chord_part

__all__ = ["Chording"]

logger: Final = logging.getLogger("taskq.app.trace")


class Chording:
    """Makes the endings of chords."""

    def __init__(self, app: Any) -> None:
        self.app = app

    def ending(self, job: Job, full: ChordFull, levels: int) -> ChordEnding:
        """Make what ends the chord that a job's part completes, or one further out.

        ``levels``: how many chords there are in between.  Each is one whose body is a member of
        the next one.  A chord always gets an ending: nobody may wait for it for ever.
        """
        group_id = full.group_id
        try:
            call, places = self._read(job)
            place = _place(places, group_id, levels)
            if place is not None:
                return self._ending(call, place, full.payloads)
        except OperationalError:
            raise  # it is made again when broker and store are back
        # The boundary to what a stranger has put into the message: a body that is none.
        except Exception:
            logger.exception("the body of chord %s cannot be sent", group_id)
        else:
            logger.error("chord %s: the message of %s names no body", group_id, call.id)
        return ChordEnding(group_id)

    def _read(self, job: Job) -> tuple[Call, Sequence[Place]]:
        """Return what ended, and where it stands in a chord."""
        try:
            call = decode(self.app, job).call(job)
            return call, follow.chord_places(call)
        except OperationalError:
            raise
        except TaskqError:
            # It was counted by its headers; the store has the body.
            place = follow.place_in_store(self.app, job.headers)
            call = read(job.headers, job.properties, ((), {}, {}))
            return call, () if place is None else (place,)

    def _ending(self, call: Call, place: Place, payloads: Sequence[bytes]) -> ChordEnding:
        try:
            results = self._results(payloads)
            messages = follow.chord_message(self.app, call, place, results)
        except ChordError as error:
            return self._failed(call, place, error)
        except (DecodeError, EncodeError) as error:
            # What members returned cannot be read, or not be written as the body is.
            return self._failed(call, place, ChordError(f"The body cannot be sent: {error}"))
        return ChordEnding(place.group_id, messages)

    def _results(self, payloads: Iterable[bytes]) -> list[Any]:
        """Return the members' results in order; raises ``ChordError`` if one of them failed."""
        results = []
        for payload in payloads:
            task_id, state, result = read_chord_part(self.app.backend.decode(payload))
            if state in states.EXCEPTION_STATES:
                cause = exception_from(result)
                raise ChordError(f"Dependency {task_id} raised {cause!r}") from cause
            results.append(result)
        return results

    def failed(self, call: Call, place: Place, error: ChordError) -> tuple[Outgoing, ...]:
        """Where nobody counts: store the failure of the body, and return its errbacks."""
        ending = self._failed(call, place, error)
        self.app.ports.store.store(ending.results)
        return ending.follow_ups

    def _failed(self, call: Call, place: Place, error: ChordError) -> ChordEnding:
        """Return the failure of the body, its errbacks, and its part in the next chord."""
        app = self.app
        body = maybe_signature(dict(place.body), app=app)
        # Who looks for the reason by the id of a body sees what did not run.
        text = f"{type(error).__name__}: {error}\nwhat does not run:\n{excerpt(body)}"
        outer = follow.places_of(body)
        task_id = outer[0].task_id if outer else ""
        return ChordEnding(
            place.group_id,
            self._errbacks(call, body, error),
            tuple(follow.failures_of(app, [body], error, text, reply_to=call.reply_to)),
            follow.part_of_chord(app, outer, task_id, states.FAILURE, error, recorded=False),
        )

    def _errbacks(self, call: Call, body: Any, error: ChordError) -> tuple[Outgoing, ...]:
        """Tell each errback of the body once; return the messages of those that are sent."""
        messages: list[Outgoing] = []
        for task, errbacks in told_of_failure(body):
            task_id = task.options.get("task_id") or call.id
            failed = replace(call, task=task.task, id=task_id, errbacks=errbacks)
            request = Context(
                id=task_id,
                task=task.task,
                root_id=call.root_id,
                parent_id=call.id,
                **_plain(task.options),
            )
            messages += follow.after_failure(self.app, failed, request, error, None)
        return tuple(messages)


def _place(places: Sequence[Place], group_id: str, levels: int) -> Place | None:
    """Find the chord of a member, or the one so many levels further out."""
    for _ in range(levels):
        places = follow.places_of(maybe_signature(dict(places[0].body))) if places else []
    return next((place for place in places if place.group_id == group_id), None)


def _plain(options: dict[str, Any]) -> dict[str, Any]:
    """Return the options of a signature that are attributes of a request."""
    names = {"group_id": "group", "group_index": "group_index", "chord": "chord"}
    found = {names[key]: value for key, value in options.items() if key in names}
    stamped = options.get("stamped_headers")
    if stamped:
        stamps = {name: options[name] for name in stamped if name in options}
        found.update(stamped_headers=list(stamps), stamps=stamps)
    return found
