"""Says where a task is that somebody waits for in vain.

Asked by a world when nothing can happen any more.  It looks, and changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Protocol

from taskq_testing.sim.broker import BrokerModel
from taskq_testing.sim.node import WorkerNode
from taskq_testing.sim.trace import Trace, clock_text

# What is no step on the way of a task, though it is about it.
_NO_STEP: Final = ("worker.say", "result.store", "result.refuse")


class Seen(Protocol):
    """What there is to look at in a world."""

    trace: Trace
    broker: BrokerModel
    workers: dict[str, WorkerNode]


def whereabouts(world: Seen, task_id: str) -> str:
    """Say where a task is, in one line."""
    sent = world.trace.find("task.send", id=task_id)
    name = f"{sent[-1].facts['task']}[{task_id}]" if sent else f"task {task_id}"
    return f"{name}: {_place(world, task_id)}"


def _place(world: Seen, task_id: str) -> str:
    for queue_name, queue in world.broker.topology.queues.items():
        if any(held.task_id == task_id for held in queue.peek()):
            return f"waits in queue {queue_name!r}, {_takers(world.workers, queue_name)}"
    for session in world.broker.sessions:
        for out in session.out.values():
            if out.held.task_id == task_id:
                return f"{session.node} has it"
    for parked in world.broker.parking.listed():
        if parked.held.task_id == task_id:
            queue_name = parked.held.queue
            return f"is parked for queue {queue_name!r}, {_takers(world.workers, queue_name)}"
    for dead in world.broker.dead:
        if dead.held.task_id == task_id:
            return f"is in the dead letters: {dead.reason}"
    return _last_seen(world.trace, task_id)


def _takers(workers: Mapping[str, WorkerNode], queue: str) -> str:
    if not workers:
        return "and no worker runs"
    takers = [
        name
        for name, node in workers.items()
        if node.intake is not None and queue in node.intake.queues
    ]
    others = ", ".join(workers)
    return (
        f"which {', '.join(takers)} takes from" if takers else f"which none of {others} takes from"
    )


def _last_seen(trace: Trace, task_id: str) -> str:
    steps = [record for record in trace.of_task(task_id) if record.what not in _NO_STEP]
    if not steps:
        return "nobody ever sent it"
    last = steps[-1]
    why = f" ({last.facts['reason']})" if last.facts.get("reason") else ""
    return f"last seen at {clock_text(last.at_s)} on {last.node}: {last.what}{why}"
