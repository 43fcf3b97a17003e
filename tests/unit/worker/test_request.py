"""A request says what its message says, and settles it once."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from taskq import Task, TaskQ
from taskq.errors import InvalidTaskError
from taskq.worker.request import Request, create_request_cls
from taskq.worker.strategy import hybrid_to_proto2, proto1_to_proto2


@pytest.fixture
def app() -> Iterator[TaskQ]:
    app = TaskQ("requests", broker="memory://", set_as_current=False)
    yield app
    app.close()


def message(**headers: Any) -> Any:
    """Return what a strategy gets."""
    said = {"id": "the-id", "task": "add", "argsrepr": "(1,)", **headers}
    return SimpleNamespace(
        headers=said,
        body=b'[[1], {"y": 2}, {"chord": null}]',
        properties={"reply_to": "r", "correlation_id": "c"},
        content_type="application/json",
        content_encoding="utf-8",
        delivery_info={"exchange": "", "routing_key": "celery", "redelivered": False},
    )


def test_it_says_what_the_message_says(app: TaskQ) -> None:
    """Ids, arguments, limits and where it came from are read from headers and body."""
    app.task(name="add")(lambda x, y: x + y)

    request = Request(message(timelimit=[9, 5], group="g"), app=app, hostname="here")

    assert (request.id, request.name, request.type) == ("the-id", "add", "add")
    assert (request.args, request.kwargs) == ([1], {"y": 2})
    assert (request.time_limits, request.group) == ((9, 5), "g")
    assert (request.reply_to, request.correlation_id) == ("r", "c")
    assert request.delivery_info["routing_key"] == "celery"
    assert request.humaninfo() == "add[the-id]"


def test_it_is_settled_once(app: TaskQ) -> None:
    """Whoever acknowledges twice, or rejects what was acknowledged, is not heard again."""
    app.task(name="add")(lambda x, y: x + y)
    said: list[str] = []
    request = Request(
        message(),
        app=app,
        on_ack=lambda *_: said.append("ack"),
        on_reject=lambda *_: said.append("reject"),
    )

    request.acknowledge()
    request.acknowledge()
    request.reject(requeue=True)

    assert said == ["ack"]
    assert request.acknowledged


@pytest.mark.parametrize(
    ("expires", "late"),
    [("2020-01-01T00:00:00+00:00", True), ("2920-01-01T00:00:00+00:00", False), (None, False)],
)
def test_it_knows_whether_it_came_too_late(app: TaskQ, expires: str | None, late: bool) -> None:
    """A task that has expired counts as revoked."""
    app.task(name="add")(lambda x, y: x + y)

    request = Request(message(expires=expires), app=app)

    assert request.maybe_expire() is late
    assert request.revoked() is late


def test_a_message_without_a_task_is_refused(app: TaskQ) -> None:
    """What has no id or no name is no task."""
    broken = message()
    del broken.headers["task"]

    with pytest.raises(InvalidTaskError, match="task"):
        Request(broken, app=app)


def test_a_class_for_one_task_knows_its_worker(app: TaskQ) -> None:
    """``create_request_cls`` fills in what is the same for all requests of a task."""

    class Own(Request):
        pass

    task: Task[..., Any] = app.task(name="add")(lambda x, y: x + y)
    kind = create_request_cls(Own, task, pool="pool", hostname="here", eventer=None, app=app)

    request = kind(message())

    assert isinstance(request, Own)
    assert (type(request).__name__, request.hostname) == ("Own", "here")
    assert request.task.name == "add"


def test_the_old_protocol_is_read() -> None:
    """Bodies of protocol 1 become arguments, headers, and what follows."""
    body = {"task": "add", "id": "i", "args": [1], "kwargs": {}, "utc": False, "retries": 2}

    (args, _kwargs, embed), headers, decoded, utc = proto1_to_proto2(message(), body)

    assert (args, headers["id"], headers["retries"]) == ([1], "i", 2)
    assert "callbacks" in embed
    assert (decoded, utc) == (True, False)


def test_a_mixture_of_protocols_is_read() -> None:
    """What the body does not say, the headers do."""
    (args, _, _), headers, decoded, _ = hybrid_to_proto2(message(), {"args": [3], "kwargs": {}})

    assert (args, headers["task"], headers["id"], decoded) == ([3], "add", "the-id", True)
