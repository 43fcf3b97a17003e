"""Ends chords in stores that cannot count: what the task ``celery.chord_unlock`` does.

It looks whether all members have ended.  If not, it comes again later, for as long as results are
kept (``result_chord_expires``); then the chord has failed.  When they have, the body is sent, or
failed.

It is acknowledged late, so a worker that is killed on the way loses nothing: the task comes again,
under its own id.  On Redis the body is sent and the task acknowledged in one step, so it is sent
once.  Elsewhere the task notes its end in the store after the body was published; a worker that is
killed between these two leads to a second message, under the same id.

Owned here: looking, sending, failing.  Not owned: how often, and what (``canvas.unlocking``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NoReturn

from taskq import states
from taskq.app import follow
from taskq.app.chording import Chording
from taskq.app.follow import Place
from taskq.app.replacing import Replaced
from taskq.canvas.unlocking import BEGAN, BEGAN_HEADER, given_up, leaves_of, pause_s
from taskq.errors import ChordError, DecodeError, EncodeError, Ignore, OperationalError
from taskq.ports import ChordPart, Outgoing, ResultRecord
from taskq.protocol.message import Call

__all__ = ["unlock"]

# How many results are read in one call.
READ_AT_ONCE: Final = 500
# How long a chord is waited for where results are kept for ever.
LONGEST_WAIT_S: Final = 7 * 24 * 3600.0


class Unlocked(Replaced):
    """The body of a chord takes the place of the task that waited for it."""

    def __init__(self, messages: tuple[Outgoing, ...], note: ResultRecord | None) -> None:
        super().__init__(None)
        self.args = ("the chord has ended",)
        self.messages, self.note = messages, note

    def consequences(
        self, _app: Any
    ) -> tuple[tuple[Outgoing, ...], ResultRecord | None, ChordPart | None]:
        """Return what is sent, and the note that it was."""
        return self.messages, self.note, None


# -- the task's side ------------------------------------------------------------------------------


def unlock(
    task: Any,
    group_id: str,
    body: Mapping[str, Any],
    members: Sequence[Any],
    *,
    interval_s: float | None,
    max_retries: int | None,
) -> NoReturn:
    """Look once; always ends by raising what says how it goes on."""
    look = _Look(task, group_id, body, members)
    try:
        if look.was_done():
            raise Ignore("its body was sent before")
        missing = look.missing()
    except OperationalError as error:
        look.again(interval_s, error)
    if not missing:
        look.end()
    if look.is_over(max_retries):
        look.fail(given_up(missing, len(look.ids), look.age_s, task.request.retries or 0))
    look.again(interval_s)


class _Look:
    """One look at the members of one chord."""

    def __init__(
        self, task: Any, group_id: str, body: Mapping[str, Any], members: Sequence[Any]
    ) -> None:
        self.task, self.app, self.request = task, task.app, task.request
        self.body, self.ids = body, leaves_of(members)
        self._place = Place(body, group_id, 0, "")
        self._found: dict[str, ResultRecord] = {}
        wall_s = self.app.ports.clock.read().wall_s
        self._began_s = _seconds(self.request.our_header(BEGAN), wall_s)
        self.age_s = max(0.0, wall_s - self._began_s)

    def was_done(self) -> bool:
        """Whether an earlier delivery of this very task came to its end."""
        [note] = self.app.ports.store.load([self.request.id])
        return note is not None and note.state in states.READY_STATES

    def missing(self) -> list[str]:
        """Return who has not ended.  After the first of them no more than a few are looked for."""
        found, missing = self._found, []
        for start in range(0, len(self.ids), READ_AT_ONCE):
            some = self.ids[start : start + READ_AT_ONCE]
            for task_id, record in zip(some, self.app.ports.store.load(some), strict=True):
                if record is None or record.state not in states.READY_STATES:
                    missing.append(task_id)
                else:
                    found[task_id] = record
        return missing

    def is_over(self, max_retries: int | None) -> bool:
        """Whether it has waited long enough."""
        backend = self.app.backend
        # Longer than results are kept there is nothing to wait for.
        said = self.app.conf.result_chord_expires is not None
        limit_s = (backend.chord_expires_s if said else backend.expires_s) or LONGEST_WAIT_S
        looks: int = self.request.retries or 0
        return self.age_s >= limit_s or (max_retries is not None and looks >= max_retries)

    def again(self, interval_s: float | None, error: Exception | None = None) -> NoReturn:
        """Come again later."""
        least_s = interval_s or self.app.conf.result_chord_retry_interval
        headers = {**(self.request.headers or {}), BEGAN_HEADER: f"{self._began_s:.3f}"}
        raise self.task.retry(exc=error, countdown=pause_s(self.age_s, least_s), headers=headers)

    def end(self) -> NoReturn:
        """All members are there: send the body, or fail it."""
        try:
            results = self._results()
            messages = follow.chord_message(self.app, self._call(), self._place, results)
        except ChordError as error:
            self._fail(error)
        except (DecodeError, EncodeError) as error:
            # What members returned cannot be read, or not be written as the body is.
            self._fail(ChordError(f"The body cannot be sent: {error}"))
        self._done(messages)

    def _results(self) -> list[Any]:
        results = []
        for task_id in self.ids:
            meta = self.app.backend.decode_record(self._found[task_id])
            result = meta.get("result")
            if meta["status"] in states.EXCEPTION_STATES:
                cause = result if isinstance(result, BaseException) else None
                raise ChordError(f"Dependency {task_id} raised {result!r}") from cause
            results.append(result)
        return results

    def fail(self, reason: str) -> NoReturn:
        """The chord has failed."""
        self._fail(ChordError(reason))

    def _fail(self, error: ChordError) -> NoReturn:
        self._done(Chording(self.app).failed(self._call(), self._place, error))

    def _done(self, messages: tuple[Outgoing, ...]) -> NoReturn:
        raise Unlocked(messages, self._note())

    def _note(self) -> ResultRecord | None:
        """Return what tells another delivery of this task that it has come to its end.

        A broker at an address settles a message as its follow-ups are published, in one step: there
        is no other delivery, and a note would only come between the two.
        """
        if self.app.ports.broker.address is not None:
            return None
        record: ResultRecord = self.app.backend.record(
            self.request.id, None, states.SUCCESS, None, self.request
        )
        return record

    def _call(self) -> Call:
        """Return what the body follows from."""
        request = self.request
        return Call(
            task=self.task.name,
            id=request.id,
            root_id=request.root_id,
            parent_id=request.parent_id,
            group=self._place.group_id,
            reply_to=request.reply_to,
            priority=(request.delivery_info or {}).get("priority"),
            stamped_headers=request.stamped_headers,
            stamps=request.stamps or {},
        )


def _seconds(said: Any, otherwise: float) -> float:
    try:
        return float(said)
    except (TypeError, ValueError):
        return otherwise
