"""Names in settings that mean an adapter."""

from __future__ import annotations

from typing import Any

import pytest

from taskq import TaskQ
from taskq.adapters.broker.kombu import KombuBroker
from taskq.adapters.broker.kombu_rabbit import RabbitBroker
from taskq.adapters.broker.redis import RedisBroker
from taskq.adapters.broker.split import SplitBroker
from taskq.adapters.pools.threads import ThreadsPool
from taskq.errors import ImproperlyConfigured
from taskq.wiring.loading import UnknownNameError
from taskq.wiring.nodenames import node_name
from taskq.wiring.pools import find_pool, pool_maker
from taskq.worker import WorkController


def app_with(**settings: Any) -> TaskQ:
    return TaskQ("names", set_as_current=False, changes=settings)


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("redis://localhost/3", RedisBroker),
        ("rediss://localhost", RedisBroker),
        ("redis", RedisBroker),
        ("redis://one;redis://two", RedisBroker),
        ("kombu+redis://localhost", KombuBroker),
        ("amqp://", RabbitBroker),
        ("memory://", KombuBroker),
        (None, RabbitBroker),
    ],
)
def test_the_scheme_of_the_url_chooses_the_driver(url: str | None, kind: type[Any]) -> None:
    """Redis has a driver of its own; every other scheme is kombu's."""
    assert type(app_with(broker_url=url).ports.broker) is kind


def test_workers_may_read_elsewhere() -> None:
    """``broker_read_url`` names the server that workers take from; clients write to the other."""
    app = app_with(broker_write_url="redis://one/0", broker_read_url="redis://two/0")

    broker = app.ports.broker

    assert isinstance(broker, SplitBroker)
    assert broker.name == "redis://one:6379/0"
    assert broker.reading.name == "redis://two:6379/0"


def test_an_unknown_scheme_gets_a_suggestion() -> None:
    """A broker that does not exist is refused when the app first needs one."""
    with pytest.raises(UnknownNameError, match=r"broker_url: there is no 'rediz'; did you mean"):
        _ = app_with(broker_url="rediz://localhost").ports


def test_parts_make_a_url() -> None:
    """Host, port, user and password may be given one by one."""
    app = app_with(
        broker_transport="memory", broker_host="h", broker_user="u", broker_password="p@ss"
    )

    assert "p@ss" not in app.ports.broker.name
    assert "p%40ss" not in app.ports.broker.name


def test_an_unknown_store_gets_a_suggestion() -> None:
    """The same for a result store."""
    with pytest.raises(UnknownNameError, match="result_backend: there is no 'redsi'"):
        _ = app_with(broker_url="memory://", result_backend="redsi://x").ports


def test_an_unknown_pool_gets_a_suggestion() -> None:
    """A misspelt pool is answered with the nearest one."""
    with pytest.raises(UnknownNameError, match="did you mean 'threads'"):
        find_pool("thread")


def test_a_custom_pool_is_named_by_the_environment() -> None:
    """``--pool custom`` takes the class that a variable names."""
    path = "taskq.adapters.pools.threads:ThreadsPool"

    assert find_pool("custom", {"CELERY_CUSTOM_WORKER_POOL": path}).path == path
    with pytest.raises(ImproperlyConfigured, match="TASKQ_CUSTOM_WORKER_POOL"):
        find_pool("custom", {})


def test_a_pool_is_made_when_it_is_asked_for() -> None:
    """What makes a pool knows its class already, so that a wrong one fails before the start."""
    app = app_with(broker_url="memory://")

    make = pool_maker(find_pool("threads"), clock=app.ports.clock, conf=app.conf, told={})

    assert type(make(lambda: None)) is ThreadsPool


@pytest.mark.parametrize("option", ["schedule_filename", "scheduler"])
def test_an_option_without_the_one_it_belongs_to_is_refused(option: str) -> None:
    """No option is taken and then forgotten."""
    app = app_with(broker_url="memory://")
    name = option.replace("_", "-")

    with pytest.raises(ImproperlyConfigured, match=f"--{name} belongs to --beat"):
        WorkController(app, **{option: "x"})


def test_bounds_of_autoscaling_that_are_none_are_refused() -> None:
    with pytest.raises(ImproperlyConfigured, match=r"--autoscale 'many'.*as in 10,3"):
        WorkController(app_with(broker_url="memory://"), autoscale="many")


def test_a_node_without_a_host_gets_this_one() -> None:
    """``-n w1`` is ``w1@host``; a full name stays."""
    assert node_name("w1").startswith("w1@")
    assert node_name("w1@there") == "w1@there"
    assert node_name(None).startswith("celery@")


def test_limits_that_no_pool_keeps_are_said_when_the_worker_starts(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Of the worker, and of a task."""
    app = app_with(broker_url="memory://")
    app.task(lambda: None, name="slow", time_limit=3)
    worker = WorkController(app, pool="solo")
    worker.stop()

    assert worker.start() == 0
    assert "SoloPool keeps no hard time limits: that of slow has no effect" in caplog.text
