"""Promises that hold at every moment: nothing is lost, nothing happens too often or too early.

A message is known by its task's id and the number of its retry, because a retry is a message of
its own under the same id.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import datetime, tzinfo
from typing import Any, Final, TypeAlias

from taskq.states import READY_STATES, precedence
from taskq_testing.checks.finding import Finding
from taskq_testing.sim.trace import Record
from taskq_testing.sim.world import SimWorld

MessageKey: TypeAlias = tuple[Any, Any]

# What accounts for a message: it is done with, or somebody was told that it is not.
_ACCOUNTED: Final = ("broker.ack", "broker.dead", "broker.drop")
# What gives the broker a reason to deliver a message once more.
_REDELIVERY: Final = ("broker.requeue", "broker.restore", "broker.replay")


def nothing_lost(world: SimWorld) -> Iterator[Finding]:
    """Each message that the broker took was ended, or is still there for somebody."""
    sent = _by_message(world, ("task.send",))
    accounted = _by_message(world, _ACCOUNTED)
    claimed = _by_message(world, ("broker.claim",))
    ended = _by_message(world, ("task.end", "task.conclude"))
    there = _still_there(world)
    for key, records in sent.items():
        known = key in accounted or (key[0], None) in accounted or key in there
        # A broker that forgets a claimed message has handed it over; its worker must end it.
        handed_over = key in claimed and not world.broker.profile.keeps_claims
        if not known and not (handed_over and (key in ended or _worker_died(world))):
            yield Finding("nothing-lost", f"task {key[0]} is nowhere any more", tuple(records))


def duplicates_bounded(world: SimWorld) -> Iterator[Finding]:
    """Each begin of a body after the first has a redelivery or a lost process of its own."""
    starts = _by_message(world, ("task.start",))
    sent = _by_message(world, ("task.send",))
    reasons = _by_message(world, _REDELIVERY)
    lost = _by_message(world, ("fault.kill_process",))
    for key, records in starts.items():
        allowed = max(len(sent.get(key, ())), 1)
        allowed += len(reasons.get(key, ())) + len(reasons.get((key[0], None), ()))
        allowed += len(lost.get((key[0], None), ()))
        if len(records) > allowed:
            told = (
                f"the body of task {key[0]} began {len(records)} times, with reason for {allowed}"
            )
            yield Finding("duplicates-bounded", told, tuple(records))


def claimed_once(world: SimWorld) -> Iterator[Finding]:
    """What was acknowledged before it began never begins again by itself."""
    starts = _by_message(world, ("task.start",))
    sent = _by_message(world, ("task.send", "broker.replay"))
    for key in _by_message(world, ("broker.claim",)):
        begun = starts.get(key, [])
        if len(begun) > max(len(sent.get(key, ())), 1):
            told = f"task {key[0]} was claimed, and its body began {len(begun)} times"
            yield Finding("claimed-once", told, tuple(begun))


def eta_not_early(world: SimWorld) -> Iterator[Finding]:
    """Measured on the clock of the world; a node whose clock jumped is not judged."""
    jumped = {record.node for record in world.trace.find("fault.clock_jump")}
    due: dict[MessageKey, Record] = {}
    for record in world.trace.find("task.send"):
        if record.facts.get("eta"):
            due[_key(record)] = record
    for start in world.trace.find("task.start"):
        sent = due.get(_key(start))
        if sent is None or start.node in jumped or sent.node in jumped:
            continue
        eta = _instant(sent.facts["eta"], world.apps[0].timezone)
        if eta is None:
            continue
        if world.start_s + start.at_s < eta - _ROUNDING_S:
            told = (
                f"task {start.task_id} began {eta - world.start_s - start.at_s:g}s before its ETA"
            )
            yield Finding("eta-not-early", told, (sent, start))


# ISO text has microseconds.
_ROUNDING_S: Final = 2e-6


def _instant(text: str, zone: tzinfo) -> float | None:
    """When that is; of what is no moment nobody can say it."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).timestamp()


def revoked_stays(world: SimWorld) -> Iterator[Finding]:
    """From the moment on at which the worker was told, for as long as it is to remember."""
    known: dict[str, dict[str, Record]] = defaultdict(dict)  # node -> task -> when it was told
    for record in world.trace:
        if record.what == "worker.start":
            known[record.node].clear()  # what it has kept on disk, it is told again
        elif record.what == "worker.revoke" and record.task_id:
            known[record.node][record.task_id] = record
        elif record.what == "task.start":
            told = known[record.node].get(record.task_id or "")
            # What was on its way to its process at that very moment counts as begun.
            if told is None or told.at_s == record.at_s:
                continue
            if told.facts["until_s"] > world.start_s + record.at_s:
                text = f"task {record.task_id} began, {record.node} knew that it was revoked"
                yield Finding("revoked-stays", text, (told, record))


def final_stays(world: SimWorld) -> Iterator[Finding]:
    """As far as the store says that it wrote."""
    last: dict[str, Record] = {}
    for record in world.trace.find("result.store"):
        task_id, state = record.facts["id"], record.facts["state"]
        before = last.get(task_id)
        if before is not None and _less_final(state, before.facts["state"]):
            told = f"the result of {task_id} went from {before.facts['state']} to {state}"
            yield Finding("final-stays", told, (before, record))
        last[task_id] = record


def chord_released_once(world: SimWorld) -> Iterator[Finding]:
    """The right to send a body is given to one owner for each group."""
    closed: dict[str, list[Record]] = defaultdict(list)
    for record in world.trace.find("chord.close"):
        closed[record.facts["group"]].append(record)
    for group, records in closed.items():
        owners = {record.facts["owner"] for record in records}
        if len(owners) > 1:
            told = f"the body of group {group} was released by {len(owners)} members"
            yield Finding("chord-body-once", told, tuple(records))


_QUIET: Final = ("DEBUG", "INFO")


def fenced(world: SimWorld) -> Iterator[Finding]:
    """Where one step stores a result and settles its message, only who has it may do so."""
    if not (world.broker.profile.leases and world.broker.profile.atomic_commit):
        return
    lost: dict[tuple[Any, str], Record] = {}  # (task, node) -> when it lost the message
    for record in world.trace:
        if record.what in ("broker.restore", "broker.find"):
            lost[record.task_id, str(record.facts["of"]).partition("@")[2]] = record
        if record.what in ("broker.deliver", "broker.find"):
            lost.pop((record.task_id, record.node), None)
        elif record.what == "result.store" and record.facts["state"] in READY_STATES:
            gone = lost.get((record.task_id, record.node))
            if gone is not None:
                told = f"{record.node} stored the end of {record.task_id}, which it had lost"
                yield Finding("fenced", told, (gone, record))


def given_up_aloud(world: SimWorld) -> Iterator[Finding]:
    """By the worker that gave it up, as a warning or afterwards; not by one that died."""
    died = {record.node for record in world.trace.find("fault.kill")}
    said: dict[tuple[str, Any], int] = {}
    for line in world.trace.find("worker.say"):
        is_loud = line.facts["level"] not in _QUIET
        said[line.node, line.task_id] = len(world.trace) if is_loud else line.index
    for record in world.trace.find("broker.dead"):
        known = record.task_id is None or record.node in died
        if not known and said.get((record.node, record.task_id), 0) < record.index:
            told = f"{record.node} gave up task {record.task_id}, and its log does not say so"
            yield Finding("given-up-aloud", told, (record,))


def call_in_time(world: SimWorld) -> Iterator[Finding]:
    """A node that stood still meanwhile is not judged."""
    frozen = {record.node for record in world.trace.find("fault.freeze")}
    for record in world.trace.find("call.late"):
        if record.node not in frozen:
            took, limit = record.facts["took_s"], record.facts["limit_s"]
            told = (
                f"{record.facts['call']} on {record.node} took {took:g}s, with {limit:g}s to do it"
            )
            yield Finding("call-in-time", told, (record,))


def _less_final(new: str, known: str) -> bool:
    return known in READY_STATES and precedence(new) > precedence(known)


def _key(record: Record) -> MessageKey:
    return record.facts.get("id"), record.facts.get("retries")


def _by_message(world: SimWorld, kinds: Iterable[str]) -> dict[MessageKey, list[Record]]:
    wanted = frozenset(kinds)
    found: dict[MessageKey, list[Record]] = {}
    for record in world.trace:
        if record.what in wanted:
            found.setdefault(_key(record), []).append(record)
    return found


def _still_there(world: SimWorld) -> set[MessageKey]:
    waiting = [held for queue in world.broker.topology.queues.values() for held in queue.peek()]
    waiting += [each.held for each in world.broker.parking.listed()]
    out = [one.held for session in world.broker.sessions for one in session.out.values()]
    handed_over = [
        held
        for node in world.workers.values()
        if node.intake is not None
        for held in node.intake.handed_over
    ]
    headers = [held.message.headers for held in (*waiting, *out, *handed_over)]
    return {(each.get("id"), each.get("retries", 0)) for each in headers}


def _worker_died(world: SimWorld) -> bool:
    return world.trace.count("fault.kill") > 0
