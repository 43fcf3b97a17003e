"""``Celery(...)``: each class that it can be given, as a class and by its path."""

from __future__ import annotations

from typing import Any

import pytest

from taskq import Task, TaskQ
from taskq.app.control import Control
from taskq.app.events.events import Events
from taskq.app.log import Logging
from taskq.wiring.amqp import AMQP, task_message


class OwnAmqp(AMQP):
    """An ``app.amqp`` of a program."""

    argsrepr_maxsize = 5


class OwnControl(Control):
    """An ``app.control`` of a program."""


class OwnEvents(Events):
    """An ``app.events`` of a program."""


class OwnLog(Logging):
    """An ``app.log`` of a program."""


class OwnTask(Task[..., Any]):
    """The base of a program's tasks."""

    abstract = True


@pytest.mark.parametrize(
    ("argument", "attribute", "kind"),
    [
        ("amqp", "amqp", OwnAmqp),
        ("control", "control", OwnControl),
        ("events", "events", OwnEvents),
        ("log", "log", OwnLog),
    ],
)
@pytest.mark.parametrize("form", ["class", "path with a colon", "path with dots"])
def test_parts_of_an_app(argument: str, attribute: str, kind: type, form: str) -> None:
    """What is given is what the app has."""
    sign = ":" if "colon" in form else "."
    said = kind if form == "class" else f"{kind.__module__}{sign}{kind.__name__}"
    app = TaskQ("made", broker="memory://", set_as_current=False, **{argument: said})

    assert type(getattr(app, attribute)).__name__ == kind.__name__
    app.close()


@pytest.mark.parametrize("said", [OwnTask, f"{__name__}:OwnTask"])
def test_the_base_of_all_tasks(said: Any) -> None:
    """``task_cls`` is what tasks are made of."""
    app = TaskQ("made", broker="memory://", set_as_current=False, task_cls=said)

    @app.task
    def add() -> None: ...

    assert "OwnTask" in [each.__name__ for each in type(app.tasks[add.name]).__mro__]


def test_a_message_as_it_is_sent() -> None:
    """``app.amqp`` makes the message of either protocol, and texts as long as it says."""
    app = TaskQ("made", broker="memory://", set_as_current=False, amqp=OwnAmqp)

    message = app.amqp.create_task_message("id", "n", (1, 2, 3), {"a": 2}, retries=1)
    old = app.amqp.as_task_v1("id", "n", (1,), countdown=10)

    assert isinstance(message, task_message)
    assert message.headers["argsrepr"] == "(1, 2..."
    assert (message.headers["id"], message.headers["retries"]) == ("id", 1)
    assert message.body == (
        (1, 2, 3),
        {"a": 2},
        {"callbacks": None, "errbacks": None, "chain": None, "chord": None},
    )
    assert (old.headers, old.body["task"], old.body["eta"] is None) == ({}, "n", False)
    with pytest.raises(TypeError, match="list or tuple"):
        app.amqp.as_task_v2("id", "n", "abc")
    app.close()


def test_a_message_made_by_hand_is_sent_and_run() -> None:
    """What ``send_task_message`` publishes, a worker runs."""
    from taskq.contrib.testing import start_worker

    app = TaskQ("made", broker="memory://", backend="cache+memory://", set_as_current=False)

    @app.task(name="add")
    def add(x: int, y: int) -> int:
        return x + y

    with start_worker(app, perform_ping_check=False), app.producer_or_acquire() as producer:
        message = app.amqp.create_task_message("by-hand", "add", (2, 3))
        app.amqp.send_task_message(producer, "add", message)

        assert app.AsyncResult("by-hand").get(timeout=30) == 5
    app.close()
