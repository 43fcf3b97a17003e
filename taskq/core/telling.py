"""What the log and the monitors are told of a task, as effects.

``outcome.OUTCOMES`` has the line, its level and the event of each ending.  Monitors are told
only with ``-E``, and of no task whose ``send_events`` is off.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from taskq.core.delivery import Entry
from taskq.core.effects import Effect, Emit, Level, Received, Say
from taskq.core.options import WorkerOptions
from taskq.core.outcome import OUTCOMES
from taskq.ports import EMPTY, Ending, Reading


def _succeeded(_: Entry, ending: Ending) -> dict[str, Any]:
    return {"result": ending.summary, "runtime": ending.runtime_s}


def _failed(_: Entry, ending: Ending) -> dict[str, Any]:
    return {"exception": ending.summary, "traceback": ending.traceback}


def _rejected(_: Entry, ending: Ending) -> dict[str, Any]:
    return {"requeue": ending.kind.name == "REQUEUED"}


def _revoked(entry: Entry, _: Ending) -> dict[str, Any]:
    detail = EMPTY if entry.doom is None else entry.doom.detail
    return {
        "terminated": bool(detail.get("terminated")),
        "signum": detail.get("signum"),
        "expired": bool(detail.get("expired")),
    }


# What each event of an ending says beside the id.
FIELDS: Final[Mapping[str, Callable[[Entry, Ending], dict[str, Any]]]] = MappingProxyType(
    {
        "task-succeeded": _succeeded,
        "task-failed": _failed,
        "task-retried": _failed,
        "task-rejected": _rejected,
        "task-revoked": _revoked,
    }
)


def stamped(headers: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of an event that a stamped task has, and no other: Celery's has none."""
    stamps = headers.get("stamps")
    return {"stamps": stamps} if stamps else {}


class Teller:
    """Makes ``Say`` and ``Emit``."""

    def __init__(self, options: WorkerOptions) -> None:
        self._narrate = options.narrate
        self.events = options.events  # monitors are told of each task
        self.heard = False  # and so are receivers in this program

    def received(self, entry: Entry, effects: list[Effect]) -> None:
        """A message has come."""
        headers = entry.job.headers
        if self._narrate:
            facts = {"name": entry.task_name, "id": headers.get("id")}
            effects.append(Say(Level.INFO, "task received", facts))
        if self._wants_events(entry):
            said = {
                "uuid": headers.get("id"),
                "name": entry.task_name,
                "args": headers.get("argsrepr"),
                "kwargs": headers.get("kwargsrepr"),
                "root_id": headers.get("root_id"),
                "parent_id": headers.get("parent_id"),
                "retries": headers.get("retries"),
                "eta": headers.get("eta"),
                "expires": headers.get("expires"),
                **stamped(headers),
            }
            effects.append(Emit("task-received", said))
        if self.heard:
            effects.append(Received(entry.job))

    def parked(self, entry: Entry, due_s: float, effects: list[Effect]) -> None:
        """The broker is asked to keep it until its time; monitors hear of it when it has come."""
        if self._narrate:
            headers = entry.job.headers
            until = headers.get("eta") or Reading(due_s, 0.0).wall.isoformat(timespec="seconds")
            facts = {"name": entry.task_name, "id": headers.get("id"), "until": until}
            effects.append(Say(Level.INFO, "task parked", facts))

    def redelivered(self, entry: Entry, reason: str, effects: list[Effect]) -> None:
        """Its process is lost, and its message goes back to the broker."""
        task_id = entry.job.headers.get("id")
        facts = {"name": entry.task_name, "id": task_id, "reason": reason}
        effects.append(Say(Level.ERROR, "worker lost, redelivered", facts))
        if self._wants_events(entry):
            effects.append(Emit("task-rejected", {"uuid": task_id, "requeue": True}))

    def started(self, entry: Entry, effects: list[Effect]) -> None:
        """Its body begins."""
        if self._wants_events(entry):
            effects.append(Emit("task-started", {"uuid": entry.job.headers.get("id")}))

    def ended(self, entry: Entry, ending: Ending, effects: list[Effect]) -> None:
        """It has ended."""
        outcome = OUTCOMES[ending.kind]
        self._say(
            outcome.line, Level.INFO if ending.expected else outcome.level, entry, ending, effects
        )
        if outcome.event is not None and self._wants_events(entry):
            said = {"uuid": entry.job.headers.get("id"), **FIELDS[outcome.event](entry, ending)}
            effects.append(Emit(outcome.event, said))

    def refused(self, entry: Entry, ending: Ending, effects: list[Effect]) -> None:
        """It has ended after its message had gone to another worker."""
        self._say("late result refused", Level.WARNING, entry, ending, effects)

    def _wants_events(self, entry: Entry) -> bool:
        return self.events and (entry.traits is None or entry.traits.send_events)

    def _say(
        self, line: str, level: Level, entry: Entry, ending: Ending, effects: list[Effect]
    ) -> None:
        if level <= Level.INFO and not self._narrate:
            return
        facts = {
            "name": entry.task_name,
            "id": entry.job.headers.get("id"),
            "limit_s": entry.job.time_limit_s,
            "runtime_s": ending.runtime_s,
            "summary": ending.summary,
            "traceback": "" if ending.expected else ending.traceback,
        }
        effects.append(Say(level, line, facts))
