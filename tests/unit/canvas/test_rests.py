"""The rest of a long chain, in a message and in windows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskq.canvas.rests import REST_TASK, Ref, find, part, read_ref, ref_of, spliced, touched

FIRST = Ref("r", 0, 0, "application/json", "utf-8", 100.0)


def step(name: str, **options: Any) -> dict[str, Any]:
    return {"task": name, "args": [], "kwargs": {}, "options": {"task_id": name, **options}}


def chain_of(length: int, of: str = "s") -> list[dict[str, Any]]:
    """A chain as it travels, the last step in front."""
    return [step(f"{of}{at}") for at in range(length)][::-1]


def walk(chain: list[Any], windows: list[list[Any]]) -> Iterator[tuple[str, int]]:
    """Send one step after the other; yields its name, and how much travels in its message."""
    while chain:
        if (ref := ref_of(chain[-1])) is not None:
            chain = spliced(chain, windows[ref.window], 200.0)
            continue
        following = chain[-1]
        chain = chain[:-1]
        yield following["task"], len(chain)


@given(st.integers(2, 200), st.integers(1, 20), st.booleans())
def test_every_step_comes_once_in_its_order(length: int, size: int, last_travels: bool) -> None:
    """And no message has more than a window, a marker and the last step in it."""
    chain = chain_of(length)
    if length - last_travels <= size:
        return
    parted = part(chain, size, FIRST, {}, last_travels=last_travels)
    sent = list(walk(parted.chain, parted.windows))

    assert [name for name, _ in sent] == [f"s{at}" for at in range(length)]
    assert max(travels for _, travels in sent) <= size + 1
    assert all(len(window) <= size + 1 for window in parted.windows)


@given(st.integers(3, 60), st.integers(3, 60), st.integers(1, 7))
def test_a_chain_may_be_parted_twice(length: int, more: int, size: int) -> None:
    """A step that is replaced by another long chain puts that in front of what there is."""
    if min(length, more) <= size + 1:
        return
    once = part(chain_of(length), size, FIRST, {}, last_travels=True)
    longer = [*once.chain, *chain_of(more, "new")]
    again = FIRST._replace(rest="r2")
    twice = part(longer, size, again, {}, last_travels=True)

    names, chain = [], list(twice.chain)
    while chain:
        if (ref := ref_of(chain[-1])) is not None:
            windows = once.windows if ref.rest == "r" else twice.windows
            chain = spliced(chain, windows[ref.window], 1.0)
        else:
            names.append(chain.pop()["task"])
            assert len(chain) <= 2 * size + 2
    assert names == [f"new{at}" for at in range(more)] + [f"s{at}" for at in range(length)]


def test_a_marker_speaks_for_the_step_behind_it() -> None:
    """It tells those whom that one would tell, but goes where it is understood."""
    told = step("told")
    stamps = {"stamped_headers": ["who"], "who": "me"}
    chain = [
        step("c"),
        step("b", queue="theirs", link_error=[told], countdown=5, **stamps),
        step("a"),
    ]
    marker = part(chain, 1, FIRST, {"queue": "q"}, last_travels=True).chain[1]

    assert marker["task"] == REST_TASK
    assert marker["options"] == {
        "task_id": "r.0",
        "queue": "q",
        "link_error": [told],
        **stamps,
    }


def test_a_marker_says_when_its_rest_was_renewed() -> None:
    """And nothing else of the chain changes."""
    chain = part(chain_of(9), 2, FIRST, {}, last_travels=True).chain
    renewed = touched(chain, 500.0)

    assert (find(chain), find(renewed)) == (
        FIRST._replace(of=3),
        FIRST._replace(of=3, kept_s=500.0),
    )
    assert [renewed[0], *renewed[2:]] == [chain[0], *chain[2:]]


@pytest.mark.parametrize(
    "found",
    [
        None,
        {},
        {"rest": "r"},
        {**FIRST._asdict(), "window": "0"},
        {**FIRST._asdict(), "more": 1},
        [1],
    ],
)
def test_what_is_no_reference_is_none(found: Any) -> None:
    """A stranger may have written it."""
    assert read_ref(found) is None
    assert ref_of({"task": REST_TASK, "kwargs": found}) is None


def test_other_steps_refer_to_nothing() -> None:
    """Whatever they are."""
    assert ref_of("a") is None
    assert ref_of(step("a")) is None
    assert find(chain_of(3)) is None
    assert find([]) is None
