"""What a worker hears from clients and other workers, and what it tells them."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any

import pytest

from taskq import signals
from taskq.app.cluster import Liaison, NoMachine, Presence
from taskq.app.cluster.mingle import LISTEN_S
from taskq.app.events import EventSender
from taskq.core.inputs import ClusterSized, EventsSet, Revoked
from taskq.errors import ImproperlyConfigured, OperationalError
from taskq.ports import Outgoing, QueueSpec, Revocation
from taskq.protocol.control import reply_body
from tests.unit.app.office import Desktop, KeepingOffice, Office, OfficeApp, body_of, says

PRESENCE = Presence("w1@host", mingle=False)


class Member:
    """A worker's liaison on a clock that the test moves."""

    def __init__(self, app: OfficeApp, presence: Presence = PRESENCE) -> None:
        self.app, self.desktop = app, Desktop(app, presence.hostname)
        self.liaison: Liaison = self.desktop.liaison(presence)
        self.began_s = self.now_s

    @property
    def now_s(self) -> float:
        return self.app.clock_port.read().elapsed_s

    @property
    def told(self) -> list[Any]:
        return self.desktop.told

    def begin(self) -> Member:
        self.liaison.begin(self.now_s)
        self.liaison.greet(self.now_s)
        return self

    def turn(self, after_s: float = 0.0, readable: Any = None) -> bool:
        self.app.clock_port.sleep(after_s)
        return self.liaison.turn(self.now_s, readable)

    def wakes_after_s(self) -> float | None:
        at_s = self.liaison.wake_at_s
        return None if at_s is None else at_s - self.began_s

    def sent(self) -> list[Any]:
        """What was published since the last call: bodies."""
        return [body_of(outgoing) for outgoing in self.app.office.take()]

    def events(self) -> list[str]:
        return [body["type"] for body in self.sent() if "type" in body]


def command(app: OfficeApp, method: str, **arguments: Any) -> None:
    app.control.broadcast(method, arguments)


def told_by(
    app: OfficeApp, node: str, type_: str, pid: int = 7, clock: int = 1, **fields: Any
) -> None:
    """An event of another worker."""
    body = {"hostname": node, "pid": pid, "clock": clock, "timestamp": 1.0, "type": type_}
    app.office.publish([Outgoing(says({**body, **fields}), "celeryev", type_.replace("-", "."))])


# -- listening ---------------------------------------------------------------------------------


def test_a_worker_listens_to_commands_and_to_others(app: OfficeApp, office: Office) -> None:
    """Each by a queue that goes with it."""
    member = Member(app).begin()
    commands, others = (inbox.queue for inbox in office.inboxes)

    assert (commands.name, commands.exchange.type) == ("w1@host.celery.pidbox", "fanout")
    assert (others.exchange.name, others.routing_key) == ("celeryev", "worker.#")
    assert (others.name.partition(".")[0], others.message_ttl_s) == ("celeryev", 2)
    assert list(member.liaison.inboxes) == office.inboxes
    member.liaison.end()
    assert office.inboxes == []


@pytest.mark.parametrize(
    ("without", "left"),
    [
        ({"remote_control": False}, ["celeryev"]),
        ({"gossip": False}, ["celery.pidbox"]),
        ({"gossip": False, "remote_control": False}, []),
    ],
)
def test_a_worker_listens_only_to_what_it_should(
    app: OfficeApp, office: Office, without: dict[str, Any], left: list[str]
) -> None:
    """What is turned off costs nothing."""
    member = Member(app, replace(PRESENCE, **without)).begin()

    assert [inbox.queue.exchange.name for inbox in office.inboxes] == left
    member.turn()
    assert not member.turn()


def test_commands_are_carried_out_and_answered(app: OfficeApp) -> None:
    """In one turn."""
    member = Member(app).begin()
    command(app, "enable_events")
    came = member.turn()

    assert came
    assert member.told == [EventsSet(wanted=True)]
    assert not member.turn()


def test_commands_that_are_left_are_carried_out_later(app: OfficeApp) -> None:
    """Where the broker is lost in the middle of them."""
    member = Member(app).begin()
    lost = [OperationalError("gone")]

    def tell(asked: Any) -> None:
        if lost:
            raise lost.pop()
        member.told.append(asked)

    desk = member.liaison._desk
    desk._forward = tell
    command(app, "enable_events")
    command(app, "disable_events")
    with pytest.raises(OperationalError):
        member.turn()
    member.turn()

    assert "disable_events" in str(member.sent())
    assert lost == []


def test_only_what_is_readable_is_asked(app: OfficeApp, office: Office) -> None:
    """An inbox whose descriptors are silent costs nothing."""
    member = Member(app).begin()
    for number, inbox in enumerate(office.inboxes):
        inbox.watched = [number]
        inbox.messages.clear()

    def asked() -> list[int]:
        return [inbox.asked for inbox in office.inboxes]

    member.turn(readable=())  # the first look: nobody knows what is there
    first = asked()
    member.turn(readable=(5,))
    silent = asked()
    command(app, "ping")
    member.turn(readable=(0,))
    one = asked()
    member.turn(readable=())  # it had something, so it may have more

    assert (first, silent, one, asked()) == ([1, 1], [1, 1], [2, 1], [3, 1])


def test_an_inbox_that_wants_to_be_polled_is_polled(app: OfficeApp, office: Office) -> None:
    """As often as it says."""
    member = Member(app, replace(PRESENCE, gossip=False)).begin()
    office.inboxes[0].poll_s = 1.0
    for _ in range(10):
        member.turn(after_s=0.25, readable=())

    assert office.inboxes[0].asked == 3


# -- losing the broker -------------------------------------------------------------------------


def test_an_ear_that_is_lost_is_opened_again(app: OfficeApp, office: KeepingOffice) -> None:
    """Each time a little later; what was revoked meanwhile is read."""
    member = Member(app, replace(PRESENCE, gossip=False, heartbeat_s=None)).begin()
    office.away = True
    member.turn()
    pauses = []
    for _ in range(7):
        wake_s = member.liaison.wake_at_s
        assert wake_s is not None
        pauses.append(wake_s - member.now_s)
        member.turn(after_s=pauses[-1])
    nobody = list(member.liaison.inboxes)
    office.away = False
    office.revoked.append(Revocation(2e9, "a"))
    member.turn(after_s=30)

    assert pauses == [1, 2, 4, 8, 16, 30, 30]
    assert nobody == []
    assert member.told == [Revoked((Revocation(2e9, "a"),))]
    assert office.inboxes[0].reconnects == 1
    command(app, "enable_events")
    assert member.turn()


def test_an_ear_that_opens_itself_again_has_missed_something(
    app: OfficeApp, office: KeepingOffice
) -> None:
    """Its descriptors are others; what was revoked meanwhile is read."""
    member = Member(app, replace(PRESENCE, gossip=False)).begin()
    member.turn()
    office.revoked.append(Revocation(2e9, "a"))
    member.turn()
    before = list(member.told)
    office.inboxes[0].watched = [7]
    member.turn()
    member.turn()

    assert before == []
    assert member.told == [Revoked((Revocation(2e9, "a"),))]


def test_a_broker_that_is_not_there_at_the_start_is_tried_again(
    app: OfficeApp, office: Office
) -> None:
    """As one that is lost."""
    office.away = True
    member = Member(app, replace(PRESENCE, heartbeat_s=None, mingle=True)).begin()
    nobody = list(office.inboxes)
    office.away = False
    member.turn(after_s=1)

    assert nobody == []
    assert len(office.inboxes) == 2


def test_a_broker_without_remote_control_is_told_once(
    app: OfficeApp, office: Office, caplog: pytest.LogCaptureFixture
) -> None:
    """The worker works all the same."""

    def cannot(_queue: QueueSpec) -> Any:
        raise ImproperlyConfigured("this transport has no fan-out")

    office.listen = cannot  # type: ignore[method-assign,assignment]
    member = Member(app, replace(PRESENCE, gossip=False)).begin()
    member.turn(after_s=60)
    member.begin()

    assert caplog.text.count("no fan-out") == 1


def test_the_end_does_not_wait_for_a_broker_that_is_away(app: OfficeApp, office: Office) -> None:
    """Good-bye is said to whoever hears it."""

    def lost() -> None:
        raise OperationalError("gone")

    member = Member(app).begin()
    for inbox in office.inboxes:
        inbox.close = lost  # type: ignore[method-assign]
    office.away = True
    member.liaison.end()

    assert member.liaison.inboxes == []


# -- heartbeats --------------------------------------------------------------------------------


def test_a_worker_tells_that_it_is_there(app: OfficeApp) -> None:
    """At the start, in its interval, and at the end."""
    member = Member(app, replace(PRESENCE, gossip=False, remote_control=False)).begin()
    (online,) = member.sent()
    early = member.turn(after_s=1.9), member.events()
    member.turn(after_s=0.1)
    beat = member.events()
    wakes = member.wakes_after_s()
    member.liaison.end()

    assert {name: online[name] for name in ("type", "freq", "active", "processed", "loadavg")} == {
        "type": "worker-online",
        "freq": 2.0,
        "active": 0,
        "processed": 0,
        "loadavg": [0.0, 0.0, 0.0],
    }
    assert (online["sw_ident"], online["sw_ver"], online["sw_sys"]) == (
        "py-celery",
        "5.7.0",
        NoMachine.system,
    )
    assert early == (False, [])
    assert (beat, wakes) == (["worker-heartbeat"], 4)
    assert member.events() == ["worker-offline"]


def test_a_worker_without_heartbeat_is_silent(app: OfficeApp) -> None:
    """Unless it is asked for one."""
    member = Member(app, replace(PRESENCE, gossip=False, heartbeat_s=None)).begin()
    silent = member.turn(after_s=60), member.events(), member.liaison.wake_at_s
    command(app, "heartbeat")
    member.turn()
    asked = member.events()
    member.liaison.end()

    assert silent == (False, [], None)
    assert asked == ["worker-heartbeat"]
    assert member.events() == []


def test_programs_hear_of_heartbeats(app: OfficeApp) -> None:
    """By a signal."""
    heard: list[Any] = []

    def hear(sender: Any, **_: Any) -> None:
        heard.append(sender)

    signals.heartbeat_sent.connect(hear)
    try:
        member = Member(app).begin()
        member.turn(after_s=2)
    finally:
        signals.heartbeat_sent.disconnect(hear)

    assert heard == [member.liaison.heart]


# -- others ------------------------------------------------------------------------------------


def test_who_is_there_is_known_and_told_to_the_core(
    app: OfficeApp, caplog: pytest.LogCaptureFixture
) -> None:
    """Limits of the cluster are shared among all."""
    member = Member(app, replace(PRESENCE, heartbeat_s=None)).begin()
    with caplog.at_level(logging.DEBUG, "taskq.worker.cluster"):
        told_by(app, "w2@host", "worker-online", freq=2.0, clock=100)
        told_by(app, "w3@host", "worker-heartbeat", freq="often")
        member.turn()
        member.turn()
        both = member.wakes_after_s()
        told_by(app, "w2@host", "worker-offline")
        member.turn(after_s=5)
        member.turn(after_s=1)

    assert member.told == [ClusterSized(3), ClusterSized(2), ClusterSized(1)]
    assert both == 6
    assert [record.getMessage() for record in caplog.records] == [
        "w2@host joined the party",
        "w3@host joined the party",
        "w2@host left",
        "missed heartbeat from w3@host",
    ]
    assert app.clock.value > 100


def test_what_is_no_event_is_dropped(app: OfficeApp, office: Office) -> None:
    """Anybody may publish there."""
    member = Member(app, replace(PRESENCE, heartbeat_s=None)).begin()
    office.publish(
        [
            Outgoing(says("no event"), "celeryev", "worker.odd"),
            Outgoing(says({"type": "worker-odd", "hostname": "x"}), "celeryev", "worker.odd"),
            Outgoing(says({"type": "worker-online"} | {"x": "x" * 100}), "celeryev", "worker.x"),
        ]
    )
    app.conf.taskq_max_body_bytes = 100

    assert member.turn()
    assert member.told == []


def test_another_worker_of_the_same_name_is_warned_of_once(
    app: OfficeApp, caplog: pytest.LogCaptureFixture
) -> None:
    """Commands to one would reach both."""
    member = Member(app, replace(PRESENCE, heartbeat_s=None)).begin()
    for pid in (43, 43, 42, None):
        told_by(app, "w1@host", "worker-heartbeat", pid=pid)  # type: ignore[arg-type]
    member.turn()

    assert caplog.text.count("Another worker (pid 43) answers to the name w1@host") == 1
    assert len(caplog.records) == 1
    assert member.told == []


# -- elections ---------------------------------------------------------------------------------


@pytest.fixture
def elected(app: OfficeApp) -> str:
    @app.task(name="t.elected")
    def act() -> None:
        pass

    return "t.elected"


def tasks_sent(member: Member) -> list[str]:
    return [
        outgoing.message.headers["task"]
        for outgoing in member.app.office.take()
        if "task" in outgoing.message.headers
    ]


def test_a_worker_that_is_alone_elects_itself(app: OfficeApp, elected: str) -> None:
    """And does what the winner is to do, once."""
    member = Member(app).begin()
    member.turn(after_s=4)
    member.sent()
    app.control.election("e1", "task", {"task": elected, "args": [], "kwargs": {}})
    member.turn()
    sent = tasks_sent(member)
    member.turn(after_s=10)

    assert sent == [elected]
    assert tasks_sent(member) == []


def test_the_lowest_clock_wins(app: OfficeApp, elected: str) -> None:
    """Here another one's."""
    member = Member(app).begin()
    told_by(app, "w2@host", "worker-heartbeat", freq=60.0)
    member.turn(after_s=4)
    app.control.election("e1", "task", {"task": elected})
    member.turn()
    open_ = [body for body in member.sent() if "type" in body]
    body = next(body for body in open_ if body["type"] == "worker-elect")
    action: dict[str, Any] = {"id": "e1", "topic": "task", "action": {"task": elected}, "cver": 1}
    told_by(app, "w2@host", "worker-elect", clock=body["clock"] - 1, **action)
    member.turn()
    decided = member.events()
    member.turn(after_s=10)

    assert "worker-elect-ack" not in [body["type"] for body in open_]
    assert "worker-elect-ack" in decided
    assert tasks_sent(member) == []


def test_a_newcomer_waits_before_it_decides(app: OfficeApp, elected: str) -> None:
    """It may not know all yet."""
    member = Member(app).begin()
    app.control.election("e1", "task", {"task": elected})
    member.turn()
    member.turn(after_s=1)
    early = tasks_sent(member)
    member.turn(after_s=5)

    assert early == []
    assert tasks_sent(member) == [elected]


@pytest.mark.parametrize(
    ("topic", "action", "line"),
    [
        ("play", {"task": "t.elected"}, "Unknown topic of an election: 'play'"),
        ("task", {"no": "task"}, "Nothing to send for the election 'e1'"),
        ("task", 3, "Nothing to send for the election 'e1'"),
        ("task", {"task": "t", "args": 3}, "Could not send the task of the election 'e1'"),
    ],
)
def test_a_winner_that_does_not_understand_says_so(
    app: OfficeApp, caplog: pytest.LogCaptureFixture, topic: str, action: Any, line: str
) -> None:
    """What is to be done comes over the wire."""
    member = Member(app).begin()
    member.turn(after_s=4)
    app.control.election("e1", topic, action)
    member.turn()
    member.turn()

    assert line in caplog.text


@pytest.mark.parametrize("odd", [{"cver": 2, "id": "e1"}, {"cver": 1, "id": 3}, {}])
def test_elections_of_another_kind_are_left_to_others(app: OfficeApp, odd: dict[str, Any]) -> None:
    """Of another version, or without a name."""
    member = Member(app).begin()
    member.turn(after_s=4)
    member.sent()
    told_by(app, "w2@host", "worker-elect", **odd)
    member.turn()

    assert "worker-elect-ack" not in member.events()


# -- greetings ---------------------------------------------------------------------------------

MINGLING = replace(PRESENCE, mingle=True, gossip=False, heartbeat_s=None)


def greeting(member: Member) -> dict[str, Any]:
    (body,) = [body for body in member.sent() if body.get("method") == "hello"]
    found: dict[str, Any] = body
    return found


def answer(app: OfficeApp, hello: dict[str, Any], node: str, reply: Any, ticket: Any = ...) -> None:
    headers = {"ticket": hello["ticket"] if ticket is ... else ticket}
    to = hello["reply_to"]
    message = says(reply_body(node, reply), **headers)
    app.office.publish([Outgoing(message, to["exchange"], to["routing_key"])])


def test_a_newcomer_greets_and_learns(
    app: OfficeApp, office: Office, caplog: pytest.LogCaptureFixture
) -> None:
    """What was revoked, and what time it is by the logical clock; it does not wait for it."""
    member = Member(app, MINGLING)
    member.desktop.tell(Revoked((Revocation(2e9, "mine"),)))
    member.told.clear()
    hello = greeting(member.begin())
    answer(app, hello, "w2@host", {"revoked": ["a", "b"], "clock": 500})
    answer(app, hello, "w3@host", {"revoked": {"c": 1.0}, "clock": "late"})
    answer(app, hello, "w4@host", {"revoked": 3})
    answer(app, hello, "w5@host", None)
    answer(app, hello, "w1@host", {"revoked": ["own"]})
    answer(app, hello, "w6@host", {"revoked": ["x"]}, ticket="another")
    with caplog.at_level(logging.INFO, "taskq.worker.cluster"):
        member.turn()
        listening = len(office.inboxes)
        member.turn(after_s=LISTEN_S)

    assert hello["arguments"] == {"from_node": "w1@host", "revoked": ["mine"]}
    assert [[one.task_id for one in asked.revocations] for asked in member.told] == [
        ["a", "b"],
        ["c"],
    ]
    assert app.clock.value > 500
    assert "mingle: sync with 3 nodes" in caplog.text
    assert (listening, len(office.inboxes)) == (2, 1)


def test_a_worker_that_is_alone_hears_nothing(
    app: OfficeApp, office: Office, caplog: pytest.LogCaptureFixture
) -> None:
    """But its own greeting, which it does not answer."""
    member = Member(app, MINGLING).begin()
    with caplog.at_level(logging.INFO, "taskq.worker.cluster"):
        member.turn()
        member.turn(after_s=LISTEN_S)

    assert "mingle: alone" in caplog.text
    assert member.told == []
    assert member.liaison.wake_at_s is None


def test_what_is_no_answer_is_dropped(app: OfficeApp, office: Office) -> None:
    """Anybody may answer."""
    member = Member(app, MINGLING)
    hello = greeting(member.begin())
    to = hello["reply_to"]
    message = says(["x"], ticket=hello["ticket"])
    office.publish([Outgoing(message, to["exchange"], to["routing_key"])])
    member.turn()

    assert member.told == []


def test_a_greeting_that_cannot_be_sent_is_not_waited_for(
    app: OfficeApp, office: Office, caplog: pytest.LogCaptureFixture
) -> None:
    """The worker works all the same."""
    member = Member(app, MINGLING)
    member.liaison.begin(member.now_s)
    publish = office.publish

    def lost(_messages: Any) -> None:
        raise OperationalError("gone")

    office.publish = lost  # type: ignore[method-assign,assignment]
    member.liaison.greet(member.now_s)
    office.publish = publish  # type: ignore[method-assign]

    assert "Could not greet other workers" in caplog.text
    assert len(office.inboxes) == 1


def test_two_workers_tell_each_other(app: OfficeApp) -> None:
    """What one knows the other one learns."""
    one = Member(app, replace(MINGLING, hostname="a@host")).begin()
    one.desktop.tell(Revoked((Revocation(2e9, "x"),)))
    other = Member(app, replace(MINGLING, hostname="b@host")).begin()
    one.turn()
    other.turn()

    assert [one.task_id for one in other.told[0].revocations] == ["x"]


# -- events of tasks ---------------------------------------------------------------------------


def test_events_of_tasks_travel_together(app: OfficeApp, office: Office) -> None:
    """Those of one turn in one message, as a list; others at once and alone."""
    sender = EventSender(app, "w1@host")
    sender.collect([("task-received", {"uuid": "a"}), ("worker-odd", {}), ("task-started", {})])
    before = [outgoing.routing_key for outgoing in office.take()]
    sender.flush()
    (together,) = office.take()
    sender.flush()

    assert before == ["worker.odd"]
    assert together.routing_key == "task.multi"
    assert [event["type"] for event in body_of(together)] == ["task-received", "task-started"]
    assert office.take() == []


def test_an_event_says_how_far_its_zone_is_from_utc(app: OfficeApp, office: Office) -> None:
    """As it is at that moment: summer comes and goes."""
    app.conf.timezone = "Europe/Berlin"
    sender = EventSender(app, "w1@host")
    for _ in range(2):
        sender.send([("worker-odd", {})])
        app.clock_port.sleep(180 * 86_400)

    assert [body_of(outgoing)["utcoffset"] for outgoing in office.take()] == [-1.0, -2.0]


def test_too_many_events_do_not_wait_for_the_end_of_a_turn(app: OfficeApp, office: Office) -> None:
    """They would become one message without an end."""
    sender = EventSender(app, "w1@host")
    sender.collect([("task-started", {"uuid": str(number)}) for number in range(500)])

    assert len(body_of(office.take()[0])) == 500


def test_an_event_that_cannot_be_sent_is_dropped(app: OfficeApp, office: Office) -> None:
    """A monitor that misses one is better off than a worker that waits."""
    sender = EventSender(app, "w1@host")
    office.away = True
    sender.send([("task-started", {"uuid": "a"})])
    office.away = False
    sender.flush()

    assert office.take() == []
