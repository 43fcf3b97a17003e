"""What a worker makes of a message with a command in it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest

from taskq.app.control.desk import Desk
from taskq.app.control.panel import Panel, control_command, inspect_command
from taskq.app.control.state import State
from taskq.core.inputs import EventsSet, Input, Stop, StopAsked
from taskq.errors import OperationalError, WorkerTerminate
from taskq.ports import Message
from tests.unit.app.office import Desktop, OfficeApp, body_of, says

REPLY_TO = {"exchange": "reply.celery.pidbox", "routing_key": "oid"}


def asks(method: str, arguments: Any = None, **more: Any) -> Message:
    headers = more.pop("headers", {})
    body = {
        "method": method,
        "arguments": arguments or {},
        "ticket": "t1",
        "reply_to": REPLY_TO,
        **more,
    }
    return says(body, **headers)


class Bench:
    """A desk, and what came of it."""

    def __init__(self, app: OfficeApp) -> None:
        self.app, self.desktop = app, Desktop(app)
        self.told: list[Input] = []
        self.desk = Desk(app, self.told.append)
        self.state = self.desktop.state
        self.state.tell = self.desk.tell

    def take(self, *messages: Message) -> list[Any]:
        for message in messages:
            self.desk.take(message, self.state)
        self.desk.answer()
        return [body_of(sent) for sent in self.app.office.take()]


@pytest.fixture
def bench(app: OfficeApp) -> Bench:
    return Bench(app)


@pytest.fixture(autouse=True)
def own_commands() -> Iterator[None]:
    """What a test adds to the table goes with it."""
    data, meta = dict(Panel.data), dict(Panel.meta)
    yield
    for table, before in ((Panel.data, data), (Panel.meta, meta)):
        table.clear()
        table.update(before)  # type: ignore[arg-type]  # each with its own


# -- replies -----------------------------------------------------------------------------------


def test_a_question_is_answered_where_it_says(bench: Bench) -> None:
    """With the ticket that it came with, by a message that does not lie about for ever."""
    bench.desk.take(asks("ping"), bench.state)
    bench.desk.answer()
    (sent,) = bench.app.office.take()

    assert (sent.exchange, sent.exchange_type, sent.routing_key) == (
        "reply.celery.pidbox",
        "direct",
        "oid",
    )
    assert body_of(sent) == {"w1@host": {"ok": "pong"}}
    assert sent.message.headers == {"ticket": "t1", "clock": 1}
    assert sent.message.properties["delivery_mode"] == 1
    assert sent.message.properties["expiration"] == "60000"


def test_replies_of_one_turn_travel_together(bench: Bench) -> None:
    """One publish for all that were asked."""
    assert bench.take(asks("ping"), asks("ping")) == [{"w1@host": {"ok": "pong"}}] * 2


def test_a_command_that_wants_no_reply_gets_none(bench: Bench) -> None:
    """It is carried out all the same."""
    assert bench.take(says({"method": "enable_events"})) == []
    assert bench.told == [EventsSet(wanted=True)]


def test_a_reply_that_cannot_be_sent_is_dropped(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    """A worker does not wait for who may be gone."""
    bench.desk.take(asks("ping"), bench.state)
    bench.app.office.away = True
    bench.desk.answer()
    bench.app.office.away = False

    assert bench.take() == []
    assert "1 replies to commands were not sent" in caplog.text


def test_what_a_command_asks_of_the_core_is_told_after_its_reply_is_made(bench: Bench) -> None:
    """Should the broker be lost meanwhile, the reply stands."""

    def lost(_asked: Input) -> None:
        raise OperationalError("the broker is gone")

    desk = Desk(bench.app, lost)
    bench.state.tell = desk.tell
    with pytest.raises(OperationalError):
        desk.take(asks("enable_events"), bench.state)
    desk.answer()

    assert [body_of(sent) for sent in bench.app.office.take()] == [
        {"w1@host": {"ok": "task events enabled"}}
    ]


# -- who is meant ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "meant",
    [
        {"destination": None},
        {"destination": []},
        {"destination": ["w1@host", "w2@host"]},
        {"pattern": "w?@*", "matcher": "glob"},
        {"pattern": "w*"},
        {"pattern": r"w\d@", "matcher": "pcre"},
        {"destination": ["w2@host"], "pattern": "w1*", "matcher": "glob"},
    ],
)
def test_a_worker_that_is_meant_acts(bench: Bench, meant: dict[str, Any]) -> None:
    """By name or by a pattern."""
    assert bench.take(asks("ping", **meant)) == [{"w1@host": {"ok": "pong"}}]


@pytest.mark.parametrize(
    "meant",
    [
        {"destination": ["w2@host"]},
        {"pattern": "x*", "matcher": "glob"},
        {"pattern": "host", "matcher": "pcre"},
    ],
)
def test_a_worker_that_is_not_meant_says_nothing(bench: Bench, meant: dict[str, Any]) -> None:
    """Nor does it act."""
    assert bench.take(asks("ping", **meant)) == []


@pytest.mark.parametrize(
    ("pattern", "matcher", "why"),
    [
        ("w*", "sql", "no matcher is called 'sql'; there are glob, pcre"),
        ("(", "pcre", "is no regular expression"),
        ("w" * 2000, "glob", "too long for node names"),
    ],
)
def test_a_pattern_that_makes_no_sense_is_dropped(
    bench: Bench, caplog: pytest.LogCaptureFixture, pattern: str, matcher: str, why: str
) -> None:
    """With a line that says why."""
    assert bench.take(asks("ping", pattern=pattern, matcher=matcher)) == []
    assert why in caplog.text


# -- what is no command ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "message",
    [
        Message({}, b"{", "application/json", "utf-8"),
        Message({}, b"cos\nsystem\n", "application/x-python-serialize", "binary"),
        says(["ping"]),
        says({"arguments": {}}),
        says({"method": "ping", "arguments": ["x"]}),
        says({"method": "ping", "destination": "w1@host"}),
        says({"method": "ping", "pattern": 1}),
        says({"method": "ping", "reply_to": "me"}),
        says({"method": "ping", "reply_to": {"exchange": "x"}}),
        says({"method": "ping", "ticket": 1}),
    ],
)
def test_what_is_no_command_is_dropped(
    bench: Bench, caplog: pytest.LogCaptureFixture, message: Message
) -> None:
    """Anybody may publish to the exchange of commands."""
    assert bench.take(message) == []
    assert "Dropped a command that cannot be read" in caplog.text


def test_a_command_that_is_too_large_is_dropped(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    """Before it is decoded."""
    bench.app.conf.taskq_max_body_bytes = 10

    assert bench.take(asks("ping")) == []
    assert "taskq_max_body_bytes" in caplog.text


def test_a_command_that_has_expired_is_ignored(bench: Bench) -> None:
    """Whoever asked has gone."""
    now_s = bench.app.clock_port.now_s

    assert bench.take(asks("ping", headers={"expires": now_s - 1})) == []
    assert bench.take(asks("ping", headers={"expires": now_s + 1})) != []
    assert bench.take(asks("ping", headers={"expires": "soon"})) != []


def test_the_logical_clock_hears_of_each_command(bench: Bench) -> None:
    """Also of those that mean others; what is no clock is none."""
    bench.take(asks("ping", headers={"clock": 100}, destination=["x@y"]))
    bench.take(asks("ping", headers={"clock": "late"}, destination=["x@y"]))
    bench.take(asks("ping", headers={"clock": 10**30}, destination=["x@y"]))

    assert bench.app.clock.value == 102


# -- what goes wrong ---------------------------------------------------------------------------


def test_a_command_that_nobody_knows_is_an_error(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    """For who asked, and in the log."""
    assert bench.take(asks("nope")) == [{"w1@host": {"error": "KeyError('nope')"}}]
    assert "No control command is called 'nope'" in caplog.text


def test_a_command_that_fails_says_so_and_the_next_is_heard(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever is wrong with it."""

    @inspect_command()
    def breaks(state: State) -> Any:
        raise ZeroDivisionError(state.hostname)

    replies = bench.take(asks("breaks"), asks("breaks", {"odd": 1}), asks("ping"))

    assert replies[0] == {"w1@host": {"error": "ZeroDivisionError('w1@host')"}}
    assert "unexpected keyword argument 'odd'" in replies[1]["w1@host"]["error"]
    assert replies[2] == {"w1@host": {"ok": "pong"}}
    assert "Traceback" in caplog.text


def test_a_reply_that_json_does_not_know_is_shown_as_text(bench: Bench) -> None:
    """A user's own command may return anything."""

    @inspect_command()
    def odd(_state: State) -> Any:
        return {"value": {1}, 2: ValueError("x"), "deep": [(1, 2)]}

    assert bench.take(asks("odd")) == [
        {"w1@host": {"value": [1], "2": "ValueError('x')", "deep": [[1, 2]]}}
    ]


# -- commands of one's own ---------------------------------------------------------------------


def test_users_add_commands(bench: Bench) -> None:
    """Under a name and an alias, with what the command line needs to know."""

    @control_command(alias="grow_it", args=[("n", int)], signature="[N=1]", default_timeout=3.0)
    def enlarge(_state: State, n: int = 1) -> Any:
        """Make it larger.

        By much.
        """
        return {"ok": n}

    info = Panel.meta["enlarge"]

    assert bench.take(asks("enlarge", {"n": 3}), asks("grow_it")) == [
        {"w1@host": {"ok": 3}},
        {"w1@host": {"ok": 1}},
    ]
    assert info is Panel.meta["grow_it"]
    assert info._asdict() == {
        "alias": "grow_it",
        "type": "control",
        "visible": True,
        "default_timeout": 3.0,
        "help": "Make it larger.",
        "signature": "[N=1]",
        "args": [("n", int)],
        "variadic": None,
        "name": "enlarge",
    }


def test_a_command_can_be_registered_without_words(bench: Bench) -> None:
    """As Celery's table allows."""

    @Panel.register
    def bare(_state: State) -> Any:
        return "bare"

    @Panel.register(type="inspect", name="clothed")  # type: ignore[untyped-decorator]  # as Celery has it
    def clothed_(_state: State) -> Any:
        return "clothed"

    assert bench.take(asks("bare"), asks("clothed")) == [
        {"w1@host": "bare"},
        {"w1@host": "clothed"},
    ]
    assert (Panel.meta["bare"].type, Panel.meta["clothed"].type) == ("control", "inspect")


def test_a_command_may_reach_the_worker_by_celerys_names(bench: Bench) -> None:
    """``state.consumer`` and ``state.consumer.controller``."""

    @inspect_command()
    def who(state: State) -> Any:
        return state.consumer.controller.hostname

    assert bench.take(asks("who")) == [{"w1@host": "w1@host"}]


# -- the end -----------------------------------------------------------------------------------


def test_a_worker_is_told_to_end_and_does_not_answer(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    """It says so in its log."""
    with caplog.at_level(logging.WARNING):
        replies = bench.take(asks("shutdown"))

    assert replies == []
    assert bench.told == [StopAsked(Stop.WARM)]
    assert "Got shutdown from remote" in caplog.text


def test_a_command_of_ones_own_may_end_the_worker_at_once(bench: Bench) -> None:
    """By Celery's exception."""

    @control_command()
    def panic(_state: State) -> Any:
        raise WorkerTerminate("panic")

    bench.take(asks("panic"))

    assert bench.told == [StopAsked(Stop.COLD)]
