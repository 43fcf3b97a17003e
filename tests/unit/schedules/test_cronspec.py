"""The fields of a crontab: what may be written, and what is refused with which words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskq.schedules import ParseException, cronfield, crontab, crontab_parser

ALL = {"minute": (0, 60), "hour": (0, 24), "day_of_week": (0, 7), "day_of_month": (1, 31),
       "month_of_year": (1, 12)}  # fmt: skip


@pytest.mark.parametrize(
    ("field", "given_", "expected"),
    [
        ("minute", "*", set(range(60))),
        ("minute", 7, {7}),
        ("minute", "7", {7}),
        ("minute", " 7", {7}),
        ("minute", "1 , 2", {1, 2}),
        ("minute", "*/15", {0, 15, 30, 45}),
        ("minute", "*/7", {0, 7, 14, 21, 28, 35, 42, 49, 56}),
        ("minute", "*/70", {0}),
        ("minute", "10-50/20", {10, 30, 50}),
        ("minute", "50-10/20", {50, 10}),
        ("minute", "58-1", {58, 59, 0, 1}),
        ("minute", {0, 30}, {0, 30}),
        ("minute", [0, "30-32"], {0, 30, 31, 32}),
        ("minute", range(0, 60, 20), {0, 20, 40}),
        ("hour", "22-2", {22, 23, 0, 1, 2}),
        ("day_of_week", "sun", {0}),
        ("day_of_week", "Tuesday", {2}),
        ("day_of_week", "mon-fri", {1, 2, 3, 4, 5}),
        ("day_of_week", "fri-mon", {5, 6, 0, 1}),
        ("day_of_week", "*/2", {0, 2, 4, 6}),
        ("day_of_week", 7, {0}),
        ("day_of_week", "7", {0}),
        ("day_of_week", "5-7", {5, 6, 0}),
        ("day_of_week", "0-7", {0, 1, 2, 3, 4, 5, 6}),
        ("day_of_week", "7-2", {0, 1, 2}),
        ("day_of_week", {"mon", "sat"}, {1, 6}),
        ("day_of_month", "30-2", {30, 31, 1, 2}),
        ("day_of_month", "*/10", {1, 11, 21, 31}),
        ("month_of_year", "jan-mar", {1, 2, 3}),
        ("month_of_year", "feb,November", {2, 11}),
        ("month_of_year", "*/3", {1, 4, 7, 10}),
    ],
)
def test_what_a_field_means(field: str, given_: object, expected: set[int]) -> None:
    """Numbers, names, lists, ranges that wrap, steps, sets."""
    assert getattr(crontab(**{field: given_}), field) == expected


@pytest.mark.parametrize(
    ("field", "given_", "words"),
    [
        ("minute", "60", "60 is not from 0 to 59"),
        ("minute", 60, "60 is not from 0 to 59"),
        ("minute", "-1", "'-1' is no number from 0 to 59"),
        ("minute", "*/0", "a step is a number above 0"),
        ("minute", "1-5/x", "a step is a number above 0"),
        ("minute", "", "a part is empty"),
        ("minute", "1,,2", "a part is empty"),
        ("minute", "1/5", "'1/5' is no number"),
        ("minute", "mon", "'mon' is no number"),
        ("minute", [], "that is never"),
        ("hour", "24", "24 is not from 0 to 23"),
        ("day_of_week", "8", "8 is not from 0 to 6"),
        ("day_of_week", "foo", "one of sun, mon"),
        ("day_of_week", "tu", "'tu' is no number"),
        ("day_of_month", 0, "0 is not from 1 to 31"),
        ("month_of_year", "13", "13 is not from 1 to 12"),
        ("month_of_year", {0}, "0 is not from 1 to 12"),
    ],
)
def test_what_is_refused(field: str, given_: object, words: str) -> None:
    """An error names the field, what came, and what is allowed."""
    with pytest.raises(ParseException) as refused:
        crontab(**{field: given_})

    assert str(refused.value).startswith(f"crontab({field}={given_!r}): ")
    assert words in str(refused.value)


@pytest.mark.parametrize("given_", [None, 1.5, True, object()])
def test_another_type_is_refused(given_: object) -> None:
    """What is no number, text or several of them is a mistake of the program."""
    with pytest.raises(TypeError, match=r"crontab\(hour=.* is neither a number"):
        crontab(hour=given_)


def test_a_day_that_never_comes_is_refused() -> None:
    """31 February is a mistake, 29 February is not."""
    with pytest.raises(ValueError, match="there is no such day"):
        crontab(day_of_month=31, month_of_year="feb,apr")
    crontab(day_of_month=29, month_of_year=2)


@given(data=st.data(), field=st.sampled_from(sorted(ALL)))
def test_a_list_of_numbers_is_those_numbers(data: st.DataObject, field: str) -> None:
    """As text, as a set, and one by one."""
    low, count = ALL[field]
    numbers = data.draw(st.sets(st.integers(low, low + count - 1), min_size=1))
    parser = crontab_parser(count, low)

    assert parser.parse(",".join(map(str, numbers))) == numbers
    assert parser.values(numbers) == numbers


@given(data=st.data(), field=st.sampled_from(sorted(ALL)), step=st.integers(1, 70))
def test_a_range_with_a_step_walks_round(data: st.DataObject, field: str, step: int) -> None:
    """From the first to the last, over the end if need be."""
    low, count = ALL[field]
    first, last = (data.draw(st.integers(low, low + count - 1)) for _ in range(2))
    expected, value, length = set(), first, (last - first) % count
    for walked in range(0, length + 1, step):
        value = (first - low + walked) % count + low
        expected.add(value)

    assert crontab_parser(count, low).parse(f"{first}-{last}/{step}") == expected


def test_lines_of_a_crontab() -> None:
    """The fields stand in cron's order, which is not that of the arguments."""
    line = crontab.from_string("0 8 1 jan mon")

    assert (line.minute, line.hour, line.day_of_month) == ({0}, {8}, {1})
    assert (line.month_of_year, line.day_of_week) == ({1}, {1})
    with pytest.raises(ParseException, match="there are 4 fields; write five"):
        crontab.from_string("0 8 * *")


def test_how_a_crontab_reads() -> None:
    """In cron's order, as it was written."""
    assert repr(crontab()) == "<crontab: * * * * * (m/h/dM/MY/d)>"
    assert repr(crontab("*/5", day_of_week="mon-fri")) == (
        "<crontab: */5 * * * mon-fri (m/h/dM/MY/d)>"
    )
    assert cronfield(None) == "*"
