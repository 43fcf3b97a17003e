"""What suites of Celery's users are made of, beside the fixtures."""

from __future__ import annotations

import io
import logging
import os
import pickle
from collections.abc import Iterator
from threading import Event
from typing import Any

import pytest

from taskq import TaskQ, current, shared_task
from taskq.contrib.testing.app import TestApp, Trap, setup_default_app
from taskq.contrib.testing.logs import Records, children_heard, log_here
from taskq.contrib.testing.manager import Manager, NobodyAnswersError, Sentinel, humanize_seconds
from taskq.contrib.testing.mocks import (
    ContextMock,
    TaskMessage,
    TaskMessage1,
    task_message_from_sig,
)
from taskq.contrib.testing.worker import TestWorkController, start_worker


@pytest.fixture
def app() -> Iterator[TaskQ]:
    """A test app, and the process as it was."""
    app = TestApp()
    with setup_default_app(app):
        yield app


@pytest.fixture
def manager(app: TaskQ) -> Manager:
    """Helpers that write into memory and have little patience."""
    return Manager(app, stdout=io.StringIO(), stderr=io.StringIO(), block_timeout=30)


# -- messages --------------------------------------------------------------------------------------


def test_a_message_of_protocol_2() -> None:
    """What the task is stands in the headers, what it works on in the body."""
    message = TaskMessage("add", id="I", args=(1,), kwargs={"y": 2}, callbacks=["c"], foo=3)

    assert message.headers == {"id": "I", "task": "add", "shadow": None, "foo": 3}
    assert message.payload == (
        (1,),
        {"y": 2},
        {"callbacks": ["c"], "errbacks": None, "chain": None},
    )
    assert message.body.startswith('[[1], {"y": 2}')
    assert (message.content_type, message.content_encoding) == ("application/json", "utf-8")


def test_a_message_of_protocol_1() -> None:
    """Everything stands in the body."""
    message = TaskMessage1("add", id="I", args=(1,), foo=3)

    assert message.headers == {}
    assert message.payload["task"] == "add"
    assert (message.payload["id"], message.payload["args"], message.payload["foo"]) == (
        "I",
        (1,),
        3,
    )


def test_a_message_of_a_signature(app: TaskQ) -> None:
    """Its links are in the embed, its times in the headers."""

    @app.task(name="add", shared=False)
    def add(x: int, y: int) -> int:
        return x + y

    signature = add.s(1, 2).set(countdown=10, expires=60, link=add.s(3), task_id="T")
    message = task_message_from_sig(app, signature)

    assert message.headers["id"] == "T"
    assert message.headers["eta"] < message.headers["expires"]
    assert message.payload[0] == (1, 2)
    assert message.payload[2]["callbacks"][0]["task"] == "add"


def test_a_mock_that_is_its_own_context() -> None:
    """And lets exceptions pass."""
    mock = ContextMock(answer=3)
    with mock as inside:
        assert inside is mock
    assert mock.answer == 3
    with pytest.raises(KeyError), ContextMock():
        raise KeyError


# -- apps ------------------------------------------------------------------------------------------


def test_two_test_apps_have_queues_of_their_own(app: TaskQ) -> None:
    """One does not take what is meant for the other; a given place is shared as said."""
    app.send_task("t")
    other, told = TestApp(), TestApp(broker="memory://", config={"broker_transport_options": {}})

    assert app.ports.broker.length("celery") == 1
    assert other.ports.broker.length("celery") == 0
    assert told.conf.broker_transport_options == {}
    for each in (other, told):
        each.close()


def test_an_app_that_others_knew_stays_open() -> None:
    """Only what the test made is closed."""
    app = TestApp(set_as_current=True)
    with setup_default_app(app):
        app.set_default()

    assert app in current.active_apps
    assert current.is_known(app)
    current.forget_app(app)
    app.close()


def test_a_trap_answers_the_language_and_nobody_else() -> None:
    """Copying, comparing and printing it are no use of the app."""
    trap = Trap()

    assert not hasattr(trap, "__len__")
    assert repr(trap)
    with pytest.raises(RuntimeError, match=r"conf.*depends_on_current_app"):
        _ = trap.conf  # type: ignore[func-returns-value]  # it never returns


def test_tasks_of_modules_outlive_the_test_that_imports_them() -> None:
    """A module is imported once, so what it shares is there for the next app; a local is not."""
    with current.kept():

        @shared_task(name="local.one")
        def local() -> None: ...

        def module_level(_app: Any) -> None: ...

        module_level.__qualname__ = "module_level"
        current.connect_on_app_finalize(module_level)

    later = TestApp()
    assert "local.one" not in later.tasks
    assert module_level in current._on_finalize
    current._on_finalize.remove(module_level)
    later.close()


# -- patience --------------------------------------------------------------------------------------


def test_waiting_says_for_what(manager: Manager) -> None:
    """Until it does not raise; every attempt is named."""
    attempts = iter([KeyError("x"), KeyError("x"), None])

    def ask() -> int:
        if error := next(attempts):
            raise error
        return 7

    told = {"interval_start": 0, "interval_step": 0.001, "emit_warning": True}
    assert manager.wait_for(ask, KeyError, "the x", **told) == 7
    assert manager.stderr.getvalue().count("Still waiting for the x.") == 2  # type: ignore[attr-defined]  # it is in memory


def test_waiting_ends(manager: Manager) -> None:
    """With what was raised last, or, where nothing may happen, with nothing."""

    def never() -> None:
        raise KeyError("never")

    short = {"interval_start": 0, "interval_step": 0, "max_retries": 2}
    with pytest.raises(KeyError, match="never"):
        manager.wait_for(never, KeyError, **short)
    manager.ensure_not_for_a_while(never, KeyError, **short)
    with pytest.raises(AssertionError, match="Should not have happened: this"):
        manager.ensure_not_for_a_while(lambda: 5, KeyError, "this", **short)
    with pytest.raises(Sentinel):
        manager.true_or_raise(lambda: 0)
    with pytest.raises(NobodyAnswersError, match="no worker answers"):
        manager.wait_until_idle()


def test_what_workers_know_can_be_waited_for(app: TaskQ, manager: Manager) -> None:
    """Received, accepted, begun, idle; and all results at once."""
    may_end = Event()

    @app.task(name="double", shared=False)
    def double(x: int) -> int:
        assert may_end.wait(60)
        return 2 * x

    with start_worker(app, pool="threads", concurrency=2) as worker:
        results = [double.delay(n) for n in range(3)]
        ids = [each.id for each in results]
        policy = {"interval": 0.05, "max_retries": 200, "interval_step": 0}
        manager.assert_received(ids, **policy)
        manager.assert_accepted(ids[:2], **policy)
        assert not manager.is_accepted(ids, timeout=0.5)
        assert manager.query_task_states(ids) == {"active": {*ids[:2]}, "reserved": {ids[2]}}
        assert list(dict(manager.query_tasks(ids))) == [worker.hostname]
        assert manager.missing_results(app.ResultSet(results)) == ids
        may_end.set()
        assert manager.join(app.ResultSet(results)) == [0, 2, 4]
        manager.assert_result_tasks_in_progress_or_completed(results, **policy)
        manager.wait_until_idle()

        assert manager.missing_results(results[0]) == []


def test_joining_names_what_is_missing(app: TaskQ, manager: Manager) -> None:
    """After as many attempts as were asked for."""
    manager.block_timeout = 0.01
    lost = app.AsyncResult("lost-one")

    with pytest.raises(AssertionError, match="Missing task results: lost-one"):
        manager.join(lost, max_retries=1)
    assert "Still waiting for 1 of 1 (2 times): [lost-one]" in manager.stdout.getvalue()  # type: ignore[attr-defined]  # it is in memory
    manager.no_join = True
    assert manager.join(lost) is None


def test_seconds_in_words() -> None:
    """Parts of a second as well."""
    assert humanize_seconds(0.25, "in", " ") == "in 0.25 seconds"
    assert humanize_seconds(65) == "1.08 minutes"
    assert humanize_seconds(0) == "now"


# -- logs ------------------------------------------------------------------------------------------


def test_records_of_children_reach_the_handlers_here(caplog: pytest.LogCaptureFixture) -> None:
    """Each in one piece, though the child is gone at once."""
    records = Records()
    with children_heard(records):
        child = os.fork()
        if child == 0:
            log_here(records, TestWorkController.QueueHandler)
            logging.getLogger("of.child").error("said by %s", "a child")
            os._exit(0)
        os.waitpid(child, 0)

    assert caplog.messages == ["said by a child"]
    assert pickle.loads(pickle.dumps(caplog.records[0])).name == "of.child"


def test_a_worker_leaves_logging_as_it_was(
    app: TaskQ, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also one that logs into a file."""
    for name in ("CELERY_LOG_LEVEL", "TASKQ_LOG_LEVEL"):
        monkeypatch.delenv(name, raising=False)
    log = tmp_path / "worker.log"
    logging_app = TestApp(enable_logging=True)
    root = logging.getLogger()
    before = (list(root.handlers), root.level, dict(os.environ))
    with (
        setup_default_app(logging_app),
        start_worker(logging_app, logfile=str(log), loglevel="INFO"),
    ):
        assert root.handlers != before[0]

    assert (list(root.handlers), root.level, dict(os.environ)) == before
    assert "ready" in log.read_text()
