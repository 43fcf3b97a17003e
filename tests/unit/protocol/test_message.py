"""Task messages: round trips, minimal forms, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskq.errors import InvalidTaskError
from taskq.protocol.message import Call, read, to_v1, to_v2, upgrade_v1

NAMES = st.text(min_size=1, max_size=8)
MAYBE = st.none() | NAMES
COUNTS = st.integers(0, 10**6)
VALUES = st.none() | st.booleans() | st.integers() | st.text(max_size=5)
KWARGS = st.dictionaries(NAMES, VALUES, max_size=3)
SIGS = st.fixed_dictionaries({"task": NAMES, "args": st.lists(VALUES, max_size=2)})
MAYBE_SIGS = st.none() | st.lists(SIGS, max_size=2)
LIMITS = st.none() | st.integers(1, 100)
CUSTOM = st.dictionaries(NAMES.map(lambda name: f"my-{name}"), VALUES, max_size=2)

CALLS = st.builds(
    Call,
    task=NAMES,
    id=NAMES,
    args=st.lists(VALUES, max_size=3).map(tuple),
    kwargs=KWARGS,
    eta=MAYBE,
    expires=MAYBE,
    retries=COUNTS,
    callbacks=MAYBE_SIGS,
    errbacks=MAYBE_SIGS,
    chain=MAYBE_SIGS,
    chord=st.none() | SIGS,
    group=MAYBE,
    group_index=st.none() | COUNTS,
    root_id=NAMES,
    parent_id=MAYBE,
    timelimit=st.tuples(LIMITS, LIMITS),
    shadow=MAYBE,
    argsrepr=st.text(max_size=5),
    kwargsrepr=st.text(max_size=5),
    origin=MAYBE,
    ignore_result=st.none() | st.booleans(),
    replaced_task_nesting=COUNTS,
    stamped_headers=st.none() | st.lists(NAMES, max_size=2),
    stamps=KWARGS,
    headers=CUSTOM,
    reply_to=MAYBE,
    correlation_id=NAMES,
    priority=st.none() | st.integers(0, 9),
    delivery_mode=st.sampled_from([1, 2]),
    expiration_ms=st.none() | COUNTS,
    properties=CUSTOM,
)


@given(CALLS)
def test_protocol_2_says_everything(call: Call) -> None:
    """Reading what was built gives the same call."""
    assert read(*to_v2(call)) == call


@given(CALLS)
def test_protocol_1_says_what_it_can(call: Call) -> None:
    """Reading what was built gives the call, less what protocol 1 has no place for."""
    carried = replace(
        call,
        chain=None,
        root_id=call.id,
        parent_id=None,
        shadow=None,
        argsrepr=None,
        kwargsrepr=None,
        origin=None,
        ignore_result=False,
        replaced_task_nesting=0,
        stamped_headers=None,
        stamps={},
        headers={},
    )

    found = read(*to_v1(call))

    assert replace(found, argsrepr=None, kwargsrepr=None) == carried


@given(CALLS)
def test_building_changes_nothing_and_shares_no_headers(call: Call) -> None:
    """Two messages of one call are equal, and changing one leaves the other and the call alone."""
    first, second = to_v2(call), to_v2(call)

    first.headers["task"] = first.properties["reply_to"] = "changed"
    first.headers["stamps"]["changed"] = True

    assert second == to_v2(call)


def test_reprs_are_made_where_none_are_given() -> None:
    """Without texts of its own a call is shown by its arguments."""
    headers = to_v2(Call("t", "1", (2, 3), {"a": 1})).headers

    assert (headers["argsrepr"], headers["kwargsrepr"]) == ("(2, 3)", "{'a': 1}")


def test_a_call_without_root_is_its_own() -> None:
    """The root of a call that has none is the call."""
    headers, properties, _ = to_v2(Call("t", "1"))

    assert (headers["root_id"], properties["correlation_id"]) == ("1", "1")


def test_mappings_of_other_kinds_become_dictionaries() -> None:
    """What goes to a codec is a plain dictionary."""
    from types import MappingProxyType

    body = to_v2(Call("t", "1", kwargs=MappingProxyType({"a": 1}))).body

    assert type(body[1]) is dict


# -- what is accepted ----------------------------------------------------------------------------


def test_a_minimal_message_of_protocol_2_is_enough() -> None:
    """Task, id and lang, and a body of args, kwargs and an empty embed."""
    call = read({"task": "t", "id": "1", "lang": "py"}, {}, [[2], {"a": 3}, {}])

    assert call == replace(Call("t", "1", (2,), {"a": 3}), ignore_result=None, priority=None)


def test_a_minimal_message_of_protocol_1_is_enough() -> None:
    """Task, id and args."""
    call = read({}, {}, {"task": "t", "id": "1", "args": [2]})

    assert (call.task, call.id, call.args, call.kwargs) == ("t", "1", (2,), {})


def test_headers_of_protocol_2_go_with_a_body_of_protocol_1() -> None:
    """In the hybrid the headers say what, the body says with what."""
    body = {"args": [1], "kwargs": {"b": 2}, "callbacks": [{"task": "c"}], "task": "ignored"}

    call = read({"task": "t", "id": "1"}, {}, body)

    assert (call.task, call.args, call.kwargs) == ("t", (1,), {"b": 2})
    assert call.callbacks == [{"task": "c"}]


def test_an_old_name_of_the_group_is_read() -> None:
    """Protocol 1 called a group a taskset."""
    headers, _ = upgrade_v1({"task": "t", "id": "1", "taskset": "g"})

    assert headers["group"] == "g"


def test_what_transports_add_is_not_taken_for_the_callers() -> None:
    """Compression and the tracks of brokers do not go on with a retry."""
    headers = {"task": "t", "id": "1", "compression": "x", "x-death": [], "mine": 1}
    properties = {"delivery_tag": "t", "body_encoding": "base64", "mine": 2}

    call = read(headers, properties, [[], {}, None])

    assert (call.headers, call.properties) == ({"mine": 1}, {"mine": 2})


@pytest.mark.parametrize("expiration", ["soon", [], object()])
def test_an_expiration_that_is_no_number_is_none(expiration: Any) -> None:
    """A broker's own property cannot make a task unreadable."""
    call = read({"task": "t", "id": "1"}, {"expiration": expiration}, [[], {}, {}])

    assert call.expiration_ms is None


# -- what is refused -----------------------------------------------------------------------------

HEADERS = {"task": "t", "id": "1"}


@pytest.mark.parametrize(
    ("headers", "body", "said"),
    [
        ({}, [1], "no 'task' in the headers, and the body is a list of 1"),
        ({}, "text", "the body is of type str"),
        ({}, {"id": "1"}, "'task' in its body is None"),
        ({}, {"task": "t"}, "message for task 't': 'id' in its body is None"),
        ({"task": "", "id": "1"}, [[], {}, {}], "'task' in its headers is ''"),
        ({"task": "t"}, [[], {}, {}], "'id' in its headers is None"),
        ({"task": "t", "id": 7}, [[], {}, {}], "'id' in its headers is 7"),
        (HEADERS, [[], {}], "its body is a list of 2, not a list of args, kwargs and embed"),
        (HEADERS, 5, "its body is of type int"),
        (HEADERS, ["ab", {}, {}], "its args are of type str, not a list"),
        (HEADERS, [[], [], {}], "its kwargs are a list of 0, not a mapping"),
        (HEADERS, [[], {}, [1]], "its embed is a list of 1, not a mapping"),
        ({**HEADERS, "retries": "2"}, [[], {}, {}], "its retries is of type str"),
        ({**HEADERS, "timelimit": [1]}, [[], {}, {}], "its timelimit is a list of 1"),
        ({**HEADERS, "timelimit": 5}, [[], {}, {}], "its timelimit is of type int"),
    ],
)
def test_what_is_no_task_is_refused_with_a_reason(
    headers: dict[str, Any], body: Any, said: str
) -> None:
    """The error says what is wrong, and with which task."""
    with pytest.raises(InvalidTaskError) as caught:
        read(headers, {}, body)

    assert said in str(caught.value)


@given(st.recursive(VALUES, lambda inner: st.lists(inner) | st.dictionaries(NAMES, inner)))
def test_any_body_is_read_or_refused(body: Any) -> None:
    """Nothing that can be decoded raises anything but ``InvalidTaskError``."""
    for headers in ({}, HEADERS):
        try:
            read(headers, {}, body)
        except InvalidTaskError:
            continue
