"""What comes in: messages from the broker, and those of lost workers.

Each is kept, parked, refused, or ended at once.  Owned here: which of these.  Not owned: reading
headers (``admission.py``), what was revoked (``revoked.py``).
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from taskq.core.admission import Admission, BadTimeError
from taskq.core.delivery import Doom, Entry, Event, Stage
from taskq.core.effects import Effect, Level, Refused, Say, Settle
from taskq.core.house import EXPIRED, REVOKED, STOPPED, House
from taskq.core.inputs import Buried, Delivered
from taskq.core.parking import Parking
from taskq.core.rates import BadRateError, Line
from taskq.ports import Delivery, EndingKind, LostMessage, Malformed, Settlement, Verdict

# What of a body that is no message goes into the log.
SHOWN_BYTES: Final = 200


class Receiving:
    """Takes in."""

    def __init__(self, house: House, admission: Admission) -> None:
        self._house, self._admission = house, admission
        self._parking = Parking()

    # -- messages --------------------------------------------------------------------------

    def delivered(self, happened: Delivered, effects: list[Effect]) -> None:
        """The broker gave messages."""
        settled: list[Settlement] = []
        self._house.teller.heard = happened.heard
        for delivery in happened.deliveries:
            if isinstance(delivery, Malformed):
                self._refuse(delivery, delivery.reason, delivery.raw, settled, effects)
            elif self._house.stopping is not None:
                settled.append(Settlement(delivery.tag, Verdict.REQUEUE, STOPPED))
            else:
                self._admit(delivery, settled, effects)
        if settled:
            effects.append(Settle(tuple(settled)))

    def _refuse(
        self,
        came: Delivery | Malformed,
        reason: str,
        raw: bytes,
        settled: list[Settlement],
        effects: list[Effect],
    ) -> None:
        settled.append(Settlement(came.tag, Verdict.REJECT, reason))
        # Of what is no message at all, nobody knows which task it was.
        task_id = came.message.headers.get("id") if isinstance(came, Delivery) else None
        shown = bytes(raw[:SHOWN_BYTES])
        effects.append(
            Say(Level.ERROR, "malformed message", {"reason": reason, "raw": shown, "id": task_id})
        )
        if self._house.teller.heard:
            effects.append(Refused(reason, raw))

    def _admit(self, delivery: Delivery, settled: list[Settlement], effects: list[Effect]) -> None:
        house, tag = self._house, delivery.tag
        try:
            entry = self._admission.entry(delivery, announce=house.teller.events)
        except BadTimeError as error:
            self._refuse(delivery, str(error), delivery.message.body, settled, effects)
            return
        if not self._is_ordinary(entry) and self._put_elsewhere(entry, settled, effects):
            return
        house.entries[tag] = entry
        house.teller.received(entry, effects)
        house.ready.append(tag)

    def _is_ordinary(self, entry: Entry) -> bool:
        """Whether nothing is in its way.  True of nearly all, so it is asked first, and at once."""
        house, traits = self._house, entry.traits
        return (
            traits is not None
            and entry.due_s is None
            and entry.expires_s is None
            and traits.rate_limit is None
            and not entry.delivery.attempts
            and not house.rates.any
            and house.revocations.is_empty
        )

    def _put_elsewhere(
        self, entry: Entry, settled: list[Settlement], effects: list[Effect]
    ) -> bool:
        """Put it where it belongs, if that is not among the ready."""
        house = self._house
        doom = self._doom(entry)
        if doom is not None:
            house.entries[entry.job.token] = entry
            house.teller.received(entry, effects)
            house.conclude(entry, doom, effects)
        elif entry.due_s is not None and entry.due_s > house.now.wall_s:
            self._wait_for_its_time(entry, entry.due_s, settled, effects)
        elif (line := self._line(entry, effects)) is not None:
            self._wait_in_line(entry, line, settled, effects)
        else:
            return False
        return True

    def _doom(self, entry: Entry) -> Doom | None:
        """Why it is not run at all."""
        if self._house.revoked(entry):
            return REVOKED
        if entry.traits is None:
            return Doom(EndingKind.UNKNOWN, entry.task_name)
        if self._house.expired(entry):
            return EXPIRED
        attempts = entry.delivery.attempts
        if attempts and 0 < self._house.options.delivery_limit <= attempts:
            return given_up(attempts)
        return None

    # -- those that wait -------------------------------------------------------------------

    def _wait_for_its_time(
        self, entry: Entry, due_s: float, settled: list[Settlement], effects: list[Effect]
    ) -> None:
        house = self._house
        task_id = str(entry.job.headers.get("id"))
        if house.parks and self._parking.takes(task_id, due_s):
            self._park(entry, due_s, settled, effects)
            return
        token = entry.job.token
        house.entries[token] = entry
        house.teller.received(entry, effects)
        entry.stage = Stage.HELD
        house.held.add(token, due_s, house.now)

    def look(self, effects: list[Effect]) -> None:
        """See whose time has come."""
        house = self._house
        for token in house.held.due(house.now):
            entry = house.entries[token]
            if house.expired(entry):
                house.conclude(entry, EXPIRED, effects)
                continue
            entry.move(Event.DUE)
            line = self._line(entry, effects)
            (house.ready if line is None else line.tokens).append(token)

    def _line(self, entry: Entry, effects: list[Effect]) -> Line | None:
        """Return where it stands in line, if its task has a rate limit."""
        house, traits = self._house, entry.traits
        assert traits is not None, "a task without traits is concluded, never run"
        if traits.rate_limit is None and not house.rates.any:
            return None
        try:
            return house.rates.line(traits.name, traits.rate_limit)
        except BadRateError as error:
            facts = {"name": traits.name, "reason": str(error)}
            effects.append(Say(Level.ERROR, "bad rate limit", facts))
            return None

    def _wait_in_line(
        self, entry: Entry, line: Line, settled: list[Settlement], effects: list[Effect]
    ) -> None:
        house, token = self._house, entry.job.token
        if house.parks and line.is_full:
            # Held here, so many would keep out others that could start.
            self._park(entry, line.send_away(house.now), settled, effects)
            return
        house.entries[token] = entry
        house.teller.received(entry, effects)
        line.tokens.append(token)

    def _park(
        self, entry: Entry, due_s: float, settled: list[Settlement], effects: list[Effect]
    ) -> None:
        settled.append(Settlement(entry.job.token, Verdict.PARK, due_s=due_s))
        self._house.teller.parked(entry, due_s, effects)

    # -- those of lost workers -------------------------------------------------------------

    def buried(self, happened: Buried, effects: list[Effect]) -> None:
        """The end of tasks whose worker is lost: nobody else will say it."""
        refused: list[Settlement] = []
        for lost in happened.messages:
            delivery = Delivery(lost.tag, lost.message, lost.queue, lost.exchange, lost.routing_key)
            try:
                entry = self._admission.entry(delivery, announce=False)
            except BadTimeError:
                # It was no task that could end.
                refused.append(Settlement(lost.tag, Verdict.REJECT, _why(lost)))
                continue
            self._house.entries[lost.tag] = entry
            doom = Doom(EndingKind.LOST, _why(lost), dead_letter=True)
            self._house.conclude(entry, doom, effects)
        if refused:
            effects.append(Settle(tuple(refused)))


def given_up(attempts: int) -> Doom:
    """Say how a task ends that ended each process that it was given to."""
    reason = f"given out {attempts} times, and its process was lost each time"
    return Doom(EndingKind.LOST, reason, MappingProxyType({"given_up": True}), dead_letter=True)


def _why(lost: LostMessage) -> str:
    return f"{lost.reason} ({lost.node})"
