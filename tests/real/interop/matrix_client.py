"""Runs the cases as one client, and prints what failed: ``matrix_client.py``."""

import contextlib
import itertools
import json
import os
import sys
import threading
import traceback

import matrix as m
from matrix_cases import ALONE, CASES, NEEDS, WAIT, Queues, until

WHERE = ("celery", "taskq", "both")
NODES = {"celery@here", "taskq@here"}


class Monitor(threading.Thread):
    """Hears the events of both workers while the cases run."""

    def __init__(self):
        super().__init__(daemon=True)
        self.heard, self.state, self.listens = {}, m.app.events.State(), threading.Event()

    def run(self):
        with m.app.connection() as connection:
            receiver = m.app.events.Receiver(connection, handlers={"*": self.note})
            self.listens.set()
            while True:
                with contextlib.suppress(OSError):
                    receiver.capture(limit=None, timeout=1, wakeup=False)

    def note(self, event):
        self.state.event(event)
        self.heard.setdefault(event["hostname"], set()).add(event["type"])


def begin(name, where):
    """Send what a case sends."""
    run = CASES[name](Queues(where, f"{m.LIBRARY}-{name}-{where}-{os.getpid()}"))
    next(run)
    return run


def finish(run):
    """Wait for what it waits for."""
    for _ in run:
        pass


def wanted(name):
    """Whether the store can do what a case needs."""
    if name == "a_broadcast" and m.LIBRARY == "celery" and m.BROKER.startswith("redis"):
        return False  # Celery's client does not reach its own workers there
    if NEEDS[name] == "json":
        return m.app.conf.result_serializer == "json"
    return m.STORE != "rpc://" or not NEEDS[name]


def run_all(names):
    """All are sent, then all are waited for, then those that are alone; returns what failed."""
    failed = {}

    def attempt(deed, name, where):
        try:
            return deed()
        except Exception:
            failed[f"{name} @ {where}"] = traceback.format_exc()
            print(name, where, "failed", file=sys.stderr, flush=True)
            return ()

    together = [each for each in itertools.product(names, WHERE) if each[0] not in ALONE]
    runs = {each: attempt(lambda each=each: begin(*each), *each) for each in together}
    for each, run in runs.items():
        attempt(lambda run=run: finish(run), *each)
    for each in itertools.product(names, WHERE):
        if each[0] in ALONE:
            attempt(lambda each=each: finish(begin(*each)), *each)
    return failed


def scheduled(inspect):
    """Who holds which task until it is due."""
    return {
        (node, each["request"]["id"])
        for node, found in inspect.scheduled().items()
        for each in found
    }


def asked_at_once():
    """What is asked of all workers at once: they answer side by side."""
    inspect = m.app.control.inspect([*NODES], timeout=WAIT, limit=len(NODES))
    for command in (
        "ping", "stats", "registered", "active", "reserved", "scheduled", "revoked",
        "active_queues", "conf", "report", "clock",
    ):  # fmt: skip
        found = getattr(inspect, command)()
        assert set(found or {}) == NODES, (command, found)
    ours, theirs = (
        {name for name in found if not name.startswith("taskq.")}
        for found in inspect.registered().values()
    )
    assert ours == theirs
    later = m.add.apply_async((1, 1), queue="celery", countdown=600)
    other = m.add.apply_async((1, 1), queue="taskq", countdown=600)
    ids = {"celery@here": later.id, "taskq@here": other.id}
    until(lambda: scheduled(inspect) >= {*ids.items()}, "both in the schedule")
    found = inspect.query_task(later.id, other.id)
    assert {node: [*tasks] for node, tasks in found.items()} == {
        node: [each] for node, each in ids.items()
    }, found
    m.app.control.revoke([later.id, other.id])
    for result in (later, other):
        m.app.control.revoke(result.id, terminate=True)
    for limit in ("20/s", 0):
        said = m.app.control.rate_limit("m.add", limit, reply=True, timeout=WAIT, limit=2)
        assert {node for reply in said for node in reply} == NODES, said
        assert all("ok" in each for reply in said for each in reply.values()), said
    for deed in (m.app.control.add_consumer, m.app.control.cancel_consumer):
        said = deed("more", reply=True, timeout=WAIT, limit=2)
        assert {node for reply in said for node in reply} == NODES, said


EVENTS = {
    "worker-heartbeat", "task-received", "task-started", "task-succeeded", "task-failed",
    "task-retried", "task-revoked", "task-rejected",
}  # fmt: skip


def succeeded(monitor, task_id):
    task = monitor.state.tasks.get(task_id)
    return task is not None and task.state == "SUCCESS"


def events_of_both(monitor):
    """The same kinds of events have come from both, and both are known to be alive."""
    until(lambda: all(monitor.heard.get(node, set()) >= EVENTS for node in NODES), "all events")
    alive = {each.hostname for each in monitor.state.alive_workers()}
    assert alive >= NODES, alive
    done = m.add.apply_async((2, 3), queue="celery"), m.add.apply_async((2, 3), queue="taskq")
    for result in done:
        until(lambda task_id=result.id: succeeded(monitor, task_id), "success")
        seen = monitor.state.tasks[result.id]
        assert (seen.name, seen.args, seen.result) == ("m.add", "(2, 3)", "5"), seen
        assert seen.worker.hostname in NODES


if __name__ == "__main__":
    monitor = Monitor()
    monitor.start()
    assert monitor.listens.wait(WAIT)
    failed = run_all(sys.argv[1:] or [name for name in CASES if wanted(name)])
    for each in (asked_at_once, lambda: events_of_both(monitor)) if len(sys.argv) == 1 else ():
        try:
            each()
        except Exception:
            failed[getattr(each, "__name__", "events")] = traceback.format_exc()
            failed["heard"] = repr(monitor.heard)
    print(json.dumps(failed), flush=True)
    os._exit(0)
