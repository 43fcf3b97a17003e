"""Short words for tests of the core."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from taskq.core.effects import Commit, Run, Settle
from taskq.core.inputs import Delivered, Happened
from taskq.core.options import WorkerOptions
from taskq.core.traits import TaskTraits
from taskq.core.worker import WorkerCore
from taskq.ports import Delivery, Ending, EndingKind, Message, Reading, SlotReady, Verdict

START = 1_900_000_000.0


def at(elapsed_s: float, *, wall_s: float | None = None) -> Reading:
    return Reading(START + elapsed_s if wall_s is None else wall_s, elapsed_s)


def iso(elapsed_s: float) -> str:
    return datetime.fromtimestamp(START + elapsed_s, UTC).isoformat()


def delivery(
    tag: int, task: str = "add", *, attempts: int | None = None, **headers: Any
) -> Delivery:
    message = Message(
        {"task": task, "id": f"t{tag}", **headers}, b"[]", "application/json", "utf-8"
    )
    return Delivery(tag, message, "celery", "", "celery", attempts=attempts)


def core_of(*, slots: int = 1, traits: dict[str, Any] | None = None, **options: Any) -> WorkerCore:
    """A core with ready slots that knows the tasks ``add`` (early) and ``late``."""
    known = {
        "add": TaskTraits("add"),
        "late": TaskTraits("late", acks_late=True),
        **{name: TaskTraits(name, **what) for name, what in (traits or {}).items()},
    }
    core = WorkerCore(WorkerOptions(**options), known.get)
    core.handle(Happened(tuple(SlotReady(n, 100 + n) for n in range(slots))), at(0.0))
    return core


def deliver(core: WorkerCore, *deliveries: Any, when: float = 0.0) -> list[Any]:
    return core.handle(Delivered(deliveries), at(when))


def end(
    core: WorkerCore,
    tag: int,
    kind: EndingKind = EndingKind.SUCCEEDED,
    when: float = 1.0,
    runtime_s: float = 1.0,
    **more: Any,
) -> list[Any]:
    return core.handle(Happened((Ending(tag, kind, runtime_s, **more),)), at(when))


def kinds(effects: list[Any]) -> list[str]:
    return [type(effect).__name__ for effect in effects]


def of(kind: type[Any], effects: list[Any]) -> list[Any]:
    return [effect for effect in effects if type(effect) is kind]


def settled(effects: list[Any]) -> list[tuple[int, Verdict]]:
    found = [one for settle in of(Settle, effects) for one in settle.settlements]
    found += [
        finish.settlement
        for commit in of(Commit, effects)
        for finish in commit.finished
        if finish.settlement
    ]
    return [(one.tag, one.verdict) for one in found]


def run_tags(effects: list[Any]) -> list[list[int]]:
    return [[job.token for job in run.jobs] for run in of(Run, effects)]
