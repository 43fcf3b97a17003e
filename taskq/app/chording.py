"""What happens when the last member of a chord's header has been counted."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any, Final

from taskq import states
from taskq.app import follow
from taskq.app.context import Context
from taskq.app.follow import Place
from taskq.app.incoming import decode
from taskq.canvas.signature import maybe_signature
from taskq.errors import ChordError
from taskq.ports import ChordPart, Job, Outgoing
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
        """Send or fail the body; False if somebody else has taken that upon him."""
        store = self.app.ports.store
        if not store.close_chord(part.group_id):
            return False
        call = decode(self.app, job).call(job)
        place = follow.chord_place(call)
        if place is None:
            logger.error("chord %s: the message of %s names no body", part.group_id, call.id)
            return False
        results, error = self._results(store.chord_parts(part.group_id))
        if error is None:
            messages = follow.chord_message(self.app, call, place, results)
            self._publish(messages)
        else:
            self._fail(call, place, error)
        return True

    def _publish(self, messages: tuple[Outgoing, ...]) -> None:
        if messages:
            self.app.ports.broker.publish(messages)

    def _results(self, payloads: Any) -> tuple[list[Any], ChordError | None]:
        """Return the members' results in order, or what becomes of the body instead."""
        results = []
        for payload in payloads:
            task_id, state, result = read_chord_part(self.app.backend.decode(payload))
            if state in states.EXCEPTION_STATES:
                cause = exception_from(result)
                error = ChordError(f"Dependency {task_id} raised {cause!r}")
                error.__cause__ = cause
                return [], error
            results.append(result)
        return results, None

    def _fail(self, call: Call, place: Place, error: ChordError) -> None:
        """Store the failure of the body, tell its errbacks, and the chord that it belongs to."""
        app, backend = self.app, self.app.backend
        body = maybe_signature(dict(place.body), app=app)
        text = f"{type(error).__name__}: {error}"
        records = [
            backend.record(task_id, error, states.FAILURE, text, reply_to=call.reply_to)
            for task_id in follow.ids_of(body)
        ]
        # Errbacks first: told twice is better than never.
        self._publish(self._errbacks(call, body, error))
        app.ports.store.store(records)
        outer = follow.place_of(body)
        if outer is not None:
            self._tell_outer(call, outer, error)

    def _errbacks(self, call: Call, body: Any, error: ChordError) -> tuple[Outgoing, ...]:
        options = body.options
        body_id = next(iter(follow.ids_of(body)), call.id)
        errbacks = list(options.get("link_error") or ())
        if body.subtask_type == "chain":
            for step in body.tasks:
                errbacks += [
                    each for each in step.options.get("link_error") or () if each not in errbacks
                ]
        if not errbacks:
            return ()
        failed = replace(call, task=body.task, id=body_id, errbacks=errbacks)
        request = Context(
            id=body_id, task=body.task, root_id=call.root_id, parent_id=call.id, **_plain(options)
        )
        return follow.after_failure(self.app, failed, request, error, None)

    def _tell_outer(self, call: Call, outer: Place, error: ChordError) -> None:
        """The body is itself a member of a chord: that one has a failed member now."""
        store = self.app.ports.store
        part = follow.part_of_chord(self.app, outer, outer.task_id, states.FAILURE, error)
        progress = store.count_chord(part)
        complete = progress.size is not None and progress.done >= progress.size
        if complete and store.close_chord(outer.group_id):
            _, failure = self._results(store.chord_parts(outer.group_id))
            self._fail(call, outer, failure or error)


def _plain(options: dict[str, Any]) -> dict[str, Any]:
    """Return the options of a signature that are attributes of a request."""
    names = {"group_id": "group", "group_index": "group_index", "chord": "chord"}
    return {names[key]: value for key, value in options.items() if key in names}
