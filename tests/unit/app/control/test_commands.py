"""The commands that every worker knows: what each replies, and what it tells the core."""

from __future__ import annotations

import importlib
import json
import signal
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from taskq import states
from taskq.app.control.commands.cluster import MOST_TOLD
from taskq.app.control.commands.memory import MOST_SAMPLES
from taskq.app.control.panel import NO_REPLY, Panel
from taskq.core.inputs import (
    AutoscaleSet,
    Delivered,
    EventsSet,
    Happened,
    PoolRestartAsked,
    PoolSized,
    RateLimited,
    Revoked,
    TimeLimited,
)
from taskq.ports import Delivery, ExchangeSpec, JobStarted, Message, Parked, QueueSpec, Revocation
from tests.unit.app.office import Desktop, OfficeApp

UNTIL_S = 86_400


@pytest.fixture
def desktop(app: OfficeApp) -> Desktop:
    @app.task(name="t.add")
    def add(x: int, y: int) -> int:
        return x + y

    @app.task(name="t.late", acks_late=True)
    def late() -> None:
        pass

    @app.task(name="t.slow", rate_limit="10/m")
    def slow() -> None:
        pass

    return Desktop(app, slots=1)


def say(desktop: Desktop, command: str, **arguments: Any) -> Any:
    return Panel.data[command](desktop.state, **arguments)


def delivery(tag: int, task: str = "t.add", **headers: Any) -> Delivery:
    body = json.dumps([[1, 2], {"z": tag}, {}]).encode()
    headers = {
        "task": task,
        "id": f"id{tag}",
        "argsrepr": "(1, 2)",
        "kwargsrepr": "{...}",
        **headers,
    }
    message = Message(headers, body, "application/json", "utf-8", {"priority": 0})
    return Delivery(tag, message, "celery", "", "celery")


def give(desktop: Desktop, *deliveries: Delivery) -> None:
    """Let deliveries come; the first slot takes the first of them."""
    desktop.tell(Delivered(deliveries))
    if any(view.stage == "reserved" for view in desktop.core.views()):
        desktop.tell(Happened((JobStarted(deliveries[0].tag, 100),)))
    desktop.told.clear()


# -- what a worker says of itself --------------------------------------------------------------


def test_ping(desktop: Desktop) -> None:
    """It is there."""
    assert say(desktop, "ping") == {"ok": "pong"}


def test_report(desktop: Desktop) -> None:
    """As text, without secrets."""
    desktop.app.conf.broker_url = "redis://user:secret@host"
    text = say(desktop, "report")["ok"]

    assert "software" in text
    assert "secret" not in text


@pytest.mark.parametrize("name", ["conf", "dump_conf"])
def test_conf(desktop: Desktop, name: str) -> None:
    """What was changed, or all; JSON can carry it."""
    desktop.app.conf.update(
        task_default_queue="mine", result_backend="redis://:secret@there", task_routes=[print]
    )
    changed = say(desktop, name)
    everything = json.dumps(say(desktop, name, with_defaults="yes"))

    assert changed["task_default_queue"] == "mine"
    assert changed["deprecated_settings"] is None
    assert "secret" not in json.dumps(changed)
    assert "print" in changed["task_routes"][0]
    assert "task_acks_late" not in changed
    assert '"task_acks_late": false' in everything


def test_a_word_that_means_neither_yes_nor_no(desktop: Desktop) -> None:
    """It is no answer to whether defaults are wanted."""
    with pytest.raises(ValueError, match="neither yes nor no"):
        say(desktop, "conf", with_defaults="perhaps")


def test_clock(desktop: Desktop) -> None:
    """The logical one."""
    desktop.app.clock.adjust(41)

    assert say(desktop, "clock") == {"clock": 42}


def test_stats(desktop: Desktop) -> None:
    """Counts, pool, broker and process."""
    desktop.app.clock_port.sleep(90)
    desktop.state.usage = lambda: {"utime": 0.5}
    found = say(desktop, "stats")

    assert found["total"] == {}
    assert (found["pid"], found["uptime"], found["clock"]) == (42, 90, "0")
    assert found["pool"]["implementation"] == "still"
    assert found["pool"]["processes"] == [100]
    assert found["pool"]["odd"] == [1, 2]
    assert found["rusage"] == {"utime": 0.5}
    broker = found["broker"]
    assert (broker["transport"], broker["hostname"], broker["port"]) == ("office", "there", 1234)
    assert (broker["virtual_host"], broker["userid"]) == ("7", "user")
    json.dumps(found)


def test_stats_of_a_broker_with_several_hosts(desktop: Desktop) -> None:
    """Their ports are no number."""
    desktop.app.office.name = "amqp://a:5672,b:5673//"

    assert say(desktop, "stats")["broker"]["port"] is None


# -- tasks -------------------------------------------------------------------------------------


def test_active_and_reserved(desktop: Desktop) -> None:
    """What runs, with its arguments, and what waits for a slot."""
    give(desktop, delivery(1, "t.late"), delivery(2))
    (active,) = say(desktop, "active")
    (reserved,) = say(desktop, "dump_reserved")

    assert active == {
        "id": "id1",
        "name": "t.late",
        "args": [1, 2],
        "kwargs": {"z": 1},
        "type": "t.late",
        "hostname": "w1@host",
        "time_start": desktop.app.clock_port.now_s,
        "acknowledged": False,
        "delivery_info": {
            "exchange": "",
            "routing_key": "celery",
            "priority": 0,
            "redelivered": False,
        },
        "worker_pid": 100,
    }
    assert reserved["id"] == "id2"
    assert (reserved["time_start"], reserved["worker_pid"]) == (None, None)


def test_safe_arguments_are_the_texts_of_the_sender(desktop: Desktop) -> None:
    """Bodies stay closed."""
    give(desktop, delivery(1))
    (active,) = say(desktop, "active", safe=True)

    assert (active["args"], active["kwargs"]) == ("(1, 2)", "{...}")


@pytest.mark.parametrize(
    ("content_type", "body"),
    [("application/x-python-serialize", b"cos\nsystem\n"), ("application/json", b"{")],
)
def test_what_cannot_be_opened_is_shown_closed(
    desktop: Desktop, content_type: str, body: bytes
) -> None:
    """To look at a pickle would be to run it."""
    headers = {"task": "t.add", "id": "id1", "argsrepr": "(1,)", "kwargsrepr": "{}"}
    message = Message(headers, body, content_type, "utf-8")
    give(desktop, Delivery(1, message, "celery", "", "celery"))

    assert say(desktop, "active")[0]["args"] == "(1,)"


def test_scheduled(desktop: Desktop) -> None:
    """What waits here, and what the broker keeps, for the queues of this worker."""
    now_s = desktop.app.clock_port.now_s
    give(desktop, delivery(1, eta="2030-01-01T00:00:00+00:00"))
    kept = delivery(2).message
    desktop.app.office.there = [
        Parked(kept, "celery", now_s + 3600),
        Parked(kept, "other", now_s + 1),
    ]
    held, parked = say(desktop, "scheduled")

    assert held["eta"] == "2030-01-01T00:00:00+00:00"
    assert held["priority"] == 6
    assert held["request"]["id"] == "id1"
    assert parked["eta"] == "2027-01-15T09:00:00+00:00"
    assert parked["request"]["args"] == [1, 2]
    assert parked["request"]["delivery_info"]["routing_key"] == "celery"


def test_a_broker_that_parks_nothing_is_not_asked(app: OfficeApp) -> None:
    """What there is is held here."""

    class Plain(OfficeApp):
        pass

    with Plain("plain", set_as_current=False) as plain:
        assert say(Desktop(plain), "dump_schedule") == []


def test_query_task(desktop: Desktop) -> None:
    """Where some tasks are; of those that are not here nothing is said."""
    give(desktop, delivery(1), delivery(2))
    desktop.app.office.there = [
        Parked(delivery(number).message, "celery", 2e9) for number in (3, 4)
    ]
    found = say(desktop, "query_task", ids=["id1", "id2", "id3", "id9"])

    assert {name: stage for name, (stage, _) in found.items()} == {
        "id1": "active",
        "id2": "reserved",
        "id3": "scheduled",
    }
    assert say(desktop, "query_task", ids="id1") == {"id1": found["id1"]}


def own(lines: list[str]) -> list[str]:
    """Keep what is said of tasks of these tests."""
    return [line for line in lines if line.startswith("t.")]


def test_registered(desktop: Desktop) -> None:
    """Names, with what was asked of them."""
    desktop.tell(RateLimited("t.add", "5/s"))

    # Other tests of this process may have left tasks that all apps share.
    assert own(say(desktop, "registered")) == [
        "t.add [rate_limit=5/s]",
        "t.late",
        "t.slow [rate_limit=10/m]",
    ]
    assert own(say(desktop, "dump_tasks", taskinfoitems=["acks_late", "nope"])) == [
        "t.add [acks_late=False]",
        "t.late [acks_late=True]",
        "t.slow [acks_late=False]",
    ]
    assert "celery.chord" in say(desktop, "registered", builtins=True)


def test_revoked(desktop: Desktop) -> None:
    """Ids; stamps have none."""
    stamps = Revocation(2e9, headers={"a": 1})
    desktop.tell(Revoked((Revocation(2e9, "one"), stamps, Revocation(2e9, "two"))))

    assert say(desktop, "revoked") == say(desktop, "dump_revoked") == ["one", "two"]


# -- revoking ----------------------------------------------------------------------------------


def revocation(desktop: Desktop, task_id: str) -> Revocation:
    return Revocation(desktop.app.clock_port.now_s + UNTIL_S, task_id)


def test_revoke(desktop: Desktop) -> None:
    """The core is told; of what nobody knows the result says so at once."""
    assert say(desktop, "revoke", task_id=["b", "a", "b"]) == {
        "ok": "tasks {'b', 'a'} flagged as revoked"
    }
    assert desktop.told == [
        Revoked((revocation(desktop, "b"), revocation(desktop, "a")), terminate=False, signal=15)
    ]
    assert desktop.app.AsyncResult("a").state == states.REVOKED


def test_what_is_here_is_ended_by_the_core(desktop: Desktop) -> None:
    """Its end is not told twice, nor before it has come."""
    give(desktop, delivery(1))
    say(desktop, "revoke", task_id="id1")

    assert desktop.app.AsyncResult("id1").state == states.PENDING


@pytest.mark.parametrize("state", [states.STARTED, states.SUCCESS, states.FAILURE])
def test_revoke_leaves_what_has_begun_elsewhere(desktop: Desktop, state: str) -> None:
    """Its own worker says how it ends."""
    desktop.app.backend.store_result("a", None, state)
    say(desktop, "revoke", task_id="a")

    assert desktop.app.AsyncResult("a").state == state


def test_terminate(desktop: Desktop) -> None:
    """It says what ran here, and was ended."""
    give(desktop, delivery(1))
    one = say(desktop, "terminate", signal="KILL", task_id=["id1", "zz"])
    none = say(desktop, "revoke", task_id="zz", terminate=True)

    assert one == {"ok": "terminate: id1"}
    assert none == {"ok": "terminate: tasks unknown"}
    assert [asked.signal for asked in desktop.told] == [signal.SIGKILL, signal.SIGTERM]
    assert all(asked.terminate for asked in desktop.told)


@pytest.mark.parametrize("said", ["TERM", "sigterm", "15", 15, None])
def test_a_signal_is_said_in_many_ways(desktop: Desktop, said: Any) -> None:
    """By name or number, with SIG or without."""
    say(desktop, "revoke", task_id="a", terminate=True, signal=said)

    assert desktop.told[0].signal == 15


@pytest.mark.parametrize("said", ["NOPE", "999", 999])
def test_a_signal_that_is_none_is_refused(desktop: Desktop, said: Any) -> None:
    """Before anything is revoked."""
    with pytest.raises(ValueError, match="is no signal"):
        say(desktop, "revoke", task_id="a", terminate=True, signal=said)
    assert desktop.told == []


def test_revoke_by_stamps(desktop: Desktop) -> None:
    """By a mapping, or in the words of the command line."""
    mapping = say(desktop, "revoke_by_stamped_headers", headers={"a": ["1", "2"]})
    words = say(desktop, "revoke_by_stamped_headers", headers=["a=1", "b=x=y"])

    assert mapping == {"ok": "headers {'a': ['1', '2']} flagged as revoked, but not terminated"}
    assert words == {"ok": "headers {'a': '1', 'b': 'x=y'} flagged as revoked, but not terminated"}
    assert [asked.revocations[0].headers for asked in desktop.told] == [
        {"a": ["1", "2"]},
        {"a": "1", "b": "x=y"},
    ]


def test_terminate_by_stamps(desktop: Desktop) -> None:
    """It says whether something ran here with them."""
    give(desktop, delivery(1, stamped_headers=["a"], stamps={"a": "1", "b": ["2"]}))
    ask = "revoke_by_stamped_headers"

    assert say(desktop, ask, headers={"a": "9"}, terminate=True) == {
        "ok": "headers {'a': '9'} were not terminated"
    }
    assert say(desktop, ask, headers={"b": "2"}, terminate=True) == {
        "ok": "headers {'b': '2'} revoked"
    }


@pytest.mark.parametrize("headers", ["x", ["x"]])
def test_stamps_that_are_none_are_refused(desktop: Desktop, headers: Any) -> None:
    """With how they are said."""
    with pytest.raises(ValueError, match="name=value"):
        say(desktop, "revoke_by_stamped_headers", headers=headers)


# -- limits and events -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rate", "said"),
    [
        ("1/m", "new rate limit set successfully"),
        (5, "new rate limit set successfully"),
        (0, "rate limit disabled successfully"),
        (None, "rate limit disabled successfully"),
    ],
)
def test_rate_limit(desktop: Desktop, rate: Any, said: str) -> None:
    """For a task that is known."""
    assert say(desktop, "rate_limit", task_name="t.add", rate_limit=rate) == {"ok": said}
    assert desktop.told == [RateLimited("t.add", rate)]


@pytest.mark.parametrize(
    ("task", "rate", "error"),
    [("t.none", "1/m", "unknown task"), ("t.add", "1/x", "Invalid rate limit string")],
)
def test_a_rate_limit_that_makes_no_sense(
    desktop: Desktop, task: str, rate: str, error: str
) -> None:
    """It changes nothing."""
    assert say(desktop, "rate_limit", task_name=task, rate_limit=rate)["error"].startswith(error)
    assert desktop.told == []


def test_time_limit(desktop: Desktop) -> None:
    """Hard and soft; what is not said is as the settings say."""
    done = {"ok": "time limits set successfully"}

    assert say(desktop, "time_limit", task_name="t.add", hard=3, soft="1.5") == done
    assert say(desktop, "time_limit", task_name="t.add") == done
    assert say(desktop, "time_limit", task_name="t.none") == {"error": "unknown task"}
    assert desktop.told == [TimeLimited("t.add", 3.0, 1.5), TimeLimited("t.add", None, None)]


def test_events_are_turned_on_and_off(desktop: Desktop) -> None:
    """Once each."""
    replies = [
        say(desktop, name)["ok"]
        for name in ("disable_events", "enable_events", "enable_events", "disable_events")
    ]

    assert replies == [
        "task events already disabled",
        "task events enabled",
        "task events already enabled",
        "task events disabled",
    ]
    assert desktop.told == [EventsSet(wanted=True), EventsSet(wanted=False)]


def test_heartbeat_and_election(desktop: Desktop) -> None:
    """They have no reply; what follows is heard by all."""
    heard: list[Any] = []
    desktop.state.beat = lambda: heard.append("beat")
    desktop.state.elect = lambda *what: heard.append(what)

    assert say(desktop, "heartbeat") is None
    assert say(desktop, "election", id="e", topic="task", action={"task": "t"}) is None
    assert heard == ["beat", ("e", "task", {"task": "t"})]


# -- greetings ---------------------------------------------------------------------------------


def test_hello(desktop: Desktop) -> None:
    """Each tells the other what was revoked."""
    desktop.tell(Revoked((Revocation(2e9, "mine"),)))
    desktop.told.clear()

    assert say(desktop, "hello", from_node="w2@host", revoked={"theirs": 1.0}) == {
        "revoked": ["mine", "theirs"],
        "clock": 1,
    }
    assert desktop.told == [Revoked((revocation(desktop, "theirs"),))]


def test_a_greeting_of_ones_own_is_not_answered(desktop: Desktop) -> None:
    """It is a broadcast, so one hears it oneself."""
    assert say(desktop, "hello", from_node="w1@host") is NO_REPLY


def test_where_there_are_many_not_all_answer(desktop: Desktop) -> None:
    """A newcomer learns the same from each."""
    desktop.state.answers = lambda _node: False

    assert say(desktop, "hello", from_node="w2@host", revoked=["a"]) is NO_REPLY
    assert desktop.told == []


def test_what_a_greeting_tells_has_an_end(desktop: Desktop) -> None:
    """The newest are told, and as many are taken."""
    ids = [str(number) for number in range(MOST_TOLD + 10)]
    desktop.tell(Revoked(tuple(Revocation(2e9, each) for each in ids)))
    desktop.told.clear()
    reply = say(desktop, "hello", from_node="w2@host", revoked=ids)

    assert reply["revoked"] == ids[10:]
    assert len(desktop.told[0].revocations) == MOST_TOLD


# -- the pool ----------------------------------------------------------------------------------


def test_the_pool_grows_and_shrinks(desktop: Desktop) -> None:
    """By as many as are said."""
    assert say(desktop, "pool_grow", n="2") == {"ok": "pool will grow"}
    assert say(desktop, "pool_shrink") == {"ok": "pool will shrink"}
    assert desktop.told == [PoolSized(2), PoolSized(-1)]


@pytest.mark.parametrize("n", [0, -1, 1_000_000])
def test_a_size_that_makes_no_sense_is_refused(desktop: Desktop, n: int) -> None:
    """So that a slip of the pen does not end the machine."""
    with pytest.raises(ValueError, match="between 1 and"):
        say(desktop, "pool_grow", n=n)


def test_a_pool_cannot_lose_what_it_has_not(desktop: Desktop) -> None:
    """It has one slot."""
    assert "Can't shrink pool" in say(desktop, "pool_shrink", n=2)["error"]
    assert desktop.told == []


def test_a_pool_is_restarted_where_that_is_enabled(
    desktop: Desktop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """New slots see what modules say now."""
    refused = say(desktop, "pool_restart")
    desktop.app.conf.worker_pool_restarts = True
    monkeypatch.syspath_prepend(tmp_path)
    module = tmp_path / "restarted_module.py"
    module.write_text("value = 1")
    say(desktop, "pool_restart", modules=["restarted_module"])
    first = sys.modules["restarted_module"].value
    module.write_text("value = 22")
    importlib.invalidate_caches()
    say(desktop, "pool_restart", modules=["restarted_module"])
    kept = sys.modules["restarted_module"].value
    done = say(desktop, "pool_restart", modules=["restarted_module"], reload=True)
    again = sys.modules.pop("restarted_module").value

    assert refused == {"error": "ValueError('Pool restarts not enabled')"}
    assert done == {"ok": "reload started"}
    assert (first, kept, again) == (1, 1, 22)
    assert desktop.told == [PoolRestartAsked()] * 3


def test_autoscale(app: OfficeApp) -> None:
    """Where it is on; what is not said stays."""
    off, on = Desktop(app), Desktop(app, autoscale=(5, 2))

    assert say(off, "autoscale", max=3, min=1) == {"error": "ValueError('Autoscale not enabled')"}
    assert say(on, "autoscale", max="9") == {"ok": "autoscale now max=9 min=2"}
    assert say(on, "autoscale", max=3, min=1) == {"ok": "autoscale now max=3 min=1"}
    assert "0 <= min <= max" in say(on, "autoscale", max=1, min=3)["error"]
    assert on.told == [AutoscaleSet(9, 2), AutoscaleSet(3, 1)]


# -- queues ------------------------------------------------------------------------------------


def test_a_queue_is_added_once(desktop: Desktop) -> None:
    """By its name alone it is bound to an exchange of its name."""
    assert say(desktop, "add_consumer", queue="q2") == {"ok": "add consumer q2"}
    assert say(desktop, "add_consumer", queue="q2") == {"ok": "add consumer q2"}
    (spec,) = desktop.intake.added

    assert (spec.name, spec.exchange, spec.routing_key) == ("q2", ExchangeSpec("q2"), "q2")


def test_a_queue_is_added_as_it_is_described(desktop: Desktop) -> None:
    """Exchange, type and key."""
    say(
        desktop,
        "add_consumer",
        queue="q3",
        exchange="ex",
        exchange_type="topic",
        routing_key="k.#",
    )
    (spec,) = desktop.intake.added

    assert (spec.exchange, spec.routing_key) == (ExchangeSpec("ex", "topic"), "k.#")


def test_a_queue_that_is_configured_is_taken_as_it_is(desktop: Desktop) -> None:
    """What the command says of it beside its name does not count."""
    spec = desktop.app.router.queues.add(QueueSpec("known", ExchangeSpec("its own"), "key"))
    say(desktop, "add_consumer", queue="known", exchange="another")

    assert desktop.intake.added == [spec]


def test_a_queue_is_cancelled(desktop: Desktop) -> None:
    """One that is not taken from as well."""
    assert say(desktop, "cancel_consumer", queue="celery") == {
        "ok": "no longer consuming from celery"
    }
    assert say(desktop, "cancel_consumer", queue="zzz") == {"ok": "no longer consuming from zzz"}
    assert desktop.intake.cancelled == ["celery"]
    assert say(desktop, "active_queues") == []


def test_active_queues(desktop: Desktop) -> None:
    """As kombu describes a queue."""
    desktop.state.queues["b"] = QueueSpec(
        "b", ExchangeSpec("x"), "k", bindings=((ExchangeSpec("y", "topic"), "#"),)
    )
    first, second = say(desktop, "active_queues")

    assert (first["name"], first["exchange"]["name"]) == ("celery", "celery")
    assert first["queue_arguments"] is None
    assert second["bindings"][0]["exchange"]["type"] == "topic"


# -- memory ------------------------------------------------------------------------------------


@pytest.mark.parametrize("library", ["psutil", "objgraph"])
def test_what_is_not_installed_is_named(
    desktop: Desktop, monkeypatch: pytest.MonkeyPatch, library: str
) -> None:
    """In the words of Celery."""
    monkeypatch.setitem(sys.modules, library, None)
    if library == "objgraph":
        with pytest.raises(ImportError, match="Requires the objgraph library"):
            say(desktop, "objgraph")
        return

    assert say(desktop, "memsample") == {"error": "Requires the psutil library"}
    assert say(desktop, "memdump") == "- rss: (psutil not installed).\n"


def test_memory_is_sampled(desktop: Desktop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Now, and before; not for ever."""
    used = SimpleNamespace(memory_info=lambda: SimpleNamespace(rss=3 * 1024 * 1024 + 1))
    monkeypatch.setitem(sys.modules, "psutil", SimpleNamespace(Process=lambda: used))
    for _ in range(MOST_SAMPLES + 1):
        assert say(desktop, "memsample") == "3.00MiB"
    dump = say(desktop, "memdump", samples=2)

    assert dump == (
        "- rss (sample):\n-    > 0: 3.00MiB\n-    > 1: 3.00MiB\n- rss (end): 3.00MiB.\n"
    )
    assert len(desktop.state.memory) == MOST_SAMPLES


@pytest.mark.parametrize(("rss", "said"), [(5, "5.00B"), (2 * 1024**4, "2048.00GiB")])
def test_memory_is_said_in_fitting_units(
    desktop: Desktop, monkeypatch: pytest.MonkeyPatch, rss: int, said: str
) -> None:
    """Up to the largest."""
    used = SimpleNamespace(memory_info=lambda: SimpleNamespace(rss=rss))
    monkeypatch.setitem(sys.modules, "psutil", SimpleNamespace(Process=lambda: used))

    assert say(desktop, "memsample") == said


def test_objects_are_drawn(desktop: Desktop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Into a file that the reply names."""
    drawn: list[Any] = []
    graph = SimpleNamespace(
        by_type=lambda name: [name] * 5,
        show_backrefs=lambda objects, **how: drawn.append((objects, how)),
    )
    monkeypatch.setitem(sys.modules, "objgraph", graph)
    filename = say(desktop, "objgraph", type="Thing", num=2, max_depth=3)["filename"]
    Path(filename).unlink()

    assert drawn == [(["Thing"] * 2, {"max_depth": 3, "filename": filename})]


# -- the table ---------------------------------------------------------------------------------


def test_each_command_is_described(desktop: Desktop) -> None:
    """The command line shows it."""
    undescribed = [name for name, info in Panel.meta.items() if not info.help]

    assert undescribed == []
    assert not Panel.meta["hello"].visible
