"""What users can write with signatures, and what comes of it: all of it, in the simulated world.

The same canvases run with real workers in ``tests/real/canvas/test_surface.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from taskq import GroupResult
from taskq_testing import World
from taskq_testing.checks.registry import run_checks
from tests.real.programs import load

PROGRAM = Path(__file__).parents[1] / "real" / "canvas"
Make = Callable[..., World]


@pytest.fixture(scope="module")
def program() -> Iterator[Any]:
    """The app with its tasks and cases."""
    with pytest.MonkeyPatch.context() as patch:
        module = load("surface", PROGRAM, {}, patch)
        yield module
        module.app.close()


def cases() -> list[str]:
    with pytest.MonkeyPatch.context() as patch:
        return list(load("surface", PROGRAM, {}, patch).CASES)


@pytest.mark.parametrize("broker", ["redis", "rabbitmq"])
@pytest.mark.parametrize("case", cases())
def test_it_comes_to_what_it_says(program: Any, taskq_world: Make, case: str, broker: str) -> None:
    """By ``delay``; the standing promises hold, and nothing is left."""
    make, expected = program.CASES[case]
    world = taskq_world(program.app, broker=broker)
    world.start_worker("w1")

    assert make().delay().get() == expected
    world.run_until_quiet()
    assert run_checks(world) == []


# These have no place to be sent to, or go on with what runs.
NOT_EAGER = {"add_to_chord"}


@pytest.mark.parametrize("case", [case for case in cases() if case not in NOT_EAGER])
def test_it_comes_to_the_same_without_a_worker(program: Any, case: str) -> None:
    """By ``apply``, in this thread."""
    make, expected = program.CASES[case]

    assert make().apply().get() == expected


@pytest.mark.parametrize("case", cases())
def test_it_is_left_as_it_was_when_it_is_sent(program: Any, taskq_world: Make, case: str) -> None:
    """So it can be sent again, under other ids; and its tree and its text can be shown."""
    make, expected = program.CASES[case]
    world = taskq_world(program.app)
    world.start_worker("w1")
    sig = make()
    before = program.json_of(sig)
    first, second = sig.delay(), sig.delay()

    assert first.get() == second.get() == expected
    assert program.json_of(sig) == before
    assert first.id != second.id
    assert repr(sig)
    assert sig.tree()


def test_a_frozen_canvas_is_sent_under_its_ids(program: Any, taskq_world: Make) -> None:
    """``freeze`` tells the ids of all of it before it is sent."""
    taskq_world(program.app).start_worker("w1")
    sig = program.add.s(1) | program.group(program.add.s(1), program.add.s(2)) | program.total.s()
    frozen = sig.freeze()
    sent = sig.delay()

    assert sent.as_tuple() == frozen.as_tuple()
    assert frozen.get() == 5


def test_a_tilde_sends_and_waits(program: Any, taskq_world: Make) -> None:
    """Of any kind."""
    taskq_world(program.app).start_worker("w1")

    assert ~program.add.s(1, 2) == 3
    assert ~(program.add.s(1) | program.add.s(2)) == 3
    assert ~program.group(program.add.s(1)) == [1]


def test_a_call_of_a_signature_is_a_call_of_its_task(program: Any) -> None:
    """Without a message, where it is one task."""
    assert program.add.s(1)(2) == 3


def test_a_trail_may_be_left_by_hand(program: Any, taskq_world: Make) -> None:
    """``add_trail`` makes a result a child of the task."""
    taskq_world(program.app).start_worker("w1")
    result = program.trail.delay()
    result.get()

    assert result.children == [program.app.AsyncResult("left-by-hand")]


def test_then_is_called_when_it_is_known_here(program: Any, taskq_world: Make) -> None:
    """For a task and for a group, once."""
    taskq_world(program.app).start_worker("w1")
    seen: list[Any] = []
    one, many = program.add.delay(1, 2), program.group(program.add.s(1), program.add.s(2)).delay()
    one.then(lambda result: seen.append(result.result))
    many.then(lambda result: seen.append(result.get()))
    one.get()
    many.get()

    assert seen == [3, [1, 2]]


def test_results_travel_as_tuples(program: Any, taskq_world: Make) -> None:
    """And come back with their parents, also from an id or a saved group."""
    app = program.app
    taskq_world(app).start_worker("w1")
    result = (program.add.s(1) | program.group(program.add.s(1), program.add.s(2))).delay()
    again = program.app.backend.decode(app.backend.encode(result.as_tuple()))
    found = app.GroupResult.restore(result.save().id)

    assert isinstance(found, GroupResult)
    assert found == result
    assert found.get() == [2, 3]
    assert found.parent.get() == 1
    assert program.result_from_tuple(again, app) == result
    found.delete()
    assert app.GroupResult.restore(result.id) is None


def test_a_group_is_revoked_as_a_whole(program: Any, taskq_world: Make) -> None:
    """Members that have not begun do not begin."""
    world = taskq_world(program.app)
    result = program.group(program.add.s(1), program.add.s(2)).delay()
    result.revoke()
    world.start_worker("w1")
    world.run_until_quiet()

    assert [each.state for each in result] == ["REVOKED", "REVOKED"]


ELECTED = ["s", "chain", "group", "chord", "map", "chunks", "stamped chain"]


@pytest.mark.parametrize("case", ELECTED)
def test_one_of_many_workers_sends_what_is_elected(
    program: Any, taskq_world: Make, case: str
) -> None:
    """Whatever kind it is, once, under the ids that the caller has."""
    make, expected = program.CASES[case]
    world = taskq_world(program.app)
    for name in "abc":
        world.start_worker(name, heartbeat_interval=2)
    world.run_for(10)
    sig = make()
    before = program.json_of(sig)
    result = sig.election()
    world.run_for(20)

    assert result.get() == expected
    assert program.json_of(sig) == before
    names = [record.facts["task"] for record in world.trace.find("task.start")]
    assert len(names) == {"s": 1, "chain": 3, "group": 2, "chord": 3, "map": 1, "chunks": 3}.get(
        case, 2
    )
