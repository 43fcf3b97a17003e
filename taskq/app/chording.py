"""What happens when the last member of a chord's header has been counted."""

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
from taskq.canvas.signature import maybe_signature
from taskq.errors import ChordError, DecodeError, EncodeError
from taskq.ports import ChordPart, Job, Outgoing, SendsBodies
from taskq.protocol.exceptions import exception_from
from taskq.protocol.message import Call
from taskq.protocol.result import read_chord_part

__all__ = ["Chording"]

logger: Final = logging.getLogger("taskq.app.trace")


class Chording:
    """Sends the bodies of chords, or fails them."""

    def __init__(self, app: Any) -> None:
        self.app = app

    def finish(self, job: Job, part: ChordPart) -> bool:
        """Send or fail the body; False if somebody else has taken that upon him.

        Whoever is killed on the way comes again, under the same name, and begins anew: so all of
        it may be done twice, and only what ends the chord is left to the end.
        """
        call = decode(self.app, job).call(job)
        place = next(iter(follow.chord_places(call)), None)
        if place is None:
            logger.error("chord %s: the message of %s names no body", part.group_id, call.id)
            return False
        return self._finish(call, place, _owner(part))

    def _finish(self, call: Call, place: Place, owner: str) -> bool:
        """Take the right to it, and send the body or what tells of its failure."""
        store = self.app.ports.store
        if not store.close_chord(place.group_id, owner):
            return False
        try:
            results = self._results(store.chord_parts(place.group_id))
            messages = follow.chord_message(self.app, call, place, results)
        except ChordError as error:
            messages = self.failed(call, place, error)
        except (DecodeError, EncodeError) as error:
            # What members returned cannot be read, or not be written as the body is.
            messages = self.failed(call, place, ChordError(f"The body cannot be sent: {error}"))
        return self._end(place.group_id, owner, messages)

    def _end(self, group_id: str, owner: str, messages: tuple[Outgoing, ...]) -> bool:
        """Publish, and end the chord: at once where one server has both."""
        store = self.app.ports.store
        if isinstance(store, SendsBodies):
            return store.end_chord_with(group_id, owner, messages)
        if messages:
            self.app.ports.broker.publish(messages)
        # Killed before this, the body is sent twice: under one id, and better than never.
        store.end_chord(group_id)
        return True

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
        """Store the failure of the body, tell the chord that it belongs to; return its errbacks."""
        app = self.app
        body = maybe_signature(dict(place.body), app=app)
        text = f"{type(error).__name__}: {error}"
        records = follow.failures_of(app, [body], error, text, reply_to=call.reply_to)
        errbacks = self._errbacks(call, body, error)
        app.ports.store.store(records)
        self._tell_outer(call, follow.places_of(body), error)
        return errbacks

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

    def _tell_outer(self, call: Call, outer: Sequence[Place], error: ChordError) -> None:
        """If the body is itself a member of a chord, that one has a failed member now."""
        store, task_id = self.app.ports.store, outer[0].task_id if outer else ""
        part = follow.part_of_chord(self.app, outer, task_id, states.FAILURE, error)
        if part is None:
            return
        progress = [store.count_chord(each) for each in part.each][-1]
        if progress.size is not None and progress.done >= progress.size:
            self._finish(call, outer[0], _owner(part))


def _owner(part: ChordPart) -> str:
    """Name who may send the body: the member, as a store marks it."""
    return f"{part.task_id}:{part.index}"


def _plain(options: dict[str, Any]) -> dict[str, Any]:
    """Return the options of a signature that are attributes of a request."""
    names = {"group_id": "group", "group_index": "group_index", "chord": "chord"}
    found = {names[key]: value for key, value in options.items() if key in names}
    stamped = options.get("stamped_headers")
    if stamped:
        stamps = {name: options[name] for name in stamped if name in options}
        found.update(stamped_headers=list(stamps), stamps=stamps)
    return found
