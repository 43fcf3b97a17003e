"""Small parts of the application layer, each by itself."""

from __future__ import annotations

import pickle
import sys
from datetime import UTC, datetime, timedelta, timezone
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from taskq import current
from taskq.app import annotations as annotating
from taskq.app import discovery, failure, naming, times
from taskq.app.encode_errors import explain_encode_error
from taskq.app.failure import ExceptionInfo, traceback_text
from taskq.app.joining import allow_join_result, assert_will_not_block, denied_join_result
from taskq.app.lamport import LamportClock
from taskq.app.on_ready import OnReady
from taskq.errors import EncodeError
from tests.unit.app.fakes import JsonCodec

NOW = datetime(2030, 1, 1, tzinfo=UTC)


def test_a_logical_clock_never_stays_behind() -> None:
    """It counts its own events, and those that it hears of."""
    clock = LamportClock(3)

    assert [clock.forward(), clock.adjust(10), clock.adjust(1)] == [4, 11, 12]
    assert (str(clock), repr(clock)) == ("12", "<LamportClock: 12>")


def test_a_promise_is_kept_once() -> None:
    """Callbacks of before and after are called with the same; an error goes to who takes it."""
    seen: list[Any] = []

    def fail(_value: Any) -> None:
        raise ValueError("no")

    promise = OnReady()
    promise.then(seen.append)
    promise.then(fail, on_error=lambda error: seen.append(str(error)))
    promise(5)
    promise(6)
    promise.then(seen.append)
    strict = OnReady()
    strict.then(fail)

    assert seen == [5, "no", 5]
    with pytest.raises(ValueError, match="no"):
        strict(1)


def test_waiting_may_be_denied_and_allowed() -> None:
    """For a block; the inner one counts."""
    with denied_join_result():
        with pytest.raises(RuntimeError, match="Never call"):
            assert_will_not_block()
        with allow_join_result():
            assert_will_not_block()
        assert current.task_join_will_block()
    assert not current.task_join_will_block()


# -- failures ------------------------------------------------------------------------------------


def test_a_failure_is_an_exception_with_its_text() -> None:
    """It survives a pipe; the traceback itself does not."""
    try:
        raise ValueError("no")
    except ValueError as error:
        info = ExceptionInfo(error)
    again = pickle.loads(pickle.dumps(info))

    assert info.exc_info == (ValueError, info.exception, info.exception.__traceback__)
    assert str(info).startswith("Traceback")
    assert repr(info) == "<ExceptionInfo: ValueError('no')>"
    assert (again.traceback, again.type) == (info.traceback, ValueError)


def test_the_middle_of_a_long_traceback_is_left_out(monkeypatch: Any) -> None:
    """How much is said."""
    monkeypatch.setattr(failure, "TRACEBACK_LIMIT_CHARACTERS", 20)
    text = traceback_text(ValueError("x" * 100))

    assert text.startswith("ValueErro")
    assert "characters left out" in text


def test_the_argument_that_cannot_be_encoded_is_named() -> None:
    """Unless the serializer itself is at fault, whose error then stays."""

    class Broken(JsonCodec):
        def encode(self, value: Any, serializer: str) -> Any:
            raise EncodeError("no such serializer")

    given: Any = {"name": "add", "args": (1, object()), "kwargs": {}, "serializer": "json"}
    error = EncodeError("no")

    assert explain_encode_error(error, codec=Broken(), **given) is error
    assert "argument 1" in str(explain_encode_error(error, codec=JsonCodec(), **given))


# -- times ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expires", "left_s"),
    [
        (None, None),
        ("", None),
        (60, 60.0),
        (-5, 0.0),
        ("2030-01-01T00:01:00+00:00", 60.0),
        (datetime(2030, 1, 1, 0, 1, tzinfo=UTC), 60.0),
        (datetime(2029, 1, 1, tzinfo=UTC), 0.0),
        (datetime(2030, 1, 1, 1, 1), 60.0),  # noqa: DTZ001 - naive: in the zone of the app
    ],
)
def test_a_broker_keeps_a_message_until_it_expires(expires: Any, left_s: float | None) -> None:
    """However the moment is given."""
    assert times.expiration_s(expires, NOW, timezone(timedelta(hours=1))) == left_s


@pytest.mark.parametrize(
    ("countdown", "said"),
    [
        (timedelta(seconds=1), r"countdown must be a number of seconds.*total_seconds"),
        (True, "countdown must be a number of seconds, not True"),
        (1e12, "further away than a century"),
    ],
)
def test_what_is_no_number_of_seconds_is_refused(countdown: Any, said: str) -> None:
    """With what to write instead."""
    with pytest.raises(TypeError, match=said):
        times.eta_text(None, countdown, lambda: NOW)


# -- names and modules ---------------------------------------------------------------------------


def test_a_script_is_named_by_its_app_or_its_file(monkeypatch: Any) -> None:
    """A module that is the script under another name too."""
    script = ModuleType("__main__")
    script.__file__ = "/srv/shop.py"
    monkeypatch.setitem(sys.modules, "__main__", script)
    monkeypatch.setitem(sys.modules, "shop", script)

    assert naming.gen_task_name("app", "f", "__main__") == "app.f"
    assert naming.gen_task_name(None, "f", None) == "shop.f"
    assert naming.gen_task_name("app", "f", "shop") == "app.f"
    assert naming.gen_task_name("app", "f", "other") == "other.f"
    del script.__file__
    assert naming.gen_task_name(None, "f", "__main__") == "__main__.f"


def test_a_module_is_named_by_itself_or_its_name() -> None:
    """Whatever was given."""
    assert naming.module_name("a.b") == "a.b"
    assert naming.module_name(ModuleType("c")) == "c"
    assert naming.module_name(42) == "42"


def test_a_symbol_is_found_by_either_way_of_writing() -> None:
    """What is no text is itself."""
    assert discovery.symbol("taskq.errors:Retry") is discovery.symbol("taskq.errors.Retry")
    assert discovery.symbol(42) == 42


def test_modules_beside_packages_are_imported_where_they_are() -> None:
    """``shop.apps.ShopConfig`` stands for ``shop``; a package without such a module has none."""
    found = discovery.autodiscover(["json.apps.JsonConfig", "xml", "stat"], "decoder")

    assert [module.__name__ for module in found] == ["json.decoder"]
    assert [each.__name__ for each in discovery.autodiscover(lambda: ["json"], None)] == ["json"]
    assert discovery.autodiscover(None, "tasks") == []


@pytest.mark.parametrize("package", ["no_such_package", "json.no_such_module"])
def test_a_package_that_is_not_there_is_an_error(package: str) -> None:
    """To pass over it would only show much later."""
    with pytest.raises(ModuleNotFoundError, match=package.rpartition(".")[0] or package):
        discovery.autodiscover([package], "tasks")


# -- annotations ---------------------------------------------------------------------------------


class Annotating:
    def annotate(self, task: Any) -> Any:
        return {"rate_limit": task.name}

    def annotate_any(self) -> Any:
        return {"priority": 1}


AN_OBJECT = Annotating()


def test_annotations_may_be_mappings_objects_or_names_of_either() -> None:
    """One or several of them; None is none."""
    task = SimpleNamespace(name="add")
    here = __name__

    def said(given: Any) -> list[Any]:
        return list(annotating.resolve_all(annotating.prepare(given), task))

    expected = [{"priority": 1}, {"rate_limit": "add"}]
    assert annotating.prepare(None) == []
    assert said(AN_OBJECT) == expected
    assert said(f"{here}:Annotating") == expected
    assert said([f"{here}.AN_OBJECT"]) == expected
    assert said({"add": {"rate_limit": "1/s"}, "*": {"priority": 2}}) == [
        {"priority": 2},
        {"rate_limit": "1/s"},
    ]
