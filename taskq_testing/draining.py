"""``world.drain(...)``: run what is in queues without a worker that goes on.

For tests that publish, then run a part of it: one queue, what is due up to a moment, so many
bodies, one workflow.  A worker with one slot comes for it and leaves again, so what runs a task is
what runs it in production; what is not asked for stays where it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from taskq_testing.asserting.history import Run, runs_in
from taskq_testing.asserting.wanted import listed
from taskq_testing.sim.node import WorkerNode
from taskq_testing.sim.topology import Held
from taskq_testing.sim.world import SimWorld

DRAINER: Final = "drain"


@dataclass(frozen=True, slots=True)
class Drained:
    """Which bodies ran."""

    runs: Sequence[Run]

    def count(self, ended: str) -> int:
        """How many ended so: ``succeeded``, ``failed``, ``retried``, ..."""
        return sum(1 for run in self.runs if run.ended == ended)

    @property
    def succeeded(self) -> int:
        """How many succeeded."""
        return self.count("succeeded")

    @property
    def failed(self) -> int:
        """How many failed."""
        return self.count("failed")

    @property
    def retried(self) -> int:
        """How many ask for another attempt."""
        return self.count("retried")

    def __len__(self) -> int:
        return len(self.runs)

    def __str__(self) -> str:
        return "\n".join(listed("drained", self.runs))


def drain(
    world: SimWorld,
    start: Callable[..., WorkerNode],
    queues: Sequence[str],
    *,
    due_by_s: float,
    limit: int | None,
    workflow: Any,
) -> Drained:
    """Run what is there; ``start`` begins a worker."""
    if world.workers:
        raise ValueError(
            f"drain() is for worlds without workers; these run: {', '.join(world.workers)}"
        )
    if limit is not None and limit < 1:
        raise ValueError(f"drain(limit={limit}): say at least 1, or nothing for no limit")
    begin, horizon_s = len(world.trace), world.now_s + due_by_s
    with _aside(world, None if workflow is None else _ids_of(workflow)):
        worker = start(DRAINER, 1, list(queues) or None, disable_prefetch=True)
        leaving: list[bool] = []
        if limit is not None:
            world.when("task.end", lambda _: _leave(world, leaving), nth=limit, node=DRAINER)
        world.run_until(lambda: leaving or _is_done(world, worker, horizon_s))
        _leave(world, leaving)
        world.run_until(lambda: DRAINER not in world.workers)
    return Drained(runs_in(world, begin))


def _leave(world: SimWorld, leaving: list[bool]) -> None:
    if not leaving and DRAINER in world.workers:
        leaving.append(True)
        world.stop_worker(DRAINER)


def _is_done(world: SimWorld, worker: WorkerNode, horizon_s: float) -> bool:
    """Nothing waits that is due, and nothing runs or is being settled."""
    broker = world.broker
    queues = {spec.name for spec in worker.spec.queues}
    if any(queue.length for name, queue in broker.topology.queues.items() if name in queues):
        return False
    next_s = broker.parking.next_at_s(queues)
    if next_s is not None and next_s <= horizon_s:
        return False
    wall_s = world.start_s + horizon_s
    if any(view.due_s is None or view.due_s <= wall_s for view in worker.core.views()):
        return False
    # What it has to tell of a task that is over, it tells now.
    return world.at_rest


def _ids_of(workflow: Any) -> set[str]:
    """The ids by which messages of a workflow are known: of an id, or of a result and its parents.

    All that its tasks send names their root; the members of a group name the group as well.
    """
    if isinstance(workflow, str):
        return {workflow}
    ids: set[str] = set()
    node = workflow
    while node is not None:
        ids |= {str(node.id), *(str(each.id) for each in getattr(node, "results", None) or ())}
        node = getattr(node, "parent", None)
    return ids


@contextmanager
def _aside(world: SimWorld, ids: set[str] | None) -> Iterator[None]:
    """Keep other workflows away from the worker."""
    if ids is None:
        yield
        return
    model = world.broker
    waiting: list[Held] = []
    for queue in model.topology.queues.values():
        for held in queue.clear():
            if _belongs(held, ids):
                queue.put_back(held)
            else:
                waiting.append(held)
    parked = [each for each in model.parking.listed() if not _belongs(each.held, ids)]
    model.parking.remove([each.held for each in parked])
    try:
        yield
    finally:
        for held in waiting:
            model.topology.queue(held.queue).put_back(held)
        for each in parked:
            model.parking.park(each.held, each.due_s, max(each.leaves_at_s, world.now_s), each.by)


def _belongs(held: Held, ids: set[str]) -> bool:
    headers = held.message.headers
    return not ids.isdisjoint((headers.get("root_id"), headers.get("group"), headers.get("id")))
