"""Errors say what came, from where, and what to do; and they survive a pipe."""

from __future__ import annotations

import pickle

import pytest

from taskq import errors

TOLD = [
    (errors.Retry(exc=KeyError("k"), when=10), "Retry in 10s: KeyError('k')"),
    (errors.Retry(when="2030-01-01"), "Retry at 2030-01-01"),
    (errors.Retry("my own words"), "my own words"),
    (
        errors.UnknownSettingError("task_ack_late", "settings.py", "task_acks_late"),
        "settings.py: no setting is called 'task_ack_late'; did you mean 'task_acks_late'?",
    ),
    (
        errors.UnknownSettingError("x", "settings.py"),
        "settings.py: no setting is called 'x'; run `taskq report`.",
    ),
    (
        errors.WrongSettingError("result_expires", "soon", "a number", "settings.py"),
        "settings.py: result_expires must be a number, not 'soon'",
    ),
    (errors.BrokerLostError("redis://h", "no route"), "lost the broker at redis://h: no route"),
    (
        errors.ContentDisallowed("application/x-python-serialize", ["application/json"]),
        (
            "refused content type 'application/x-python-serialize'; "
            "accept_content allows application/json"
        ),
    ),
    (
        errors.ContentDisallowed("text/plain", []),
        "refused content type 'text/plain'; accept_content allows nothing",
    ),
    (
        errors.LockFailed("w.pid", 42, ""),
        (
            "w.pid: process 42 has it and lives; stop that one first, or give this one another "
            "--pidfile"
        ),
    ),
    (
        errors.LockFailed("w.pid", None, "a folder"),
        "w.pid: cannot be used as a pid file: a folder",
    ),
]


@pytest.mark.parametrize(("error", "text"), TOLD)
def test_an_error_says_it_in_words(error: Exception, text: str) -> None:
    """And says the same on the other side of a pipe."""
    again = pickle.loads(pickle.dumps(error))

    assert str(error) == text
    assert (type(again), str(again)) == (type(error), text)


def test_errors_of_a_store_name_the_task() -> None:
    """What could not be read, and what could not be stored."""
    read = errors.BackendGetMetaError("no answer", task_id="t1")
    stored = errors.BackendStoreError("no answer", state="SUCCESS", task_id="t1")

    assert repr(read) == "BackendGetMetaError('no answer') task_id:t1"
    assert repr(stored) == "BackendStoreError('no answer') state:SUCCESS task_id:t1"
