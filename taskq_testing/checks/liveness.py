"""Promises about the end: when all faults are over, everything comes to rest."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from taskq_testing.checks.finding import Finding
from taskq_testing.sim.trace import Record
from taskq_testing.sim.world import SimWorld


def chords_ended(world: SimWorld) -> Iterator[Finding]:
    """A chord that is complete has sent its body, or failed."""
    ended = {record.facts["group"] for record in world.trace.find("chord.end")}
    full: dict[Any, Record] = {}
    for record in world.trace.find("chord.count"):
        if record.facts["done"] == record.facts["size"]:
            full[record.facts["group"]] = record
        else:
            full.pop(record.facts["group"], None)  # it has grown since
    # Where claims are not kept, what a dead worker had claimed is gone, as early acks have it.
    if world.trace.count("fault.kill") and not world.broker.profile.keeps_claims:
        return
    for group, record in full.items():
        if group not in ended:
            told = f"all members of group {group} are counted, and its body was never sent"
            yield Finding("chord-ends", told, (record,))


def nothing_left(world: SimWorld) -> Iterator[Finding]:
    """What is made for one call, or for one listener, goes with it."""
    topology, listening = world.broker.topology, set[str]()
    for taker in world.broker.takers:
        listening.update(taker.queues)
    for name, queue in topology.queues.items():
        owned = name in listening or queue.goes_at_s is not None
        if queue.spec.auto_delete and not owned:
            yield Finding("nothing-left", f"queue {name!r} is left, and nobody listens to it")
    dead = {record.node for record in world.trace.find("fault.kill")}
    for task_id, listeners in world.store.listeners.items():
        for end in listeners:
            if end.node not in dead:
                told = f"{end.node} still listens for the result of {task_id}"
                yield Finding("nothing-left", told)


def drained(world: SimWorld) -> Iterator[Finding]:
    """Nothing waits in a queue or for its time, nothing is out with a worker, no body runs."""
    for name, queue in world.broker.topology.queues.items():
        if queue.length and queue.goes_at_s is None:  # of a listener that is gone: it goes too
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
