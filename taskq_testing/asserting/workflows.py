"""Claims about the shape of workflows: chains, groups, chords, as they were published.

A step is given as a task, as its name, or as a signature; a signature says its arguments as well.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from taskq_testing.asserting.history import Sent, called
from taskq_testing.asserting.tasks import TaskAssertions
from taskq_testing.asserting.wanted import Named, listed, name_of, plain

Step: TypeAlias = "str | Named | Mapping[str, Any]"


class WorkflowAssertions(TaskAssertions):
    """What a world lets its test claim of workflows."""

    def assert_chained(self, *steps: Step) -> Sent:
        """The first step was published with exactly the others behind it; returns its message."""
        there = self.published()
        for sent in there:
            chain = [_call_of(sent), *sent.chain]
            if len(chain) == len(steps) and all(map(_is, chain, steps)):
                return sent
        raise AssertionError(
            "\n".join([f"no chain {_row(steps)} was published", *listed("published were", there)])
        )

    def assert_not_chained(self, task: str | Named) -> None:
        """Nothing follows any call of a task."""
        if found := [sent for sent in self.published(task) if sent.chain]:
            raise AssertionError("\n".join(listed(f"{name_of(task)!r} was chained", found)))

    def assert_grouped(self, *members: Step) -> list[Sent]:
        """These were published as one group, and no more with them; returns their messages."""
        return self._group(members, None)

    def assert_chorded(self, header: Sequence[Step], body: Step) -> list[Sent]:
        """These were published as the header of a chord with that body; returns their messages."""
        return self._group(header, body)

    def _group(self, members: Sequence[Step], body: Step | None) -> list[Sent]:
        there = self.published()
        groups: dict[str, list[Sent]] = {}
        for sent in there:
            if sent.call.group_index is not None:  # the body of a chord has a group, and no index
                groups.setdefault(sent.call.group or "", []).append(sent)
        for group in groups.values():
            group.sort(key=lambda sent: sent.call.group_index or 0)
            calls = [_call_of(sent) for sent in group]
            if len(group) != len(members) or not all(map(_is, calls, members)):
                continue
            if all(_ends_in(sent, body) for sent in group):
                return group
        kind = "group" if body is None else "chord"
        end = "" if body is None else f" with the body {_told(body)}"
        found = [
            f"[{', '.join(_told(_call_of(sent)) for sent in group)}]"
            + (f" with the body {group[0].call.chord['task']}" if group[0].call.chord else "")
            for group in groups.values()
        ]
        lines = [f"no {kind} [{', '.join(map(_told, members))}]{end} was published"]
        lines += listed("groups and chords", found)
        raise AssertionError("\n".join(lines if found else lines + listed("published were", there)))


def _ends_in(sent: Sent, body: Step | None) -> bool:
    chord = sent.call.chord
    if body is None or chord is None:
        return body is None and chord is None
    return _is(chord, body)


def _call_of(sent: Sent) -> Mapping[str, Any]:
    return {"task": sent.task, "args": sent.args, "kwargs": sent.kwargs}


def _is(call: Mapping[str, Any], step: Step) -> bool:
    """Whether a call is the step that was asked for."""
    if not isinstance(step, Mapping):
        return bool(call["task"] == name_of(step))
    return all(
        plain(call.get(name)) == plain(step[name])
        for name in ("task", "args", "kwargs")
        if step.get(name)
    )


def _row(steps: Sequence[Step]) -> str:
    return " -> ".join(map(_told, steps))


def _told(step: Step) -> str:
    if not isinstance(step, Mapping):
        return name_of(step)
    return called(step["task"], step.get("args") or (), step.get("kwargs") or {})
