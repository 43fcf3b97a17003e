"""Exceptions as data, and back."""

from __future__ import annotations

import json
import pickle
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskq import errors
from taskq.protocol.exceptions import exception_data, exception_from, is_plain, loaded_class

MODULE = __name__


class Plain(Exception):
    pass


class Picky(Exception):
    """Its constructor does not take its args."""

    def __init__(self, code: int, *, text: str) -> None:
        super().__init__(code)
        self.text = text


class PickyOSError(OSError):
    def __init__(self) -> None:
        super().__init__(2, "gone")


class Odd(Exception):
    def __new__(cls, *args: Any) -> Any:
        ran.append("made")
        return object()


class Eager(Exception):
    """Its constructor does what nobody who reads a result has asked for."""

    def __init__(self, path: str, mode: str = "w") -> None:
        super().__init__(path)
        ran.append(path)
        self.path, self.mode = path, mode


class Derived(Eager):
    pass


class Wordy(Exception):
    """It cannot be shown without what its constructor sets."""

    def __init__(self, *parts: str) -> None:
        super().__init__(*parts)
        self.text = " ".join(parts)

    def __str__(self) -> str:
        return self.text


class Coded(Exception):
    def __init__(self, code: int, reason: str, hint: str = "none", *, more: int = 0) -> None:
        super().__init__(code, reason)


ran: list[str] = []


def function(*args: Any) -> None:
    ran.append("called")


not_an_exception = int


def test_an_exception_is_type_args_and_module() -> None:
    """As recorded."""
    assert exception_data(ValueError("boom")) == {
        "exc_type": "ValueError",
        "exc_message": ["boom"],
        "exc_module": "builtins",
    }


@pytest.mark.parametrize(
    ("error", "module"),
    [
        (errors.TaskRevokedError("expired"), "celery.exceptions"),
        (errors.EncodeError("no"), "kombu.exceptions"),
        (errors.BrokerLostError("here", "gone"), "taskq.errors"),
        (Plain("x"), MODULE),
    ],
)
def test_errors_travel_under_the_module_where_celery_finds_them(
    error: BaseException, module: str
) -> None:
    """Ours have Celery's module where Celery has the class; and come back as ours."""
    data = exception_data(error)

    assert data["exc_module"] == module
    again = exception_from(data)
    assert type(again) is type(error)
    assert again.args == error.args


@given(st.lists(st.text() | st.integers() | st.none() | st.lists(st.integers()), max_size=4))
def test_an_exception_comes_back_with_its_args(args: list[Any]) -> None:
    """Through JSON, type and args stay."""
    data = json.loads(json.dumps(exception_data(Plain(*args))))

    again = exception_from(data)

    assert (type(again), list(again.args)) == (Plain, args)


def test_args_that_cannot_be_written_become_their_repr() -> None:
    """An exception is never lost because of what it holds."""
    data = exception_data(Plain(object, {1: 2}, {"a": {object}}, "fine", datetime.now(UTC)))

    first, second, third, fourth, fifth = data["exc_message"]
    assert first == "<class 'object'>"
    assert (second, fourth) == ("{1: 2}", "fine")
    assert third.startswith("{'a': {")
    assert isinstance(fifth, datetime)


def test_the_caller_may_say_what_can_be_written() -> None:
    """With pickle nearly everything can."""
    marker = object()

    assert exception_data(Plain(marker), lambda value: True)["exc_message"] == [marker]


def test_an_arg_without_end_is_not_plain() -> None:
    """A list that contains itself is found out."""
    endless: list[Any] = []
    endless.append(endless)

    assert not is_plain(endless)
    assert is_plain([{"a": (1, None, 2.5, "x")}])


# -- back ----------------------------------------------------------------------------------------


def named(module: str, name: str, *args: Any) -> dict[str, Any]:
    return {"exc_type": name, "exc_message": list(args), "exc_module": module}


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("os", "system"),
        (MODULE, "function"),
        (MODULE, "not_an_exception"),
        ("no.such.module", "Error"),
        (MODULE, "Missing"),
        ("antigravity", "fly"),
    ],
)
def test_what_is_no_known_exception_is_never_called(module: str, name: str) -> None:
    """Data cannot name functions, other classes, or modules to import."""
    import sys

    error = exception_from(named(module, name, "touch /tmp/x"))

    assert isinstance(error, errors.RemoteError)
    assert (type(error).__name__, error.module, error.text) == (name, module, "touch /tmp/x")
    assert not ran
    assert "antigravity" not in sys.modules


def test_a_stand_in_keeps_its_name_when_it_is_stored_again() -> None:
    """An error that passes through a process that does not know it stays what it was."""
    data = named("far.away", "Lost", "a", 1)

    again = exception_data(exception_from(data))

    assert again == named("far.away", "Lost", "'a', 1")


def test_a_stand_in_can_be_pickled() -> None:
    """It may have to go to another process, or into a store that pickles."""
    error = exception_from(named("far.away", "Lost", "gone"))

    again = pickle.loads(pickle.dumps(error))

    assert (type(again), again.args) == (type(error), ("far.away", "Lost", "gone"))


def test_a_name_that_is_no_name_gives_a_plain_remote_error() -> None:
    """A class cannot be called anything."""
    error = exception_from(named("m", "not a\x00name"))

    assert type(error) is errors.RemoteError


def test_a_constructor_that_refuses_is_gone_around() -> None:
    """The type and the args stay; attributes that nobody can guess are missing."""
    error = exception_from(exception_data(Picky(7, text="x")))

    assert (type(error), error.args, vars(error)) == (Picky, (7,), {"code": 7})


def test_builtin_bases_are_respected_when_a_constructor_refuses() -> None:
    """Also for classes whose memory is laid out by a builtin other than ``Exception``."""
    error = exception_from(exception_data(PickyOSError()))

    assert (type(error), error.args) == (PickyOSError, (2, "gone"))


@pytest.mark.parametrize("kind", [Odd, Eager, Derived])
def test_no_constructor_is_called_with_what_data_says(kind: type[BaseException]) -> None:
    """The class stays, so that it can be caught; what it does when it is made is not done."""
    error = exception_from(named(MODULE, kind.__name__, "/etc/passwd"))

    assert (type(error), error.args, str(error)) == (kind, ("/etc/passwd",), "/etc/passwd")
    assert not ran


def test_parameters_of_a_constructor_are_likely_attributes() -> None:
    """Programs ask for them; defaults count, and what does not fit is left out."""
    assert vars(exception_from(named(MODULE, "Coded", 7, "why"))) == {
        "code": 7,
        "reason": "why",
        "hint": "none",
    }
    assert vars(exception_from(named(MODULE, "Coded", 7, "why", "x")))["hint"] == "x"
    assert vars(exception_from(named(MODULE, "Coded", "7 because"))) == {}
    assert vars(exception_from(named(MODULE, "Derived", "p"))) == {"path": "p", "mode": "w"}
    assert vars(exception_from(named("builtins", "ValueError", "p"))) == {}


def test_what_cannot_be_shown_is_a_stand_in() -> None:
    """The message is what counts."""
    error = exception_from(named(MODULE, "Wordy", "all", "is", "lost"))

    assert isinstance(error, errors.RemoteError)
    assert type(error).__name__ == "Wordy"
    assert "'all', 'is', 'lost'" in str(error)


@pytest.mark.parametrize(
    ("name", "args"), [("ExceptionGroup", ["two", ["a", "b"]]), ("UnicodeDecodeError", ["x"])]
)
def test_builtins_that_want_other_arguments_are_exceptions_all_the_same(
    name: str, args: list[Any]
) -> None:
    """Data may say anything."""
    assert type(exception_from(named("builtins", name, *args))).__name__ == name


@pytest.mark.parametrize("name", ["SoftTimeLimitExceeded", "TimeLimitExceeded", "WorkerLostError"])
def test_errors_of_celerys_pool_are_ours(name: str) -> None:
    """Its workers find some under another module."""
    error = exception_from(named("billiard.exceptions", name, "x"))

    assert type(error) is getattr(errors, name)


def test_the_caller_decides_which_classes_there_are() -> None:
    """The function that finds classes is the allow-list."""
    error = exception_from(named("builtins", "ValueError", "x"), lambda module, name: None)

    assert isinstance(error, errors.RemoteError)


@pytest.mark.parametrize(
    ("data", "kind", "args"),
    [
        ({"exc_type": "KeyError", "exc_message": "old"}, KeyError, ("old",)),
        ({"exc_type": "KeyError"}, KeyError, ()),
        ({}, Exception, ()),
    ],
)
def test_older_forms_are_read(data: Any, kind: type[BaseException], args: tuple[Any, ...]) -> None:
    """The message was a text once, and the module was left out."""
    error = exception_from(data)

    assert (type(error), error.args) == (kind, args)


def test_an_exception_itself_is_returned() -> None:
    """Stores that pickle give one."""
    error = ValueError("x")

    assert exception_from(error) is error


def test_other_data_is_shown() -> None:
    """What cannot be an exception is at least said."""
    assert "['x']" in str(exception_from(["x"]))


def test_modules_are_not_imported() -> None:
    """Only loaded ones are looked at."""
    assert loaded_class("no.such", "X") is None
    assert loaded_class("builtins", "KeyError") is KeyError
