"""Queues: the user's, the default one, and those that are made when they are named."""

from __future__ import annotations

from typing import Any

import pytest
from kombu.common import Broadcast
from kombu.entity import Exchange, Queue

from taskq.errors import ImproperlyConfigured, QueueNotFound
from taskq.ports import ExchangeSpec, QueueSpec
from tests.unit.app.fakes import LabApp


def queues(app: LabApp, **settings: Any) -> Any:
    app.conf.update(settings)
    return app.router.queues


def test_queues_of_a_mapping_may_be_options_or_objects(app: LabApp) -> None:
    """Either becomes a record."""
    found = queues(
        app,
        task_queues={
            "plain": {"exchange": "media", "exchange_type": "topic", "routing_key": "m.#"},
            "bare": None,
            "native": Queue("native", Exchange("other"), "key", max_length=5, max_length_bytes=99),
        },
    )

    assert found["plain"].exchange == ExchangeSpec("media", "topic")
    assert (found["bare"].exchange.name, found["bare"].routing_key) == ("celery", "bare")
    assert (found["native"].exchange.name, found["native"].routing_key) == ("other", "key")
    assert found["native"].arguments == {"x-max-length": 5, "x-max-length-bytes": 99}


def test_an_exchange_may_be_an_object_or_a_name(app: LabApp) -> None:
    """A name is that of a direct one."""
    found = queues(app)
    by_object = found.add("a", exchange=Exchange("x", type="topic"), routing_key="k")
    by_name = found.add("b", exchange="y", routing_key="k")

    assert (by_object.exchange.type, by_name.exchange) == ("topic", ExchangeSpec("y"))


def test_what_is_no_queue_is_refused(app: LabApp) -> None:
    """With what it should be."""
    with pytest.raises(ImproperlyConfigured, match=r"42 is no queue; use kombu\.Queue"):
        queues(app, task_queues=[42])


def test_a_missing_queue_is_made_unless_that_is_off(app: LabApp) -> None:
    """Of its name alone."""
    assert queues(app)["new"] == QueueSpec("new", ExchangeSpec("new"), "new")
    with pytest.raises(QueueNotFound, match="'other' missing from task_queues"):
        queues(app, task_create_missing_queues=False)["other"]


def test_the_apps_priority_is_given_to_queues_without_one(app: LabApp) -> None:
    """One that has its own keeps it."""
    found = queues(
        app,
        task_queue_max_priority=9,
        task_queues=[
            QueueSpec("plain", ExchangeSpec("plain"), "plain"),
            QueueSpec("own", ExchangeSpec("own"), "own", max_priority=3),
            QueueSpec("said", ExchangeSpec("said"), "said", arguments={"x-max-priority": 1}),
        ],
    )

    assert found["plain"].arguments == {"x-max-priority": 9}
    assert (found["own"].max_priority, found["own"].arguments) == (3, {})
    assert found["said"].arguments == {"x-max-priority": 1}


def test_the_default_queue_is_taken_from_only_where_it_is_listed(app: LabApp) -> None:
    """Or where no queues are listed; it is sent to all the same."""
    assert set(queues(app).consume_from) == {"celery"}
    found = queues(app, task_queues=[Queue("a")])

    assert set(found.consume_from) == {"a"}
    app.send_task("x")
    assert app.lab_broker.take()[0].routing_key == "celery"


def test_a_worker_takes_from_some_queues(app: LabApp) -> None:
    """Chosen, left out, or added; nothing said means all."""
    found = queues(app, task_queues=[Queue("a"), Queue("b"), Queue("c")])
    found.select(None)
    found.deselect(None)
    assert set(found.consume_from) == {"a", "b", "c"}
    found.select_add("d")
    found.deselect(["b"])
    assert set(found.consume_from) == {"a", "c", "d"}
    found.select("a, c")
    found.select_add("e")

    assert set(found.consume_from) == {"a", "c", "e"}


def test_a_queue_without_a_key_gets_the_default_one(app: LabApp) -> None:
    """Also where its exchange is named: clients and workers of Celery use that key."""
    found = queues(
        app, task_default_queue="shared", task_queues=[Queue("all", Exchange("all", "fanout"))]
    )

    assert found["all"].routing_key == "shared"


def test_a_broadcast_is_known_by_its_alias(app: LabApp) -> None:
    """Its own name is another in each process; who selects, routes or cancels says the alias."""
    found = queues(app, task_queues=[Queue("plain"), Broadcast("everybody")])
    name = found["everybody"].name
    found.select("everybody,plain")
    selected = set(found.consume_from)
    found.deselect("everybody")

    assert name.startswith("bcast.")
    assert selected == {name, "plain"}
    assert set(found.consume_from) == {"plain"}
    assert set(found) == {name, "plain"}
