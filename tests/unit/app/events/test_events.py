"""Events of programs on their way out, and what monitors hear."""

from __future__ import annotations

import pickle
from typing import Any

import pytest

from taskq.app.events.event import Event, group_from
from taskq.app.events.state import CallableDefaultdict, State, Worker, with_unique_field
from taskq.errors import OperationalError
from taskq.ports import Outgoing
from tests.unit.app.office import Office, OfficeApp, body_of, says

# -- sending -----------------------------------------------------------------------------------


def test_a_program_tells_of_its_own(app: OfficeApp, office: Office) -> None:
    """In the name of the program, by a message that nobody keeps."""
    with app.events.default_dispatcher() as dispatcher:
        dispatcher.send("task-progress", uuid="a", percent=40)
    (sent,) = office.take()

    assert (sent.exchange, sent.exchange_type, sent.routing_key) == (
        "celeryev",
        "topic",
        "task.progress",
    )
    assert sent.message.headers == {"hostname": "gen42@host"}
    assert sent.message.properties == {"delivery_mode": 1, "priority": 0}
    assert body_of(sent) == {
        "hostname": "gen42@host",
        "utcoffset": 0.0,
        "pid": 42,
        "clock": 1,
        "uuid": "a",
        "percent": 40,
        "timestamp": app.clock_port.now_s,
        "type": "task-progress",
    }


def test_a_blind_event_does_not_count(app: OfficeApp, office: Office) -> None:
    """The logical clock stays where it is."""
    app.events.Dispatcher(hostname="me@h").send("x-y", blind=True)

    assert body_of(office.take()[0])["clock"] == app.clock.value == 0


def test_a_dispatcher_can_be_off(app: OfficeApp, office: Office) -> None:
    """And says when it is turned on and off."""
    heard: list[str] = []
    dispatcher = app.events.Dispatcher(enabled=False)
    dispatcher.on_enabled.add(lambda: heard.append("on"))
    dispatcher.on_disabled.add(lambda: heard.append("off"))
    dispatcher.send("x-one")
    dispatcher.disable()
    dispatcher.enable()
    dispatcher.send("x-two")
    dispatcher.disable()
    dispatcher.send("x-three")

    assert [outgoing.routing_key for outgoing in office.take()] == ["x.two"]
    assert heard == ["on", "off"]


def test_only_some_groups_are_told(app: OfficeApp, office: Office) -> None:
    """Where it is so said."""
    dispatcher = app.events.Dispatcher(groups=["task"])
    dispatcher.send("worker-odd")
    dispatcher.send("task-odd")

    assert [outgoing.routing_key for outgoing in office.take()] == ["task.odd"]


def test_events_of_a_group_may_wait_for_each_other(app: OfficeApp, office: Office) -> None:
    """Until there are enough, or somebody says so."""
    waiting: list[int] = []
    dispatcher = app.events.Dispatcher(
        buffer_group=["task"], buffer_limit=3, on_send_buffered=lambda: waiting.append(1)
    )
    for number in range(5):
        dispatcher.send("task-odd", number=number)
    first = office.take()
    dispatcher.close()
    second = office.take()

    assert [outgoing.routing_key for outgoing in first + second] == ["task.multi"] * 2
    assert [event["number"] for event in body_of(first[0])] == [0, 1, 2]
    assert [event["number"] for event in body_of(second[0])] == [3, 4]
    assert len(waiting) == 4


def test_what_cannot_be_sent_is_kept(app: OfficeApp, office: Office) -> None:
    """Another dispatcher may take it over."""
    dispatcher = app.events.Dispatcher()
    office.away = True
    dispatcher.send("x-one")
    dispatcher.send("x-two")
    office.away = False
    other = app.events.Dispatcher()
    other.extend_buffer(dispatcher)
    other.flush(groups=False)
    other.flush()

    assert [outgoing.routing_key for outgoing in office.take()] == ["x.one", "x.two"]


def test_who_does_not_want_that_is_told(app: OfficeApp, office: Office) -> None:
    """By the error."""
    office.away = True

    with app.events.default_dispatcher() as dispatcher, pytest.raises(OperationalError):
        dispatcher.send("x-one")


def test_a_program_may_bring_its_own_producer(app: OfficeApp, office: Office) -> None:
    """It goes along as the way to send by."""
    dispatcher = app.events.Dispatcher(connection="the connection")
    dispatcher.send("x-one", retry=True)
    dispatcher.publisher = "the producer"
    dispatcher.send("x-two")
    links = [(outgoing.options.link, outgoing.options.retry) for outgoing in office.take()]

    assert [link for link, _ in links] == ["the connection", "the producer"]
    assert links[0][1] is not None
    assert links[1][1] is None
    assert dispatcher.publisher == "the producer"


def test_an_event_as_a_dictionary(app: OfficeApp) -> None:
    """Of now, unless it says when it was."""
    assert Event("x-y", a=1) == {"type": "x-y", "a": 1, "timestamp": app.clock_port.now_s}
    assert Event("x-y", {"b": 2}, timestamp=3) == {"type": "x-y", "b": 2, "timestamp": 3}
    assert (group_from("task-sent"), group_from("odd")) == ("task", "odd")


# -- receiving ---------------------------------------------------------------------------------


def told(office: Office, body: Any, key: str = "worker.odd") -> None:
    office.publish([Outgoing(says(body), "celeryev", key)])


def an_event(type_: str = "worker-odd", **fields: Any) -> dict[str, Any]:
    return {"type": type_, "hostname": "w@h", "timestamp": 5.0, "clock": 10, "pid": 1, **fields}


def test_a_monitor_hears(app: OfficeApp, office: Office) -> None:
    """By the type of the event, or all that has no handler of its own."""
    heard: list[tuple[str, str]] = []
    receiver = app.events.Receiver(
        "a connection",
        handlers={
            "worker-odd": lambda event: heard.append(("odd", event["type"])),
            "*": lambda event: heard.append(("*", event["type"])),
        },
    )
    office.meanwhile = [
        lambda: told(office, an_event()),
        lambda: told(office, [an_event("task-a"), an_event("task-b")], "task.multi"),
    ]
    receiver.capture(limit=2)

    assert heard == [("odd", "worker-odd"), ("*", "task-a"), ("*", "task-b")]
    assert receiver.connection == "a connection"


def test_an_event_is_told_when_it_was_heard(app: OfficeApp, office: Office) -> None:
    """On the clock of who heard it; its own time stays as it is."""
    heard: list[dict[str, Any]] = []
    receiver = app.events.Receiver(None, handlers={"*": heard.append}, app=app)
    office.meanwhile = [lambda: told(office, an_event(utcoffset=-5.0))]
    receiver.capture(limit=1, wakeup=False)

    assert heard[0]["local_received"] == app.clock_port.now_s
    assert heard[0]["timestamp"] == 5.0
    assert app.clock.value == 11


def test_what_a_client_says_has_the_time_of_the_cluster(app: OfficeApp) -> None:
    """Its own logical clock has heard of nobody."""
    receiver = app.events.Receiver(None)
    app.clock.adjust(99)
    _, sent = receiver.event_from_message(an_event("task-sent", clock=3))
    _, silent = receiver.event_from_message(an_event(clock=None))

    assert (sent["clock"], silent["clock"]) == (100, 102)


def test_a_monitor_that_has_just_come_asks_who_is_there(app: OfficeApp, office: Office) -> None:
    """By asking for heartbeats."""
    receiver = app.events.Receiver(None)
    with pytest.raises(TimeoutError, match="no event came for 3 s"):
        receiver.capture(timeout=3)

    assert body_of(office.sent[0])["method"] == "heartbeat"


def test_what_comes_between_two_looks_is_not_lost(app: OfficeApp, office: Office) -> None:
    """A timeout does not end the listening; an end does."""
    heard: list[Any] = []
    receiver = app.events.Receiver(None, handlers={"*": heard.append})
    with pytest.raises(TimeoutError):
        receiver.capture(timeout=3, wakeup=False)
    told(office, an_event())
    receiver.capture(limit=1, timeout=3, wakeup=False)
    listening = len(office.inboxes)
    receiver.close()
    receiver.close()

    assert len(heard) == 1
    assert (listening, len(office.inboxes)) == (1, 0)


def test_what_came_together_is_not_lost_either(app: OfficeApp, office: Office) -> None:
    """Who takes one of two gets the other one the next time."""
    heard: list[str] = []
    receiver = app.events.Receiver(None, handlers={"*": lambda event: heard.append(event["type"])})

    def both() -> None:
        told(office, an_event("worker-a"))
        told(office, an_event("worker-b"))

    office.meanwhile = [both]
    receiver.capture(limit=1, wakeup=False)
    receiver.capture(limit=1, wakeup=False)

    assert heard == ["worker-a", "worker-b"]


def test_a_monitor_can_be_told_to_stop(app: OfficeApp, office: Office) -> None:
    """By a handler, or from outside while it waits."""
    heard: list[Any] = []

    def once(event: Any) -> None:
        heard.append(event)
        receiver.should_stop = True

    receiver = app.events.Receiver(None, handlers={"*": once})
    office.meanwhile = [lambda: told(office, an_event())]
    receiver.capture(wakeup=False)
    receiver.should_stop = False
    office.meanwhile = [lambda: setattr(receiver, "should_stop", True)]
    receiver.capture(wakeup=False)

    assert len(heard) == 1
    assert office.inboxes == []


def test_what_is_no_event_does_not_end_a_monitor(
    app: OfficeApp, office: Office, caplog: pytest.LogCaptureFixture
) -> None:
    """It is dropped, with its reason."""
    heard: list[Any] = []
    receiver = app.events.Receiver(None, handlers={"worker-odd": heard.append})
    office.meanwhile = [
        lambda: told(office, "odd"),
        lambda: told(office, an_event("worker-nobody-cares")),
        lambda: told(office, an_event()),
    ]
    receiver.capture(limit=3, wakeup=False)

    assert len(heard) == 1
    assert "Dropped an event that cannot be read" in caplog.text


def test_a_monitor_says_how_it_listens(app: OfficeApp) -> None:
    """Or the settings do."""
    usual = app.events.Receiver(None).queue
    own = app.events.Receiver(
        None,
        routing_key="task.#",
        node_id="me",
        queue_prefix="mine",
        queue_ttl=1,
        queue_expires=2,
        queue_exclusive=False,
        queue_durable=True,
    ).queue

    assert (usual.routing_key, usual.message_ttl_s, usual.expires_s) == ("#", 5, 60)
    assert (usual.exclusive, usual.durable, usual.auto_delete) == (True, False, True)
    assert usual.name.startswith("celeryev.")
    assert (own.name, own.routing_key, own.message_ttl_s, own.expires_s) == (
        "mine.me",
        "task.#",
        1,
        2,
    )
    assert (own.exclusive, own.durable) == (False, True)


# -- the picture -------------------------------------------------------------------------------


def test_a_monitor_makes_a_picture(app: OfficeApp, office: Office) -> None:
    """On the clock of its app."""
    state = app.events.State()
    receiver = app.events.Receiver(None, handlers={"*": state.event})
    office.meanwhile = [
        lambda: told(office, an_event("worker-heartbeat", freq=2.0)),
        lambda: told(office, [an_event("task-received", uuid="a", name="t")], "task.multi"),
    ]
    receiver.capture(limit=2, wakeup=False)
    there = [worker.hostname for worker in state.alive_workers()]
    app.clock_port.sleep(10)

    assert there == ["w@h"]
    assert list(state.alive_workers()) == []
    assert state.tasks["a"].name == "t"


def test_a_picture_is_still_while_somebody_looks(app: OfficeApp) -> None:
    """And can be kept and cleared."""
    state = State()
    state.event({**an_event("task-succeeded", uuid="a"), "local_received": 1.0})
    kept = pickle.loads(pickle.dumps(state))
    looked = state.freeze_while(lambda: len(state.tasks))
    state.clear_tasks()
    state.clear()

    assert looked == 1
    assert list(kept.tasks) == ["a"]
    assert isinstance(kept.workers["w@h"], Worker)
    assert not state.tasks
    assert isinstance(state.tasks_by_type, CallableDefaultdict)


def test_a_class_may_be_told_apart_by_one_of_its_fields() -> None:
    """As cameras do it."""

    @with_unique_field("name")
    class Thing:
        def __init__(self, name: str) -> None:
            self.name = name

    assert len({Thing("a"), Thing("a"), Thing("b")}) == 2
    other: object = "a"
    assert Thing("a") != other
