"""What the log and the monitors are told of a task, as effects.

``outcome.OUTCOMES`` has the line, its level and the event of each ending.  Monitors are told
only with ``-E``, and of no task whose ``send_events`` is off.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from taskq.core.delivery import Entry
from taskq.core.effects import Effect, Emit, Level, Say
from taskq.core.options import WorkerOptions
from taskq.core.outcome import OUTCOMES
from taskq.ports import Ending


def _succeeded(ending: Ending) -> dict[str, Any]:
    return {"result": ending.summary, "runtime": ending.runtime_s}


def _failed(ending: Ending) -> dict[str, Any]:
    return {"exception": ending.summary, "traceback": ending.traceback}


def _rejected(ending: Ending) -> dict[str, Any]:
    return {"requeue": ending.kind.name == "REQUEUED"}


def _revoked(ending: Ending) -> dict[str, Any]:
    return {"terminated": False, "signum": None, "expired": "expired" in ending.summary}


# What each event of an ending says beside the id.
FIELDS: Final[Mapping[str, Callable[[Ending], dict[str, Any]]]] = MappingProxyType(
    {
        "task-succeeded": _succeeded,
        "task-failed": _failed,
        "task-retried": _failed,
        "task-rejected": _rejected,
        "task-revoked": _revoked,
    }
)


class Teller:
    """Makes ``Say`` and ``Emit``."""

    def __init__(self, options: WorkerOptions) -> None:
        self._narrate, self._events = options.narrate, options.events

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
            }
            effects.append(Emit("task-received", said))

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
            said = {"uuid": entry.job.headers.get("id"), **FIELDS[outcome.event](ending)}
            effects.append(Emit(outcome.event, said))

    def refused(self, entry: Entry, ending: Ending, effects: list[Effect]) -> None:
        """It has ended after its message had gone to another worker."""
        self._say("late result refused", Level.WARNING, entry, ending, effects)

    def _wants_events(self, entry: Entry) -> bool:
        return self._events and (entry.traits is None or entry.traits.send_events)

    def _say(
        self, line: str, level: Level, entry: Entry, ending: Ending, effects: list[Effect]
    ) -> None:
        if level <= Level.INFO and not self._narrate:
            return
        facts = {
            "name": entry.task_name,
            "id": entry.job.headers.get("id"),
            "runtime_s": ending.runtime_s,
            "summary": ending.summary,
            "traceback": "" if ending.expected else ending.traceback,
        }
        effects.append(Say(level, line, facts))
