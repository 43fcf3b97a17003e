"""The picture that monitors make of events: who is there, what became of each task."""

from __future__ import annotations

import itertools
import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskq import states
from taskq.core.monitor import State
from taskq.core.seen import Task, Worker, heartbeat_expires

NOW_S = 1_000.0


class Film:
    """Events, one after the other."""

    def __init__(self, **options: Any) -> None:
        self.state = State(now=lambda: self.now_s, **options)
        self.now_s = NOW_S
        self._clock = itertools.count(1)

    def event(self, type_: str, **fields: Any) -> Any:
        return self.state.event(
            {
                "type": type_,
                "hostname": "w1@h",
                "pid": 7,
                "utcoffset": 0.0,
                "timestamp": self.now_s,
                "local_received": self.now_s,
                "clock": next(self._clock),
                **fields,
            }
        )

    def task(self, *types: str, uuid: str = "a", **fields: Any) -> Task:
        for type_ in types:
            self.event(type_, uuid=uuid, **fields)
        return self.state.tasks[uuid]


WORKER = {
    "freq": 2.0,
    "active": 1,
    "processed": 5,
    "loadavg": [1, 2, 3],
    "sw_ident": "py-celery",
    "sw_ver": "5.7.0",
    "sw_sys": "Linux",
}


# -- workers -----------------------------------------------------------------------------------


def test_a_worker_comes_beats_and_goes() -> None:
    """It counts as there for two of its intervals."""
    film = Film()
    (worker, created), subject = film.event("worker-online", **WORKER)
    again = film.event("worker-heartbeat", **{**WORKER, "processed": 6})

    assert (created, subject) == (True, "online")
    assert again == ((worker, False), "heartbeat")
    assert (worker.processed, worker.sw_ident, worker.id) == (6, "py-celery", "w1@h.7")
    assert list(film.state.alive_workers()) == [worker]
    assert worker.heartbeat_expires == NOW_S + 4
    film.now_s += 4
    assert not worker.alive
    film.event("worker-heartbeat", **WORKER)
    assert worker.status_string == "ONLINE"
    film.event("worker-offline", **WORKER)
    assert worker.status_string == "OFFLINE"
    assert film.state.workers == {"w1@h": worker}


def test_who_wants_to_know_is_told_who_comes_and_goes() -> None:
    """Whoever has gone is then forgotten."""
    told: list[tuple[str, str | None]] = []
    film = Film(
        on_node_join=lambda worker: told.append(("join", worker.hostname)),
        on_node_leave=lambda worker: told.append(("leave", worker.hostname)),
    )
    for type_ in ("worker-heartbeat", "worker-online", "worker-heartbeat", "worker-offline"):
        film.event(type_, **WORKER)

    assert told == [("join", "w1@h"), ("join", "w1@h"), ("leave", "w1@h")]
    assert not film.state.workers


def test_what_is_no_property_of_a_worker_is_left_out() -> None:
    """Events of elections name an id, which is not that of the worker."""
    film = Film()
    film.event("worker-elect", id="e1", topic="task", action={})

    assert film.state.workers["w1@h"].id == "w1@h.7"


def test_a_worker_that_goes_unseen_is_not_kept() -> None:
    """Nobody knew it."""
    film = Film()
    (_, created), _ = film.event("worker-offline", **WORKER)

    assert not created
    assert not film.state.workers


def test_a_worker_remembers_its_last_heartbeats_in_order() -> None:
    """One that comes late finds its place."""
    worker = Worker("w@h", freq=2.0)
    for received in (5.0, 1.0, 3.0, 2.0, 4.0):
        worker.event("heartbeat", received, received, {})

    assert worker.heartbeats == [2.0, 3.0, 4.0, 5.0]
    assert worker.alive
    assert not Worker("w@h").alive


@pytest.mark.parametrize(
    ("given_", "until_s"), [((10,), 130), ((10, None), 130), ((10, 2.0), 14), ((10, 2.0, 300), 16)]
)
def test_until_when_a_heartbeat_counts(given_: tuple[Any, ...], until_s: float) -> None:
    """A share of the interval, in percent."""
    assert heartbeat_expires(*given_) == until_s


# -- tasks -------------------------------------------------------------------------------------


def test_a_task_goes_its_way() -> None:
    """Each event says a little more."""
    film = Film()
    film.event("task-sent", uuid="a", name="t", hostname="gen1@h", queue="q", root_id="a")
    sent = film.state.tasks["a"]
    origin = sent.origin
    film.event("task-received", uuid="a", name="t", args="(1,)", retries=0)
    film.event("task-started", uuid="a")
    (task, created), subject = film.event("task-succeeded", uuid="a", result="5", runtime=0.5)

    assert task is sent
    assert (created, subject) == (False, "succeeded")
    assert (task.state, task.result, task.runtime, task.args) == (states.SUCCESS, "5", 0.5, "(1,)")
    assert (task.client, origin, task.origin) == ("gen1@h", "gen1@h", "w1@h.7")
    assert None not in (task.sent, task.received, task.started, task.succeeded)
    assert (task.failed, task.ready, task.id) == (None, True, "a")
    assert task.worker is film.state.workers["w1@h"]
    assert (film.state.event_count, film.state.task_count) == (4, 1)
    assert task.info() == {
        "args": "(1,)",
        "retries": 0,
        "result": "5",
        "runtime": 0.5,
        "root_id": "a",
    }
    assert task.info(["name"], extra=["state", "traceback"]) == {"name": "t", "state": "SUCCESS"}
    assert repr(task) == "<Task: t(a) SUCCESS clock:4>"


ENDINGS = [
    ("task-failed", states.FAILURE),
    ("task-revoked", states.REVOKED),
    ("task-succeeded", states.SUCCESS),
]


@pytest.mark.parametrize(("ending", "state"), ENDINGS)
@given(order=st.permutations(["task-sent", "task-received", "task-started"]))
def test_events_may_come_in_any_order(ending: str, state: str, order: list[str]) -> None:
    """What is more final stays; what comes late may still say the name."""
    film = Film()
    task = film.task(ending, *order, name="t", args="()")

    assert task.state == state
    assert task.name == "t"


def test_a_retry_begins_anew() -> None:
    """It is not taken for an event that came late."""
    film = Film()
    states_ = [
        film.task(type_, name="t").state
        for type_ in ("task-received", "task-started", "task-retried", "task-received")
    ]

    assert states_ == ["RECEIVED", "STARTED", "RETRY", "RECEIVED"]


def test_events_of_ones_own_are_states_of_ones_own() -> None:
    """As tasks may have them; what they say beside can be read."""
    task = Film().task("task-progress", percent=40, event="x", info=3)

    assert task.state == "PROGRESS"
    assert task.percent == 40  # type: ignore[attr-defined]  # the event says it
    assert callable(task.event)
    assert callable(task.info)


def test_kin_is_known() -> None:
    """Parent, root and children, as far as they were heard of."""
    film = Film()
    parent = film.task("task-received", uuid="p", name="t", root_id="p", parent_id=None)
    child = film.task("task-received", uuid="c", name="t", root_id="p", parent_id="p")
    orphan = film.task("task-received", uuid="o", root_id="gone", parent_id="gone")

    assert (child.parent, child.root, list(parent.children)) == (parent, parent, [child])
    assert (orphan.parent, parent.parent, Task("x").root) == (None, None, None)
    assert parent.as_dict()["children"] == ["c"]
    assert (child.as_dict()["parent"], child.as_dict()["root"]) == ("p", "p")


def test_tasks_are_found_by_time_type_and_worker() -> None:
    """By the logical clock, the newest first."""
    film = Film()
    film.task("task-received", uuid="a", name="x")
    film.task("task-received", uuid="b", name="y", hostname="w2@h")
    film.task("task-received", uuid="c", name="x")
    film.task("task-started", uuid="a")
    state = film.state

    assert [uuid for uuid, _ in state.tasks_by_time()] == ["a", "c", "b"]
    assert [uuid for uuid, _ in state.tasks_by_timestamp(limit=1, reverse=False)] == ["b"]
    assert [uuid for uuid, _ in state.tasks_by_type("x")] == ["a", "c"]
    assert [uuid for uuid, _ in state.tasks_by_worker("w2@h")] == ["b"]
    assert {task.uuid for task in state.tasks_by_type["x"]} == {"a", "c"}
    assert [uuid for uuid, _ in state.itertasks(limit=2)] == ["b", "c"]
    assert len(list(state.itertasks())) == 3
    assert state.task_types() == ["x", "y"]
    assert list(state.tasks_by_type("nobody knows it")) == []


def test_memory_has_an_end() -> None:
    """Those go of which nothing was heard for the longest."""
    film = Film(max_tasks_in_memory=2, max_workers_in_memory=1)
    for uuid in ("a", "b"):
        film.task("task-received", uuid=uuid, name="t", hostname="w1@h")
    film.event("task-started", uuid="a")
    film.task("task-received", uuid="c", name="t", hostname="w2@h")

    assert list(film.state.tasks) == ["a", "c"]
    assert list(film.state.workers) == ["w2@h"]
    assert {task.uuid for task in film.state.tasks_by_type["t"]} <= {"a", "b", "c"}


def test_an_event_may_say_little() -> None:
    """Not who, nor when: a picture without it is better than none."""
    state = State()
    state.event({"type": "task-received", "uuid": "a"})
    state.event({"type": "worker-heartbeat", "hostname": "w@h"})
    kept: State = pickle.loads(pickle.dumps(state))

    assert (kept.tasks["a"].worker, kept.tasks["a"].state) == (None, states.RECEIVED)
    assert kept.workers["w@h"].heartbeats == []


def test_what_is_asked_for_is_made() -> None:
    """As Celery's users do it."""
    state = State()
    task, created = state.get_or_create_task("a")
    worker, _ = state.get_or_create_worker("w@h", active=3)

    assert created
    assert state.get_or_create_task("a") == (task, False)
    assert state.get_or_create_worker("w@h") == (worker, False)
    assert worker.active == 3


# -- others ------------------------------------------------------------------------------------


def test_groups_of_ones_own_have_handlers_of_ones_own() -> None:
    """By what stands before the dash; others are counted, and that is all."""
    film, heard = Film(), []
    film.state.handlers["my"] = lambda subject, event: heard.append((subject, event["x"]))

    assert film.event("my-event", x=1) is None
    assert film.event("other-event") is None
    assert film.event("nodash") is None
    assert heard == [("event", 1)]
    assert film.state.event_count == 3


def test_a_callback_sees_each_event() -> None:
    """Before the picture changes."""
    seen: list[tuple[int, str]] = []
    film = Film(callback=lambda state, event: seen.append((len(state.tasks), event["type"])))
    film.task("task-received", "task-started")

    assert seen == [(0, "task-received"), (1, "task-started")]


def test_clearing_keeps_what_has_not_ended() -> None:
    """Unless all is to go."""
    film = Film()
    film.task("task-received", uuid="runs", name="t")
    film.task("task-succeeded", uuid="ended", name="t")
    film.state.rebuild_taskheap()
    film.state.clear()

    assert list(film.state.tasks) == ["runs"]
    assert [uuid for uuid, _ in film.state.tasks_by_type("t")] == ["runs"]
    assert (film.state.event_count, film.state.task_count, len(film.state.workers)) == (0, 0, 0)
    film.state.clear(ready=False)
    assert not film.state.tasks
    assert repr(film.state) == "<State: events=0 tasks=0>"


def test_a_camera_looks_while_nothing_changes() -> None:
    """And may clear the picture afterwards."""
    film = Film()
    film.task("task-succeeded", name="t")

    assert film.state.freeze_while(lambda number: number + 1, 2) == 3
    assert list(film.state.tasks) == ["a"]
    film.state.freeze_while(lambda: None, clear_after=True)
    assert not film.state.tasks


def test_a_picture_can_be_kept() -> None:
    """Whole: tasks, workers, kin and counts."""
    film = Film()
    film.task("task-received", uuid="p", name="t", root_id="p", parent_id=None)
    film.task("task-succeeded", uuid="c", name="t", root_id="p", parent_id="p")
    del film.state._now
    film.state._now = None
    for worker in film.state.workers.values():
        worker._now = None
    kept: State = pickle.loads(pickle.dumps(film.state))

    assert list(kept.tasks) == ["p", "c"]
    assert kept.tasks["c"].parent is kept.tasks["p"]
    assert list(kept.tasks["p"].children) == [kept.tasks["c"]]
    assert kept.tasks["c"].state == states.SUCCESS
    assert [uuid for uuid, _ in kept.tasks_by_worker("w1@h")] == ["c", "p"]
    assert kept.workers["w1@h"].heartbeats == film.state.workers["w1@h"].heartbeats
    assert (kept.event_count, kept.task_count) == (2, 1)


def test_a_picture_is_made_of_parts() -> None:
    """As a camera that kept them would."""
    task = Task("a", name="t", worker=Worker("w@h"))
    state = State(tasks={"a": task}, tasks_by_worker={"w@h": [task]}, tasks_by_type={"t": [task]})

    assert [uuid for uuid, _ in state.tasks_by_type("t")] == ["a"]
    assert [uuid for uuid, _ in state.tasks_by_worker("w@h")] == ["a"]
    assert task.cluster_state is state


def test_what_has_one_name_is_one() -> None:
    """In sets and comparisons."""
    assert len({Task("a"), Task("a"), Task("b")}) == 2
    assert len({Worker("w@h"), Worker("w@h")}) == 1
    assert Worker("w@h") != Task("w@h")
    assert repr(Worker("w@h")) == "<Worker: w@h (OFFLINE clock:0)>"
    assert Worker("w@h").id == "w@h"
