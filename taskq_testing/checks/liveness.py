"""Promises about the end: when all faults are over, everything comes to rest."""

from __future__ import annotations

from collections.abc import Iterator

from taskq_testing.checks.finding import Finding
from taskq_testing.sim.world import SimWorld


def drained(world: SimWorld) -> Iterator[Finding]:
    """Nothing waits in a queue or for its time, nothing is out with a worker, no body runs."""
    for name, queue in world.broker.topology.queues.items():
        if queue.length:
            told = f"{queue.length} messages wait in queue {name!r}"
            yield Finding("drained", told)
    parked = world.broker.parking.listed()
    if parked:
        yield Finding("drained", f"{len(parked)} messages wait for their time")
    for session in world.broker.sessions:
        if session.out:
            ids = [one.held.message.headers.get("id") for one in session.out.values()]
            told = f"{session.node} still has {len(ids)} messages: {ids[:3]}"
            yield Finding("drained", told)
    for name, node in world.workers.items():
        for slot in node.pool.slots.values():
            if slot.running is not None:
                told = f"{name} still runs task {slot.running.headers.get('id')}"
                yield Finding("drained", told)
