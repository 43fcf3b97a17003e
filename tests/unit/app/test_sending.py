# ruff: noqa: PLR0917 - fixtures are parameters
"""From a call to a message."""

from __future__ import annotations

import warnings
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from taskq import signals
from taskq.app.work import Work
from taskq.errors import EncodeError, NotRegistered
from taskq.ports import RetryPolicy
from tests.unit.app.fakes import DictStore, LabApp, RecordingBroker, body_of, drain, job_of, meta_of


@pytest.fixture
def add(app: LabApp) -> Any:
    return app.task(name="proj.add")(lambda x, y=0: x + y)


ID = "00000000-0000-4000-8000-000000000001"


def test_a_plain_call_is_the_recorded_message(add: Any, broker: RecordingBroker) -> None:
    """A call without options is, key by key and in order, the message that Celery sends."""
    add.delay(2, 3)

    (sent,) = broker.sent
    assert list(sent.message.headers.items()) == [
        ("lang", "py"),
        ("task", "proj.add"),
        ("id", ID),
        ("shadow", None),
        ("eta", None),
        ("expires", None),
        ("group", None),
        ("group_index", None),
        ("retries", 0),
        ("timelimit", [None, None]),
        ("root_id", ID),
        ("parent_id", None),
        ("argsrepr", "(2, 3)"),
        ("kwargsrepr", "{}"),
        ("origin", "gen42@host"),
        ("ignore_result", False),
        ("replaced_task_nesting", 0),
        ("stamped_headers", None),
        ("stamps", {}),
    ]
    embed = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}
    assert body_of(sent) == [[2, 3], {}, embed]
    assert (sent.exchange, sent.routing_key) == ("", "celery")
    assert sent.message.properties["correlation_id"] == ID
    assert sent.message.properties["delivery_mode"] == 2
    assert sent.message.properties["priority"] == 0


def test_send_task_leaves_open_what_it_does_not_know(app: LabApp, broker: RecordingBroker) -> None:
    """A task that is sent by name says null where only the task could know."""
    result = app.send_task("some.remote", (1,), {"a": 2})

    (sent,) = broker.sent
    assert sent.message.headers["ignore_result"] is None
    assert sent.message.headers["kwargsrepr"] == "{'a': 2}"
    assert result.id == sent.message.headers["id"]
    assert not result.ignored


@pytest.mark.parametrize(
    ("option", "value", "header", "expected"),
    [
        ("task_id", "abc", "id", "abc"),
        ("shadow", "other", "shadow", "other"),
        ("group_id", "g1", "group", "g1"),
        ("group_index", 3, "group_index", 3),
        ("parent_id", "p1", "parent_id", "p1"),
        ("root_id", "r1", "root_id", "r1"),
        ("ignore_result", True, "ignore_result", True),
        ("replaced_task_nesting", 2, "replaced_task_nesting", 2),
        ("argsrepr", "***", "argsrepr", "***"),
        ("kwargsrepr", "***", "kwargsrepr", "***"),
        ("origin", "me@here", "origin", "me@here"),
        ("time_limit", 30, "timelimit", [30, None]),
        ("soft_time_limit", 20, "timelimit", [None, 20]),
        ("headers", {"my": "v"}, "my", "v"),
        ("eta", "2030-01-02T03:04:05+00:00", "eta", "2030-01-02T03:04:05+00:00"),
        ("retries", 4, "retries", 4),
    ],
)
def test_options_become_headers(
    add: Any, broker: RecordingBroker, option: str, value: Any, header: str, expected: Any
) -> None:
    """What a call says of itself stands in the headers."""
    add.apply_async((1,), **{option: value})

    assert broker.sent[0].message.headers[header] == expected


def test_other_options_become_properties(add: Any, broker: RecordingBroker) -> None:
    """What is no header and no way to send is a property of the message, as in Celery."""
    add.apply_async((1,), priority=7, reply_to="rq", correlation_id="c1", delivery_mode=1, extra=3)

    properties = broker.sent[0].message.properties
    assert properties["priority"] == 7
    assert properties["reply_to"] == "rq"
    assert properties["correlation_id"] == "c1"
    assert properties["delivery_mode"] == 1
    assert properties["extra"] == 3


def test_stamps_travel_in_their_headers(add: Any, broker: RecordingBroker) -> None:
    """The options that are named as stamps are stamps."""
    add.apply_async((1,), stamped_headers=["customer"], customer="acme")

    assert broker.sent[0].message.headers["stamped_headers"] == ["customer"]
    assert broker.sent[0].message.headers["stamps"] == {"customer": "acme"}
    assert "customer" not in broker.sent[0].message.properties


def test_a_countdown_is_a_time_in_the_zone_of_the_app(
    app: LabApp, add: Any, broker: RecordingBroker
) -> None:
    """A countdown wins over an ETA, and is written in the app's zone."""
    app.conf.timezone = "Europe/Oslo"

    add.apply_async((1,), countdown=60, eta=datetime(2030, 1, 1, tzinfo=UTC))

    assert broker.sent[0].message.headers["eta"] == "2027-01-15T09:01:00+01:00"


@pytest.mark.parametrize(
    ("eta", "text"),
    [
        (datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC), "2030-01-02T03:04:05+00:00"),
        (
            datetime(2030, 1, 2, 3, tzinfo=timezone(timedelta(hours=5.5))),
            "2030-01-02T03:00:00+05:30",
        ),
        (datetime(2030, 1, 2, 3), "2030-01-02T03:00:00"),  # noqa: DTZ001 - a naive one is the case
    ],
)
def test_times_keep_their_offset(
    add: Any, broker: RecordingBroker, eta: datetime, text: str
) -> None:
    """Aware times keep their offset, naive ones are sent without."""
    add.apply_async((1,), eta=eta)

    assert broker.sent[0].message.headers["eta"] == text


@pytest.mark.parametrize(
    ("expires", "text", "milliseconds"),
    [
        (3600, "2027-01-15T09:00:00+00:00", "3600000"),
        (-5, "2027-01-15T07:59:55+00:00", "0"),
        (0, "2027-01-15T08:00:00+00:00", "0"),
        (datetime(2027, 1, 15, 8, 0, 10, tzinfo=UTC), "2027-01-15T08:00:10+00:00", "10000"),
        ("2027-01-15T08:00:10", "2027-01-15T08:00:10", "10000"),
    ],
)
def test_expiry_is_told_to_worker_and_broker(
    add: Any, broker: RecordingBroker, expires: Any, text: str, milliseconds: str
) -> None:
    """An expiry stands in the headers as a time, and in the properties as a lifetime."""
    add.apply_async((1,), expires=expires)

    message = broker.sent[0].message
    assert message.headers["expires"] == text
    assert message.properties["expiration"] == milliseconds


@pytest.mark.parametrize(
    "wrong", [{"expires": timedelta(1)}, {"countdown": "x"}, {"eta": 5}, {"countdown": True}]
)
def test_what_is_no_time_is_refused(
    add: Any, broker: RecordingBroker, wrong: dict[str, Any]
) -> None:
    """A value that cannot be a time is a TypeError, and nothing is sent."""
    with pytest.raises(TypeError):
        add.apply_async((1,), **wrong)

    assert broker.sent == []


def test_wrong_arguments_are_refused_before_sending(add: Any, broker: RecordingBroker) -> None:
    """A call that the function would refuse is refused by the client, in Python's words."""
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'x'"):
        add.delay()
    with pytest.raises(TypeError, match="args must be a list or a tuple"):
        add.apply_async("ab")
    with pytest.raises(TypeError, match="kwargs must be a mapping"):
        add.apply_async((1,), kwargs=5)

    assert broker.sent == []


def test_arguments_are_not_checked_where_typing_is_off(
    app: LabApp, broker: RecordingBroker
) -> None:
    """A task with typing=False is sent with whatever arguments it is given."""
    loose: Any = app.task(name="loose", typing=False)(lambda x: x)

    loose.delay()

    assert len(broker.sent) == 1


def test_an_argument_that_cannot_be_encoded_is_named(add: Any, broker: RecordingBroker) -> None:
    """An EncodeError says which argument of which task it is about."""
    with pytest.raises(EncodeError, match=r"task 'proj.add': argument 1 cannot be encoded"):
        add.delay(1, object())
    with pytest.raises(EncodeError, match="argument 'y' cannot be encoded"):
        add.delay(1, y=object())

    assert broker.sent == []


def test_links_are_embedded_in_the_body(add: Any, broker: RecordingBroker) -> None:
    """Callbacks and errbacks, one or several, travel as lists in the body."""
    add.apply_async((1,), link=add.s(2), link_error=[add.s(3), add.s(4)])

    _, _, embed = body_of(broker.sent[0])
    assert [each["task"] for each in embed["callbacks"]] == ["proj.add"]
    assert [each["args"] for each in embed["errbacks"]] == [[3], [4]]


def test_receivers_may_change_headers_and_properties(add: Any, broker: RecordingBroker) -> None:
    """Before_task_publish gets what will be sent, and may change it in place."""
    told: list[dict[str, Any]] = []

    def change(headers: Any, properties: Any, **rest: Any) -> None:
        headers["trace"] = "t-1"
        properties["priority"] = 9
        told.append(rest)

    signals.before_task_publish.connect(change, sender="proj.add", weak=False)
    try:
        add.delay(1)
    finally:
        signals.before_task_publish.disconnect(change, sender="proj.add")

    message = broker.sent[0].message
    assert message.headers["trace"] == "t-1"
    assert message.properties["priority"] == 9
    assert told[0]["routing_key"] == "celery"
    assert told[0]["retry_policy"]["max_retries"] == 3
    assert set(told[0]) >= {"body", "declare", "exchange", "routing_key", "retry_policy"}


def test_after_publish_is_told_when_the_broker_has_it(add: Any, broker: RecordingBroker) -> None:
    """After_task_publish and task_sent come after the message, with what was sent."""
    told: list[tuple[int, Any]] = []

    def hear(**named: Any) -> None:
        told.append((len(broker.sent), named["signal"].name))

    signals.after_task_publish.connect(hear, weak=False)
    signals.task_sent.connect(hear, weak=False)
    try:
        add.delay(1)
    finally:
        signals.after_task_publish.disconnect(hear)
        signals.task_sent.disconnect(hear)

    assert told == [(1, "after_task_publish"), (1, "task_sent")]


def test_publishing_is_bounded_and_retried_as_the_settings_say(
    add: Any, broker: RecordingBroker
) -> None:
    """The settings say how to hand over, and a call may say otherwise."""
    add.delay(1)
    add.apply_async((1,), retry=False, timeout=3)
    add.apply_async((1,), retry_policy={"max_retries": 1})
    producer = object()
    add.apply_async((1,), producer=producer, mandatory=True)

    plain, once, less, linked = (each.options for each in broker.sent)
    assert plain.retry == RetryPolicy(3, 0, 0.2, 1)
    assert plain.timeout_s == 10.0
    assert once.retry is None
    assert once.timeout_s == 3
    assert less.retry == RetryPolicy(1, 0, 0.2, 1)
    assert linked.link is producer
    assert linked.mandatory


def test_a_body_may_be_compressed(add: Any, broker: RecordingBroker, work: Work) -> None:
    """A compressed body names its method in the headers, and a worker reads it."""
    add.apply_async((1, 2), compression="gzip")

    (sent,) = broker.sent
    assert sent.message.headers["compression"] == "application/x-gzip"
    assert work(job_of(sent)).summary == "3"


def test_many_calls_are_one_publish(app: LabApp, add: Any, broker: RecordingBroker) -> None:
    """What is sent together is handed to the broker at once."""
    with app.together():
        results = [add.delay(n) for n in range(3)]
    more = app.send_many([{"name": "a"}, {"name": "b", "args": (1,)}])

    assert [len(batch) for batch in broker.batches] == [3, 2]
    assert [each.id for each in [*results, *more]] == [
        each.message.headers["id"] for each in broker.sent
    ]


def test_a_child_knows_its_parent_and_root(
    app: LabApp, add: Any, broker: RecordingBroker, work: Work, store: DictStore
) -> None:
    """A task that is sent from a running one names it as parent, and is in its trail."""
    app.conf.task_inherit_parent_priority = True

    @app.task(name="outer")
    def outer() -> None:
        add.delay(1)

    result = outer.apply_async(priority=6)
    drain(app, work)

    (child,) = result.children or []
    assert meta_of(store.records[child.id])["parent_id"] == result.id
    add.delay(1)
    assert broker.sent[-1].message.headers["parent_id"] is None


def test_a_child_inherits_the_priority_where_the_setting_says_so(
    app: LabApp, add: Any, broker: RecordingBroker, work: Work
) -> None:
    """With task_inherit_parent_priority a child is as urgent as its parent."""
    app.conf.task_inherit_parent_priority = True
    outer = app.task(name="outer")(lambda: add.delay(1).id)
    outer.apply_async(priority=6)

    work(job_of(broker.take()[0]))

    (child,) = broker.sent
    assert child.message.properties["priority"] == 6
    assert child.message.headers["root_id"] == child.message.headers["parent_id"]


def test_send_task_is_eager_too(app: LabApp, add: Any, broker: RecordingBroker) -> None:
    """Under task_always_eager a task that is sent by name runs here, or is not known here."""
    app.conf.task_always_eager = True

    assert app.send_task(add.name, (1, 2)).get() == 3
    with pytest.raises(NotRegistered):
        app.send_task("x").get()
    assert broker.sent == []


def test_protocol_1_is_sent_where_the_setting_says_so(
    app: LabApp, add: Any, broker: RecordingBroker, work: Work
) -> None:
    """With task_protocol 1 the body says everything, and a worker understands it."""
    app.conf.task_protocol = 1

    add.delay(2, 3)

    (sent,) = broker.sent
    assert sent.message.headers == {}
    assert body_of(sent)["task"] == "proj.add"
    assert work(job_of(sent)).summary == "5"


def test_a_sent_event_follows_where_the_setting_says_so(
    app: LabApp, add: Any, broker: RecordingBroker
) -> None:
    """With task_send_sent_event each message is told of to celeryev."""
    app.conf.task_send_sent_event = True

    result = add.delay(1)

    _, event = broker.sent
    assert (event.exchange, event.routing_key) == ("celeryev", "task.sent")
    assert body_of(event)["uuid"] == result.id
    assert body_of(event)["type"] == "task-sent"


def test_a_changed_setting_counts_from_the_next_call_on(
    app: LabApp, add: Any, broker: RecordingBroker
) -> None:
    """What is worked out from settings is worked out again when one of them changes."""
    add.delay(1)
    app.conf.task_default_delivery_mode = "transient"
    app.conf.task_default_queue = "elsewhere"
    add.delay(1)

    first, second = broker.sent
    assert first.message.properties["delivery_mode"] == 2
    assert second.message.properties["delivery_mode"] == 1
    assert (first.routing_key, second.routing_key) == ("celery", "elsewhere")


def test_attributes_of_the_task_are_options_of_its_calls(
    app: LabApp, broker: RecordingBroker
) -> None:
    """Limits, expiry, priority and the like that stand on a task go with each call."""
    task = app.task(
        name="t", time_limit=30, soft_time_limit=20, expires=60, priority=4, delivery_mode=1
    )(lambda: None)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        task.delay()
        task.apply_async(time_limit=5)

    first, second = (each.message for each in broker.sent)
    assert first.headers["timelimit"] == [30, 20]
    assert second.headers["timelimit"] == [5, 20]
    assert first.properties["expiration"] == "60000"
    assert first.properties["priority"] == 4
    assert first.properties["delivery_mode"] == 1


def test_the_reply_address_is_one_for_each_thread(app: LabApp, add: Any) -> None:
    """All messages of one thread name the same reply queue."""
    assert app.thread_oid == app.thread_oid
    assert app.oid == app.oid
    assert app.oid != app.thread_oid


def test_many_calls_may_go_out_in_one_publish(app: LabApp, broker: RecordingBroker) -> None:
    """Blocks within a block go out with it; an empty one publishes nothing."""
    publishes: list[int] = []
    publish = broker.publish

    def counted(messages: Any) -> None:
        publishes.append(len(messages))
        publish(messages)

    broker.publish = counted  # type: ignore[method-assign]  # to count
    results = app.send_many([{"name": "a", "args": (1,)}, {"name": "b", "countdown": 5}])
    with app.together():
        app.send_task("c")
        with app.together():
            app.send_task("d")
    with app.together():
        pass

    assert publishes == [2, 2]
    assert [each.message.headers["task"] for each in broker.sent] == ["a", "b", "c", "d"]
    assert results[0].id == broker.sent[0].message.headers["id"]


def test_a_call_may_have_a_result_of_ones_own(app: LabApp) -> None:
    """The class is given the id."""
    assert app.send_task("a", task_id="x", result_cls=str) == "x"


def test_long_arguments_are_shown_as_deep_as_the_settings_say(
    app: LabApp, broker: RecordingBroker
) -> None:
    """In the headers, for logs and monitors."""
    app.conf.task_repr_maxlevels = 1
    app.send_task("a", ([[["deep"]]],), {"k": [[1]]})

    headers = broker.sent[0].message.headers
    assert "deep" not in headers["argsrepr"]
    assert "1" not in headers["kwargsrepr"]


def test_who_listens_for_one_signal_hears_that_one(app: LabApp) -> None:
    """``task_sent`` is told without ``after_task_publish``, and the other way round."""
    heard: list[str] = []

    def sent(**_named: Any) -> None:
        heard.append("sent")

    def published(**_named: Any) -> None:
        heard.append("published")

    for signal, receiver in ((signals.task_sent, sent), (signals.after_task_publish, published)):
        signal.connect(receiver, weak=False)
        app.send_task("a")
        signal.disconnect(receiver)

    assert heard == ["sent", "published"]


def test_errors_to_retry_may_be_listed(app: LabApp, broker: RecordingBroker) -> None:
    """Beside those of the connection."""
    app.send_task("a", retry=True, retry_policy={"max_retries": 1, "retry_errors": [KeyError]})

    policy = broker.sent[0].options.retry
    assert policy is not None
    assert (policy.max_retries, policy.retry_errors) == (1, (KeyError,))
