"""What an app keeps in its result store."""

from __future__ import annotations

import pickle
import threading
from typing import Any

import pytest

from taskq.errors import DecodeError, EncodeError
from taskq.ports import Encoded, ResultRecord
from tests.unit.app.fakes import DictStore, JsonCodec, LabApp


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


@pytest.fixture
def keeps_objects(app: LabApp, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have results serialized as they are."""
    monkeypatch.setattr(app.backend, "_keeps_objects", True)
    monkeypatch.setattr(app.backend, "_codec", PickleCodec())


class PickleCodec(JsonCodec):
    def encode(self, value: Any, serializer: str) -> Encoded:
        try:
            return Encoded(pickle.dumps(value), serializer, "binary")
        except (AttributeError, TypeError) as error:
            raise EncodeError(str(error)) from error

    def decode(
        self, body: bytes, content_type: str, content_encoding: str, accept: frozenset[str]
    ) -> Any:
        try:
            return pickle.loads(body)
        except TypeError as error:
            raise DecodeError(str(error)) from error


class NeedsMore(Exception):
    """Cannot be made again of its ``args``."""

    def __init__(self, code: int, *, reason: str) -> None:
        super().__init__(f"{code}: {reason}")


class HasALock(Exception):
    """Carries what cannot be serialized."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.lock = threading.Lock()


class IsNoError(Exception):
    """Becomes something else on its way."""

    def __reduce__(self) -> tuple[Any, ...]:
        return str, self.args


@pytest.mark.usefixtures("keeps_objects")
def test_a_serializer_that_keeps_objects_keeps_exceptions(app: LabApp) -> None:
    """They are stored as they are."""
    error = ValueError("no")

    assert app.backend.meta("t", error, "FAILURE", None)["result"] is error


@pytest.mark.usefixtures("keeps_objects")
@pytest.mark.parametrize(
    "error", [NeedsMore(3, reason="why"), HasALock("locked"), IsNoError("something")]
)
def test_an_exception_that_no_reader_could_make_again_is_stored_as_data(
    app: LabApp, error: Exception
) -> None:
    """Whoever reads it gets one of its name and text."""
    app.backend.store_result("t", error, "FAILURE")
    found = app.backend.get_result("t")

    assert type(found).__name__ == type(error).__name__
    assert str(error) in str(found)
