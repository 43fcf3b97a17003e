"""Metas of tasks, groups and parts of chords."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskq.errors import DecodeError, RemoteError
from taskq.protocol.result import (
    ResultTree,
    chord_part,
    pending_meta,
    read_chord_part,
    read_group_meta,
    read_meta,
    read_tree,
    started_info,
    task_meta,
)

NOW = "2026-11-20T09:00:50.759363+00:00"


@pytest.mark.parametrize(
    ("state", "date"),
    [
        ("SUCCESS", NOW),
        ("FAILURE", NOW),
        ("REVOKED", NOW),
        ("RETRY", None),
        ("STARTED", None),
        ("PROGRESS", None),
    ],
)
def test_only_final_states_have_a_date(state: str, date: str | None) -> None:
    """``date_done`` is null until the task is done."""
    assert task_meta("1", state, None, date_done=NOW)["date_done"] == date


def test_an_exception_in_a_state_of_the_users_own_is_left_alone() -> None:
    """Only exception states hold exceptions as data."""
    error = ValueError()

    assert task_meta("1", "PROGRESS", error)["result"] is error
    assert task_meta("1", "FAILURE", error)["result"]["exc_type"] == "ValueError"


def test_a_task_that_never_started_has_no_children() -> None:
    """Recorded for tasks that were revoked in the queue: null, not an empty list."""
    assert task_meta("1", "REVOKED", None, children=None)["children"] is None


def test_started_says_where() -> None:
    """As recorded."""
    assert started_info(7, "w@h") == {"pid": 7, "hostname": "w@h"}


def test_nothing_stored_reads_as_pending() -> None:
    """A task of which nothing is known waits, or never was."""
    assert read_meta(pending_meta("1"))["status"] == "PENDING"


def test_a_failure_is_read_as_an_exception() -> None:
    """By default with classes that are loaded; else with those the caller finds."""
    meta = task_meta("1", "FAILURE", KeyError("k"))

    assert isinstance(read_meta(meta)["result"], KeyError)
    assert isinstance(read_meta(meta, lambda module, name: None)["result"], RemoteError)
    assert read_meta({"status": "RETRY", "result": None})["result"] is None


@pytest.mark.parametrize("meta", [None, [], {}, {"status": 1}])
def test_what_is_no_meta_is_refused(meta: Any) -> None:
    """A store may hold anything under a key."""
    with pytest.raises(DecodeError, match="not the meta of a task"):
        read_meta(meta)


IDS = st.text(min_size=1, max_size=5)
TREES = st.recursive(
    st.builds(ResultTree, IDS),
    lambda inner: st.builds(
        ResultTree, IDS, st.none() | inner, st.none() | st.lists(inner, max_size=3).map(tuple)
    ),
    max_leaves=6,
)


@given(TREES)
def test_a_tree_of_results_survives_json(tree: ResultTree) -> None:
    """Ids, parents and members come back."""
    assert read_tree(json.loads(json.dumps(tree.as_tuple()))) == tree


def test_an_id_alone_is_a_task() -> None:
    """An old form."""
    assert read_tree("1") == ResultTree("1")


@pytest.mark.parametrize("data", [None, [], [["1"], None], [[7, None], None], {"a": 1}, 5])
def test_what_is_no_tree_is_refused(data: Any) -> None:
    """The error is one of decoding, whatever came."""
    with pytest.raises(DecodeError, match="result tuple"):
        read_tree(data)


@pytest.mark.parametrize("data", [None, {}, {"result": None}])
def test_what_is_no_group_is_refused(data: Any) -> None:
    """A group that was never saved is not an empty one."""
    with pytest.raises(DecodeError, match="meta of a group"):
        read_group_meta(data)


def test_a_part_of_a_chord_keeps_a_failure_as_data() -> None:
    """As recorded: 1, id, state, result."""
    part = chord_part("1", "FAILURE", ValueError("boom"))

    assert part[:3] == [1, "1", "FAILURE"]
    assert read_chord_part(part) == ("1", "FAILURE", part[3])
    assert part[3]["exc_message"] == ["boom"]
    assert chord_part("1", "SUCCESS", 5) == [1, "1", "SUCCESS", 5]


@pytest.mark.parametrize("data", [None, [2, "1", "SUCCESS", 1], [1, 2], "abcd"])
def test_what_is_no_part_of_a_chord_is_refused(data: Any) -> None:
    """Other forms may follow one day."""
    with pytest.raises(DecodeError, match="part of a chord"):
        read_chord_part(data)
