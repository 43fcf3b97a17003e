"""Where messages go."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import pytest

from taskq.app.routing import Router
from taskq.errors import ImproperlyConfigured, QueueNotFound
from taskq.ports import QueueSpec
from tests.unit.app.fakes import LabApp, RecordingBroker


@dataclass
class NativeExchange:
    """Looks like kombu's."""

    name: str = ""
    type: str = "direct"
    durable: bool = True
    auto_delete: bool = False
    arguments: dict[str, Any] | None = None


@dataclass
class NativeQueue:
    """Looks like kombu's."""

    name: str
    exchange: Any = None
    routing_key: str = ""
    durable: bool = True
    exclusive: bool = False
    auto_delete: bool = False
    queue_arguments: dict[str, Any] | None = None
    max_priority: int | None = None
    expires: float | None = None
    message_ttl: float | None = None
    no_ack: bool = False
    bindings: Any = field(default_factory=list)


def where(app: LabApp, name: str = "x", **options: Any) -> tuple[str, str]:
    app.send_task(name, **options)
    broker: RecordingBroker = app.lab_broker
    sent = broker.take()[-1]
    return sent.exchange, sent.routing_key


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, ("", "celery")),
        ({"queue": "other"}, ("", "other")),
        ({"routing_key": "abc"}, ("", "celery")),
        ({"exchange": "abc"}, ("", "celery")),
        ({"exchange": "ex", "routing_key": "rk"}, ("ex", "rk")),
        ({"exchange": "", "routing_key": "rk"}, ("", "celery")),
        (
            {"exchange": NativeExchange("ex", "topic"), "routing_key": "a.b"},
            ("ex", "a.b"),
        ),
        (
            {"queue": NativeQueue("q", NativeExchange("qx", "topic"), "q.#")},
            ("qx", "q.#"),
        ),
    ],
)
def test_options_of_the_call(app: LabApp, options: Any, expected: tuple[str, str]) -> None:
    """A queue on a direct exchange is published to by its name through the default exchange."""
    assert where(app, **options) == expected


def test_a_task_attribute_stands_before_the_routes(app: LabApp) -> None:
    """The order is: call, attributes of the task, routes, default queue."""
    app.conf.task_routes = {"t": {"queue": "routed"}, "u": "routed"}
    t = app.task(name="t", queue="attribute")(lambda: None)
    u = app.task(name="u")(lambda: None)
    broker: RecordingBroker = app.lab_broker

    t.delay()
    t.apply_async(queue="call")
    u.delay()
    u.apply_async(queue="call")

    assert [each.routing_key for each in broker.sent] == ["attribute", "call", "routed", "call"]


def test_an_exact_name_wins_over_a_pattern(app: LabApp) -> None:
    """Of the entries of one mapping the one with the very name counts."""
    app.conf.task_routes = {"a.*": {"queue": "q1"}, "a.b": {"queue": "q2"}}

    assert where(app, "a.b") == ("", "q2")
    assert where(app, "a.c") == ("", "q1")
    assert where(app, "b.c") == ("", "celery")


def test_routes_may_be_a_list_of_pairs_with_patterns(app: LabApp) -> None:
    """A list of pairs keeps its order, and may name regular expressions."""
    app.conf.task_routes = (
        [(re.compile(r"(video|image)\..*"), {"queue": "media"}), ("feed.*", "feeds")],
    )

    assert where(app, "video.cut") == ("", "media")
    assert where(app, "feed.fetch") == ("", "feeds")


def test_the_first_router_that_answers_counts(app: LabApp) -> None:
    """Several routers are asked in order."""
    app.conf.task_routes = [{"y": "q1"}, {"x": "q2"}, {"x": "q3"}]

    assert where(app, "x") == ("", "q2")


class ByClass:
    """A router of the old style."""

    def route_for_task(self, task: str, args: Any = None, kwargs: Any = None) -> str:
        return f"class-{task}-{len(args)}"


def by_function(
    name: str, args: Any, kwargs: Any, options: Any, task: Any = None, **kw: Any
) -> Any:
    """A router of the new style."""
    return {"queue": f"function-{name}", "priority": 2}


def test_routers_may_be_functions_and_classes(app: LabApp) -> None:
    """A function is called for each message, a class is made once and asked by its method."""
    app.conf.task_routes = (by_function,)
    app.send_task("x", (1,), priority=5)
    app.send_task("x", (1,))
    first, second = app.lab_broker.take()

    assert first.routing_key == "function-x"
    assert first.message.properties["priority"] == 5
    assert second.message.properties["priority"] == 2

    app.conf.task_routes = [ByClass()]
    assert where(app, "x", args=(1, 2)) == ("", "class-x-2")


def test_a_router_may_be_named(app: LabApp) -> None:
    """A text is the import path of a router."""
    app.conf.task_routes = f"{__name__}.ByClass"
    assert where(app, "x", args=()) == ("", "class-x-0")

    app.conf.task_routes = f"{__name__}:by_function"
    assert where(app, "x") == ("", "function-x")


def test_a_router_without_a_module_is_refused(app: LabApp) -> None:
    """A text that is no import path is refused with the name of the setting."""
    app.conf.task_routes = ("router",)

    with pytest.raises(ImproperlyConfigured, match="task_routes: 'router'"):
        app.send_task("x")


def test_a_route_may_say_more_than_the_queue(app: LabApp) -> None:
    """What a route says beside the queue are options, unless the call says them."""
    app.conf.task_routes = {"w": {"exchange": "ex", "routing_key": "rk", "priority": 5}}

    app.send_task("w")
    app.send_task("w", priority=1)

    first, second = app.lab_broker.take()
    assert (first.exchange, first.routing_key) == ("ex", "rk")
    assert first.message.properties["priority"] == 5
    assert second.message.properties["priority"] == 1


def test_queues_of_the_user_are_declared_as_they_are(app: LabApp) -> None:
    """A kombu queue keeps its arguments and stays attached to what is declared."""
    native = NativeQueue("foo", queue_arguments={"x-a": 1}, max_priority=9)
    app.conf.task_queues = [native, NativeQueue("celery")]

    app.send_task("x", queue="foo")

    (spec,) = app.lab_broker.sent[0].declare
    assert isinstance(spec, QueueSpec)
    assert spec.native is native
    assert spec.arguments == {"x-a": 1}
    assert spec.max_priority == 9
    assert (spec.exchange.name, spec.routing_key) == ("celery", "celery")


def test_queues_may_be_a_mapping(app: LabApp) -> None:
    """A mapping of names to options describes queues without kombu."""
    app.conf.task_queues = {
        "d": {"exchange": "dx", "exchange_type": "topic", "routing_key": "d.#"},
        "e": {},
    }

    assert where(app, queue="d") == ("dx", "d.#")
    assert where(app, queue="d", routing_key="d.1") == ("dx", "d.1")
    assert where(app, queue="e") == ("", "e")
    assert where(app) == ("", "celery")


def test_the_default_queue_may_be_bound_to_a_topic(app: LabApp) -> None:
    """The default queue, exchange, type and key are settings; so is the largest priority."""
    app.conf.update(
        task_default_queue="defq",
        task_default_exchange="defx",
        task_default_exchange_type="topic",
        task_default_routing_key="task.default",
        task_queue_max_priority=7,
    )

    assert where(app) == ("defx", "task.default")
    assert where(app, routing_key="feed.x") == ("defx", "feed.x")
    assert where(app, queue="new") == ("", "new")
    assert app.router.queues["new"].arguments == {"x-max-priority": 7}


def test_a_missing_queue_may_be_refused(app: LabApp) -> None:
    """Without task_create_missing_queues a queue that is not listed is not used."""
    app.conf.task_create_missing_queues = False

    with pytest.raises(QueueNotFound, match="'nope' missing from task_queues"):
        app.send_task("x", queue="nope")


def test_missing_queues_have_the_type_that_the_settings_say(app: LabApp) -> None:
    """Queues and exchanges that are made on use are of the types in the settings."""
    app.conf.update(
        task_create_missing_queue_type="quorum",
        task_create_missing_queue_exchange_type="topic",
        task_default_queue_type="quorum",
    )

    assert where(app, queue="nope") == ("nope", "nope")
    assert where(app) == ("", "celery")
    assert app.router.queues["nope"].arguments == {"x-queue-type": "quorum"}
    assert app.router.queues["celery"].arguments == {"x-queue-type": "quorum"}


def test_a_fanout_exchange_is_published_to_by_name(app: LabApp) -> None:
    """A queue on a fan-out exchange is reached through that exchange."""
    app.conf.task_queues = [NativeQueue("fan", NativeExchange("fx", "fanout"))]

    app.send_task("x", queue="fan")

    (sent,) = app.lab_broker.sent
    assert (sent.exchange, sent.exchange_type) == ("fx", "fanout")


def test_a_worker_takes_from_the_queues_that_it_is_told(app: LabApp) -> None:
    """Select, add and leave out change what is consumed, not what can be sent to."""
    queues = app.router.queues
    assert list(queues.consume_from) == ["celery"]

    app.select_queues("a, b")
    assert list(queues.consume_from) == ["a", "b"]
    queues.select_add("c")
    queues.deselect("a")
    assert sorted(queues.consume_from) == ["b", "c"]


def test_a_call_may_bring_its_own_router(app: LabApp) -> None:
    """A router that is given with the call is asked in the place of the app's."""
    own = Router(app, routes={"x": "own"})
    app.conf.task_routes = {"x": "app"}

    assert where(app, "x", router=own) == ("", "own")
    assert where(app, "x") == ("", "app")
