"""What values a setting takes, and what it makes of them."""

from __future__ import annotations

from datetime import UTC, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskq.conf import kinds
from taskq.conf.kinds import Unfit

ALL = [kind for kind in vars(kinds).values() if isinstance(kind, kinds.Kind)]


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.expected)
def test_none_is_always_accepted(kind: kinds.Kind) -> None:
    """None means that a setting is not given, whatever its type."""
    assert kind.accept(None) is None


@pytest.mark.parametrize(
    ("kind", "given", "kept"),
    [
        (kinds.TEXT, "abc", "abc"),
        (kinds.TEXT, Path("a/b"), Path("a/b")),
        (kinds.TEXT_OR_NUMBER, 2, 2),
        (kinds.SECRET, b"abc", b"abc"),
        (kinds.PATH_OR_CLASS, dict, dict),
        (kinds.PATH_OR_CLASS, UTC, UTC),
        (kinds.URLS, ["a://", "b://"], ["a://", "b://"]),
        (kinds.URLS, "a://;b://", "a://;b://"),
        (kinds.INTEGER, " 4 ", 4),
        (kinds.INTEGER, 7.0, 7.0),
        (kinds.NUMBER, "0.5", 0.5),
        (kinds.SECONDS, timedelta(hours=1), timedelta(hours=1)),
        (kinds.SECONDS, "30", 30),
        (kinds.FLAG, True, True),
        (kinds.FLAG, 0, 0),
        (kinds.FLAG, "False", False),
        (kinds.FLAG, "on", True),
        (kinds.FLAG_OR_OPTIONS, {"ca_certs": "x"}, {"ca_certs": "x"}),
        (kinds.FLAG_OR_OPTIONS, True, True),
        (kinds.NAMES, "json, pickle", ["json", "pickle"]),
        (kinds.NAMES, ("a",), ("a",)),
        (kinds.NAMES, {"a"}, {"a"}),
        (kinds.NAMES, iter(["a"]), ["a"]),
        (kinds.MAPPING, {"a": 1}, {"a": 1}),
        (kinds.QUEUES, ["a"], ["a"]),
        (kinds.QUEUES, {"a": {}}, {"a": {}}),
        (kinds.COUNT_OR_AUTO, "auto", "auto"),
        (kinds.COUNT_OR_AUTO, "8", 8),
        (kinds.COUNT_OR_AUTO, 8, 8),
        (kinds.ANY, {"a": 1}, {"a": 1}),
    ],
)
def test_what_can_be_meant_is_kept(kind: kinds.Kind, given: object, kept: object) -> None:
    """A value that can be of the type is kept, and a text that stands for one is converted."""
    assert kind.accept(given) == kept


@pytest.mark.parametrize(
    ("kind", "given"),
    [
        (kinds.TEXT, 5),
        (kinds.TEXT, True),
        (kinds.TEXT, ["a"]),
        (kinds.TEXT_OR_NUMBER, True),
        (kinds.TEXT_OR_NUMBER, {"a": 1}),
        (kinds.URLS, {"a": 1}),
        (kinds.URLS, 5),
        (kinds.INTEGER, "many"),
        (kinds.INTEGER, [1]),
        (kinds.NUMBER, timedelta(1)),
        (kinds.SECONDS, "soon"),
        (kinds.FLAG, "perhaps"),
        (kinds.FLAG, {}),
        (kinds.FLAG_OR_OPTIONS, "perhaps"),
        (kinds.NAMES, 5),
        (kinds.NAMES, {"a": 1}),
        (kinds.NAMES, object()),
        (kinds.MAPPING, [("a", 1)]),
        (kinds.QUEUES, "celery"),
        (kinds.QUEUES, 1),
        (kinds.COUNT_OR_AUTO, "all"),
    ],
)
def test_what_cannot_be_meant_is_refused(kind: kinds.Kind, given: object) -> None:
    """A value that can never be of the type is refused."""
    with pytest.raises(Unfit):
        kind.accept(given)


@given(st.integers() | st.floats(allow_nan=False))
def test_a_number_survives_being_written_as_text(number: float) -> None:
    """What ``str`` writes of a number is read back as that number."""
    assert kinds.NUMBER.accept(str(number)) == number


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists))
def test_accepting_twice_changes_nothing_more(value: object) -> None:
    """What a kind keeps, it keeps again as it is."""
    for kind in ALL:
        try:
            kept = kind.accept(value)
        except Unfit:
            continue
        assert kind.accept(kept) == kept


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (kinds.MAPPING, '{"a": 1}', {"a": 1}),
        (kinds.ANY, "abc", "abc"),
        (kinds.SECONDS, "0.5", 0.5),
        (kinds.INTEGER, "4", 4),
        (kinds.NAMES, "a,b", "a,b"),
    ],
)
def test_a_word_of_a_command_line_is_read_by_type(
    kind: kinds.Kind, text: str, value: object
) -> None:
    """Numbers and JSON on a command line become values."""
    assert kind.parse(text) == value
