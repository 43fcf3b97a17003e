"""What a client sends to workers, and what it makes of their replies."""

from __future__ import annotations

import json
import warnings
from typing import Any

import pytest

from taskq import states
from taskq.app.control.mailbox import Mailbox
from taskq.app.control.messages import command_queue, reply_message, reply_queue
from taskq.errors import DuplicateNodenameWarning, OperationalError
from taskq.ports import Outgoing
from taskq.protocol.control import read_command, reply_body
from tests.unit.app.office import KeepingOffice, Office, OfficeApp, body_of, says


def answer(app: OfficeApp, *nodes: str, reply: Any = "pong") -> Any:
    """What workers do when a command has come: each answers whoever asked last."""

    def act() -> None:
        bodies = [body_of(sent) for sent in app.office.sent]
        command = read_command([body for body in bodies if "method" in body][-1])
        assert command.reply_to is not None
        app.office.publish(
            [reply_message(app, node, reply, command.reply_to, command.ticket) for node in nodes]
        )

    return act


def command_of(office: Office) -> Any:
    (sent,) = office.take()
    return body_of(sent)


# -- broadcasting ------------------------------------------------------------------------------


def test_a_command_goes_to_all(app: OfficeApp, office: Office) -> None:
    """By a fanout that does not outlive the broker; it says when it is void."""
    app.control.broadcast("rate_limit", {"task_name": "t"}, destination=["a@b"], rate_limit="1/m")
    (sent,) = office.sent

    assert (sent.exchange, sent.exchange_type, sent.routing_key) == ("celery.pidbox", "fanout", "")
    assert body_of(sent) == {
        "method": "rate_limit",
        "arguments": {"task_name": "t", "rate_limit": "1/m"},
        "destination": ["a@b"],
        "pattern": None,
        "matcher": None,
    }
    assert sent.message.headers == {"clock": 1, "expires": app.clock_port.now_s + 300}
    assert sent.message.properties == {"delivery_mode": 2, "priority": 0}


def test_who_asks_gets_what_comes_in_time(app: OfficeApp, office: Office) -> None:
    """It waits until its time is over, and closes its ear."""
    began_s = app.clock_port.now_s
    office.meanwhile = [answer(app, "a@h"), answer(app, "b@h")]
    replies = app.control.ping(timeout=2)

    assert replies == [{"a@h": "pong"}, {"b@h": "pong"}]
    assert app.clock_port.now_s == began_s + 2
    assert office.inboxes == []


def test_a_question_expires_soon_after_nobody_waits(app: OfficeApp, office: Office) -> None:
    """A worker that was away does not answer then."""
    app.control.ping(timeout=2)

    assert office.sent[0].message.headers["expires"] == app.clock_port.now_s - 2 + 2 + 5


@pytest.mark.parametrize("how", [{"limit": 1}, {"destination": ["a@h"]}])
def test_who_has_heard_enough_waits_no_longer(
    app: OfficeApp, office: Office, how: dict[str, Any]
) -> None:
    """As many as were wanted, or all that were named."""
    began_s = app.clock_port.now_s
    office.meanwhile = [answer(app, "a@h", "b@h")]
    replies = app.control.ping(timeout=2, **how)

    assert replies == [{"a@h": "pong"}]
    assert app.clock_port.now_s == began_s


def test_replies_are_told_as_they_come(app: OfficeApp, office: Office) -> None:
    """To a callback."""
    heard: list[Any] = []
    office.meanwhile = [answer(app, "a@h")]
    app.control.broadcast("ping", reply=True, callback=heard.append, timeout=1)

    assert heard == [{"a@h": "pong"}]


def test_what_answers_another_question_is_not_taken(app: OfficeApp, office: Office) -> None:
    """Nor is what is no reply; the logical clock learns of both."""

    def others() -> None:
        queue = office.inboxes[0].queue
        for message in (
            says(reply_body("x@h", 1), ticket="another", clock=1000),
            says(["no", "reply"], clock=True),
            says({"a@h": "pong"}),
        ):
            office.publish([Outgoing(message, queue.exchange.name, queue.routing_key)])

    office.meanwhile = [others]

    assert app.control.ping(timeout=1) == [{"a@h": "pong"}]
    assert app.clock.value == 1001


def test_a_broker_that_is_away_is_told(app: OfficeApp, office: Office) -> None:
    """To who asks, and at once."""
    office.away = True

    with pytest.raises(OperationalError):
        app.control.ping()


def test_one_name_is_no_list_of_names(app: OfficeApp) -> None:
    """Its letters would be taken for names."""
    with pytest.raises(ValueError, match=r"did you mean \['w1@h'\]"):
        app.control.broadcast("ping", destination="w1@h")


# -- inspecting --------------------------------------------------------------------------------


def test_inspect_puts_the_answers_together(app: OfficeApp, office: Office) -> None:
    """By node; None where nobody answers."""
    office.meanwhile = [answer(app, "a@h", "b@h")]

    assert app.control.inspect().ping() == {"a@h": "pong", "b@h": "pong"}
    assert app.control.inspect().ping() is None


def test_inspect_of_one_node_is_its_answer(app: OfficeApp, office: Office) -> None:
    """Where it is named by a text; a list of one name gives a dictionary."""
    office.meanwhile = [answer(app, "a@h"), answer(app, "a@h")]

    assert app.control.inspect("a@h").ping() == "pong"
    assert app.control.inspect(["a@h"]).ping() == {"a@h": "pong"}


def test_two_workers_of_one_name_are_warned_of(app: OfficeApp, office: Office) -> None:
    """One of them is not seen."""
    office.meanwhile = [answer(app, "a@h", "a@h")]

    with pytest.warns(DuplicateNodenameWarning, match="a@h"):
        app.control.inspect().ping()


INSPECTING = [
    ("active", (), {"safe": True}, {"safe": True}),
    ("active_queues", (), {}, {}),
    ("clock", (), {}, {}),
    ("conf", (), {"with_defaults": True}, {"with_defaults": True}),
    ("hello", ("a@h",), {"revoked": ["x"]}, {"from_node": "a@h", "revoked": ["x"]}),
    ("memdump", (), {}, {"samples": 10}),
    ("memsample", (), {}, {}),
    ("objgraph", (), {}, {"num": 200, "max_depth": 10, "type": "Request"}),
    ("ping", (), {}, {}),
    ("query_task", ("a", "b"), {}, {"ids": ["a", "b"]}),
    ("query_task", (["a", "b"],), {}, {"ids": ["a", "b"]}),
    ("registered", ("rate_limit",), {}, {"taskinfoitems": ["rate_limit"]}),
    ("registered_tasks", (), {}, {"taskinfoitems": []}),
    ("report", (), {}, {}),
    ("reserved", (), {}, {}),
    ("revoked", (), {}, {}),
    ("scheduled", (), {}, {}),
    ("stats", (), {}, {}),
]


@pytest.mark.parametrize(("name", "args", "kwargs", "arguments"), INSPECTING)
def test_each_question_asks_what_it_is_called(  # noqa: PLR0917 - one for each column
    app: OfficeApp, office: Office, name: str, args: Any, kwargs: Any, arguments: Any
) -> None:
    """Under the name and with the arguments that workers know."""
    getattr(app.control.inspect(timeout=0.1), name)(*args, **kwargs)
    body = command_of(office)

    assert body["method"] == name.removesuffix("_tasks")
    assert body["arguments"] == arguments


def test_a_ping_may_name_whom_it_means(app: OfficeApp, office: Office) -> None:
    """As the question itself may."""
    app.control.inspect(timeout=0.1).ping(destination=["a@h"])

    assert command_of(office)["destination"] == ["a@h"]


def test_a_question_may_mean_a_pattern(app: OfficeApp, office: Office) -> None:
    """Workers match it against their names."""
    app.control.inspect(pattern="w*", matcher="glob", timeout=0.1).stats()
    body = command_of(office)

    assert (body["pattern"], body["matcher"]) == ("w*", "glob")


# -- steering ----------------------------------------------------------------------------------

STEERING = [
    ("add_consumer", ("q",), {"options": {"durable": False}}, {
        "queue": "q", "exchange": None, "exchange_type": "direct", "routing_key": None,
        "durable": False,
    }),
    ("autoscale", (9, 3), {}, {"max": 9, "min": 3}),
    ("cancel_consumer", ("q",), {}, {"queue": "q"}),
    ("disable_events", (), {}, {}),
    ("enable_events", (), {}, {}),
    ("heartbeat", (), {}, {}),
    ("pool_grow", (2,), {}, {"n": 2}),
    ("pool_restart", (["m"],), {"reload": True},
     {"modules": ["m"], "reload": True, "reloader": None}),
    ("pool_shrink", (), {}, {"n": 1}),
    ("rate_limit", ("t", "1/m"), {}, {"task_name": "t", "rate_limit": "1/m"}),
    ("shutdown", (), {}, {}),
    ("time_limit", ("t", 1, 2), {}, {"task_name": "t", "soft": 1, "hard": 2}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "args", "kwargs", "arguments"), STEERING)
def test_each_command_says_what_it_is_called(  # noqa: PLR0917 - one for each column
    app: OfficeApp, office: Office, name: str, args: Any, kwargs: Any, arguments: Any
) -> None:
    """Nobody is waited for, unless that is wanted."""
    assert getattr(app.control, name)(*args, destination=["a@h"], **kwargs) is None
    body = command_of(office)

    assert (body["method"], body["arguments"]) == (name, arguments)
    assert body["destination"] == ["a@h"]
    assert "reply_to" not in body


def test_an_election_is_told_to_all(app: OfficeApp, office: Office) -> None:
    """With what the winner is to do."""
    app.control.election("e1", "task", {"task": "t"})

    assert command_of(office)["arguments"] == {
        "id": "e1",
        "topic": "task",
        "action": {"task": "t"},
    }


def test_purging_says_how_many(app: OfficeApp) -> None:
    """All queues that are configured are emptied."""
    app.conf.task_queues = {"one": {}, "three": {}}

    assert app.control.purge() == len("one") + len("three")


# -- revoking ----------------------------------------------------------------------------------


def test_a_revocation_outlives_the_workers_of_now(app: OfficeApp, office: KeepingOffice) -> None:
    """It is written down where workers look when they start, and the result says it at once."""
    app.control.revoke(["a", "b"])

    assert [each.task_id for each in office.revoked] == ["a", "b"]
    assert {each.until_s for each in office.revoked} == {app.clock_port.now_s + 86_400}
    assert app.AsyncResult("a").state == states.REVOKED
    assert command_of(office)["arguments"] == {
        "task_id": ["a", "b"],
        "terminate": False,
        "signal": "SIGTERM",
    }


def test_a_short_memory_of_results_does_not_shorten_that(
    app: OfficeApp, office: KeepingOffice
) -> None:
    """A revocation is remembered for as long as Celery's workers do, at the least."""
    app.conf.result_expires = 60
    app.control.revoke("a")

    assert office.revoked[0].until_s == app.clock_port.now_s + 10_800


@pytest.mark.parametrize("state", [states.STARTED, states.SUCCESS, states.FAILURE])
def test_what_has_begun_keeps_its_state(app: OfficeApp, state: str) -> None:
    """Only what nobody has begun is known to be revoked."""
    app.backend.store_result("a", None, state)
    app.control.revoke("a")

    assert app.AsyncResult("a").state == state


@pytest.mark.parametrize("state", [states.RECEIVED, states.RETRY])
def test_what_waits_is_revoked(app: OfficeApp, state: str) -> None:
    """For the first time or again."""
    app.backend.store_result("a", ValueError("x") if state == states.RETRY else None, state)
    app.control.revoke("a")

    assert app.AsyncResult("a").state == states.REVOKED


@pytest.mark.parametrize("some", [{"destination": ["a@h"]}, {"pattern": "w*"}])
def test_what_some_must_not_run_others_may(
    app: OfficeApp, office: KeepingOffice, some: dict[str, Any]
) -> None:
    """A command that names workers is no revocation for all."""
    app.control.revoke("a", **some)

    assert office.revoked == []
    assert app.AsyncResult("a").state == states.PENDING


def test_stamps_are_written_down_as_well(app: OfficeApp, office: KeepingOffice) -> None:
    """Whoever has one of the values is meant."""
    app.control.revoke_by_stamped_headers({"customer": ["x"]}, terminate=True, signal="KILL")

    assert office.revoked[0].headers == {"customer": ["x"]}
    assert command_of(office)["arguments"] == {
        "headers": {"customer": ["x"]},
        "terminate": True,
        "signal": "KILL",
    }


def test_terminating_is_revoking_with_a_signal(app: OfficeApp, office: Office) -> None:
    """In one command."""
    app.control.terminate("a", signal="INT")
    body = command_of(office)

    assert body["method"] == "revoke"
    assert body["arguments"] == {"task_id": "a", "terminate": True, "signal": "INT"}


def test_a_store_that_is_away_does_not_keep_a_task_from_being_revoked(
    app: OfficeApp, office: KeepingOffice, caplog: pytest.LogCaptureFixture
) -> None:
    """The command goes out; that the result does not say it is a line in the log."""

    def lost(_ids: Any) -> Any:
        raise OperationalError("the store is away")

    app.ports.store.load = lost  # type: ignore[method-assign,assignment]
    app.control.revoke("a")

    assert command_of(office)["method"] == "revoke"
    assert "the result store was not told" in caplog.text


def test_a_result_can_wait_until_workers_have_heard(app: OfficeApp, office: Office) -> None:
    """``wait`` asks for replies."""
    office.meanwhile = [answer(app, "a@h", reply={"ok": "..."})]
    app.AsyncResult("a").revoke(wait=True, timeout=1)

    assert "reply_to" in body_of(office.sent[0])


def test_a_group_is_revoked_by_one_command(app: OfficeApp, office: Office) -> None:
    """With all its ids."""
    app.GroupResult("g", [app.AsyncResult("a"), app.AsyncResult("b")]).revoke()

    assert command_of(office)["arguments"]["task_id"] == ["a", "b"]


def test_a_result_can_revoke_all_with_its_stamps(app: OfficeApp, office: Office) -> None:
    """As ``app.control`` can."""
    app.AsyncResult("a").revoke_by_stamped_headers({"customer": "x"}, terminate=True)

    assert command_of(office)["method"] == "revoke_by_stamped_headers"


# -- places ------------------------------------------------------------------------------------


def test_the_places_are_those_that_celery_knows(app: OfficeApp) -> None:
    """Its clients and its workers meet ours there."""
    mailbox = app.control.mailbox
    queue = command_queue(app.conf, "w@h")

    assert isinstance(mailbox, Mailbox)
    assert (mailbox.namespace, mailbox.type) == ("celery", "fanout")
    assert mailbox.exchange.name == "celery.pidbox"
    assert (mailbox.reply_exchange.name, mailbox.reply_exchange.type) == (
        "reply.celery.pidbox",
        "direct",
    )
    assert mailbox.get_queue("w@h") == queue
    assert (queue.name, queue.expires_s, queue.message_ttl_s) == ("w@h.celery.pidbox", 10, 300)
    assert mailbox.reply_queue == reply_queue(app.conf, mailbox.oid)
    assert (mailbox.queue_ttl, mailbox.queue_expires) == (300, 10)
    assert mailbox.clock is app.clock


def test_warnings_are_not_given_for_nothing(app: OfficeApp, office: Office) -> None:
    """Workers of different names are no reason."""
    office.meanwhile = [answer(app, "a@h", "b@h")]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = app.control.inspect().ping()

    assert json.dumps(sorted(found)) == '["a@h", "b@h"]'
