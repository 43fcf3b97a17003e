"""What an app keeps in its result store."""

from __future__ import annotations

from typing import Any

import pytest

from taskq.errors import DecodeError, EncodeError
from taskq.ports import ResultRecord
from tests.unit.app.fakes import DictStore, LabApp


def test_what_is_stored_can_be_asked_for_piece_by_piece(app: LabApp) -> None:
    """State, result, traceback, and all of it."""
    backend = app.backend
    backend.store_result("t", ValueError("no"), "FAILURE", traceback="Traceback ...")
    record = app.lab_store.load(["t"])[0]
    assert record is not None

    assert (backend.get_state("t"), backend.get_traceback("t")) == ("FAILURE", "Traceback ...")
    assert isinstance(backend.get_result("t"), ValueError)
    assert backend.decode_meta(record.payload)["task_id"] == "t"
    assert repr(backend) == f"<Backend: {app.lab_store.name}>"


def test_a_result_that_cannot_be_read_is_named(app: LabApp, store: DictStore) -> None:
    """With its task and its store."""
    store.store([ResultRecord("t", "SUCCESS", b"{broken")])

    with pytest.raises(DecodeError) as caught:
        app.backend.get_state("t")
    assert f"while reading the result of t in {store.name}" in caught.value.__notes__


def test_an_exception_with_facts_that_cannot_be_stored(app: LabApp) -> None:
    """Is stored all the same: its facts as text."""
    app.backend.store_result("t", ValueError(object()), "FAILURE")

    assert "object object" in str(app.backend.get_result("t"))


def test_a_value_that_cannot_be_stored_is_an_error(app: LabApp) -> None:
    """Nobody gets something else instead."""
    with pytest.raises(EncodeError):
        app.backend.store_result("t", object(), "SUCCESS")


def test_a_serializer_that_keeps_objects_keeps_exceptions(app: LabApp, monkeypatch: Any) -> None:
    """They are stored as they are."""
    monkeypatch.setattr(app.backend, "_keeps_objects", True)
    error = ValueError("no")

    assert app.backend.meta("t", error, "FAILURE", None)["result"] is error
