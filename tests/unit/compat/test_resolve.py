"""Celery's names, and what they are here."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import kombu.exceptions
import pytest
from kombu.entity import Exchange, Queue

from taskq import errors, signals, states
from taskq.compat.celery import Facade, resolve
from taskq.compat.names import MODULES
from taskq.compat.objects import get_exchange, reraise, worker_direct

ROWS = [f"{module}.{name}" for module, row in MODULES.items() for name in row.names]


@pytest.mark.parametrize("dotted", ROWS)
def test_every_row_of_the_table_leads_somewhere(dotted: str) -> None:
    """No row names something that does not exist."""
    # There is no default app before somebody needs one.
    assert resolve(dotted) is not None or dotted == "celery._state.default_app"


@pytest.mark.parametrize("module", [name for name, row in MODULES.items() if row.like])
def test_every_module_that_has_a_likeness_has_it(module: str) -> None:
    """A module of ours that stands for one of Celery's can be imported, and shows its names."""
    found = resolve(module)

    try:
        names = found.__all__
    except ModuleNotFoundError as error:
        # A library that an extra brings; nothing of ours.
        assert not str(error.name).startswith("taskq")
        return
    assert set(MODULES[module].names) <= set(dir(found))
    assert set(names) <= set(dir(found))
    for name in names:
        assert resolve(f"{module}.{name}") is getattr(found, name)


def test_names_that_are_called_otherwise() -> None:
    """CeleryError is TaskqError, and kombu's OperationalError is kombu's."""
    assert resolve("celery.exceptions.CeleryError") is errors.TaskqError
    assert resolve("celery.exceptions.OperationalError") is kombu.exceptions.OperationalError
    assert resolve("celery.exceptions.Retry") is errors.Retry
    assert resolve("celery.signals.task_prerun") is signals.task_prerun
    assert resolve("celery.states.SUCCESS") is states.SUCCESS


def test_a_member_of_a_class_is_reached_through_it() -> None:
    """A name below a class is looked up on the class."""
    assert resolve("celery.Task.delay") is resolve("celery.Task").delay


def test_a_module_looks_like_a_module() -> None:
    """It is an object that looks names up, always the same one."""
    celery: Any = resolve("celery")

    assert isinstance(celery, Facade)
    assert isinstance(celery, ModuleType)
    assert resolve("celery") is celery
    assert celery.Celery is resolve("celery.Celery")
    assert celery.exceptions.CeleryError is errors.TaskqError
    assert celery.states.SUCCESS is states.SUCCESS
    assert resolve("celery.states") is celery.states
    assert "Celery" in dir(celery)


@pytest.mark.parametrize(
    "dotted", ["celery.nothing", "celery.exceptions.Nothing", "nothing", "celery.no.such.module"]
)
def test_a_name_without_a_row_is_an_error(dotted: str) -> None:
    """What is not here is said to be not here."""
    with pytest.raises(AttributeError):
        resolve(dotted)


def test_private_names_do_not_leak() -> None:
    """Only public names of ours stand for Celery's."""
    with pytest.raises(AttributeError, match=r"'celery\.exceptions\._private'"):
        resolve("celery.exceptions._private")


def test_the_exchange_of_events_is_celerys() -> None:
    """A topic exchange, which kombu's Redis transport uses as a fan-out."""

    class Connection:
        class transport:  # noqa: N801 - an attribute of kombu's
            driver_type = "redis"

    amqp = Connection()
    exchange = resolve("celery.events.event.event_exchange")

    assert (exchange.name, exchange.type) == ("celeryev", "topic")
    assert get_exchange(amqp).type == "fanout"
    Connection.transport.driver_type = "amqp"
    assert (get_exchange(amqp, "other").name, get_exchange(amqp).type) == ("other", "topic")


def test_a_worker_has_a_queue_of_its_own() -> None:
    """The direct queue of a node, and a queue stays a queue."""
    queue = worker_direct("w@h")

    assert (queue.name, queue.exchange.name, queue.routing_key) == ("w@h.dq2", "C.dq2", "w@h")
    assert worker_direct(queue) is queue
    assert isinstance(queue, Queue)
    assert isinstance(queue.exchange, Exchange)


def test_an_exception_is_raised_again() -> None:
    """With its own traceback or another one."""
    error = ValueError("again")

    with pytest.raises(ValueError, match="again"):
        reraise(ValueError, error)
    traceback = error.__traceback__
    with pytest.raises(ValueError, match="again"):
        reraise(ValueError, error, traceback)
