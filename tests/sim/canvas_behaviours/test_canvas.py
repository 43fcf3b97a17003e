"""The rows of area ``canvas``."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from taskq import GroupResult, chain, chord, group
from taskq.app.result import AsyncResult
from taskq_testing import World

Tasks = SimpleNamespace


def ids_started(world: World, name: str) -> list[Any]:
    return [record.task_id for record in world.trace.find("task.start", task=name)]


def test_chain_result_tree(t: Tasks, world: World) -> None:
    """The call returns the last result; ``parent`` walks back; the first has none."""
    last = chain(t.add.s(1, 2), t.add.s(3), t.add.s(4))()

    assert last.get() == 10
    assert (last.parent.get(), last.parent.parent.get()) == (6, 3)
    assert last.parent.parent.parent is None


def test_chain_with_a_failing_middle(t: Tasks, world: World) -> None:
    """Who waits for the last gets what the middle raised; later steps are stored as failed."""
    last = chain(t.add.s(1, 2), t.fail.s(), t.add.s(1), t.add.s(1))()

    with pytest.raises(ValueError, match="no"):
        last.get()
    world.run_until_quiet()
    states = [each.state for each in (last, last.parent, last.parent.parent)]
    assert states == ["FAILURE"] * 3
    assert [repr(each.result) for each in (last, last.parent)] == ["ValueError('no')"] * 2
    assert last.parent.parent.parent.state == "SUCCESS"


def test_chain_apply_async_countdown(t: Tasks, world: World) -> None:
    """Delays only the first step."""
    result = chain(t.add.s(1, 2), t.add.s(3)).apply_async(countdown=60)

    assert result.get() == 6
    first, second = world.trace.find("task.start")
    assert first.at_s >= 60
    assert second.at_s - first.at_s < 1


def test_chain_apply_async_expires(t: Tasks, world: World) -> None:
    """It is said to the first step, and a chain that has expired there does not run at all."""
    kept = chain(t.add.s(1, 2), t.add.s(3)).apply_async(expires=60)
    assert kept.get() == 6

    world.stop_worker("w1")
    world.run_until_quiet()
    late = chain(t.add.s(1, 2), t.add.s(3)).apply_async(expires=60)
    world.run_for(61)
    world.start_worker("w2")
    world.run_until_quiet()

    assert late.parent.state == "REVOKED"
    assert len(world.trace.find("task.start")) == 2


@pytest.mark.parametrize("way", ["link_error", "on_error"])
def test_chain_link_and_link_error(t: Tasks, world: World, told: list[Any], way: str) -> None:
    """``link`` fires once after the last step; an errback fires once, for the step that fails."""
    good = chain(t.add.s(1, 2), t.add.s(3))
    good.link(t.tell.s())
    assert good().get() == 6
    world.run_until_quiet()
    assert told == [(6,)]

    told.clear()
    bad = chain(t.add.s(1, 2), t.fail.s(), t.add.s(1))
    getattr(bad, way)(t.old_style.s())
    result = bad()
    world.run_until_quiet()

    assert told == [result.parent.id]


def test_group_of_one_then_task(t: Tasks, world: World) -> None:
    """Still a chord: the callback gets a list of one."""
    assert (group(t.add.s(1, 2)) | t.same.s())().get() == [3]


def test_chord_of_one(t: Tasks, world: World) -> None:
    """Its body gets a list of one."""
    assert chord([t.add.s(1, 2)])(t.same.s()).get() == [3]


def test_chord_with_empty_header(t: Tasks, world: World) -> None:
    """Its body runs at once with an empty list."""
    assert chord([])(t.same.s()).get() == []


def test_empty_group(t: Tasks, world: World) -> None:
    """No members; it is ready and successful, and its value is an empty list."""
    result = group()()

    assert isinstance(result, GroupResult)
    assert (len(result), result.ready(), result.successful(), result.get()) == (0, True, True, [])


def test_empty_chain(t: Tasks, world: World) -> None:
    """Calling it gives None."""
    assert chain()() is None


def test_chain_of_one(t: Tasks, world: World) -> None:
    """It stays a chain; calling it gives the result of one task."""
    one = chain(t.add.s(1, 2))
    result = one()

    assert isinstance(one, chain)
    assert type(result).__mro__[1] is AsyncResult or type(result) is AsyncResult
    assert (result.get(), result.parent) == (3, None)


def test_task_then_group(t: Tasks, world: World) -> None:
    """A chain; calling it gives the result of the group, with the first result before it."""
    canvas = t.add.s(1, 2) | group(t.add.s(1), t.add.s(2))
    result = canvas()

    assert isinstance(canvas, chain)
    assert isinstance(result, GroupResult)
    assert (result.get(), result.parent.get()) == ([4, 5], 3)


def test_group_then_group(t: Tasks, world: World) -> None:
    """A chord with a group as its body; its result is that of the group."""
    canvas = group(t.add.s(1, 2), t.add.s(3, 4)) | group(t.total.s(), t.same.s())
    result = canvas()

    assert isinstance(canvas, chord)
    assert isinstance(result, GroupResult)
    assert result.get() == [10, [3, 7]]


def test_chord_then_task(t: Tasks, world: World) -> None:
    """The task is chained to the chord's body."""
    canvas = chord([t.add.s(1, 2)], t.total.s()) | t.add.s(10)

    assert isinstance(canvas, chord)
    assert [step.task for step in canvas.body.tasks] == ["total", "add"]
    assert canvas().get() == 13


def test_group_inside_a_group(t: Tasks, world: World) -> None:
    """One result with plain members; the indexes count on (in the reference they collide)."""
    result = group(group(t.add.s(1), t.add.s(2)), t.add.s(3))()

    assert result.get() == [1, 2, 3]
    assert all(type(each) is type(result[0]) for each in result)


def test_group_inside_a_chord_header(t: Tasks, world: World) -> None:
    """Its members are members of the header, in order (in the reference in reverse)."""
    assert chord([group(t.add.s(2), t.add.s(4)), t.add.s(6)])(t.same.s()).get() == [2, 4, 6]


def test_chain_inside_a_chord_header(t: Tasks, world: World) -> None:
    """Only its last step counts as a member."""
    header = [t.add.s(1) | t.add.s(10), t.add.s(2)]

    assert chord(header)(t.same.s()).get() == [11, 2]


def test_group_link(t: Tasks) -> None:
    """Given to the first member only, as an immutable one."""
    canvas = group(t.add.s(1), t.add.s(2))
    canvas.link(t.tell.s())

    first, second = canvas.tasks
    assert first.options["link"] == [t.tell.si()]
    assert "link" not in second.options


def test_group_link_error(t: Tasks, world: World, told: list[Any]) -> None:
    """Given to every member."""
    canvas = group(t.fail.s(), t.add.s(2), t.fail.s())
    canvas.link_error(t.old_style.s())
    result = canvas()
    world.run_until_quiet()

    assert sorted(told) == sorted([result[0].id, result[2].id])


@pytest.mark.parametrize("option", ["link", "link_error"])
def test_group_apply_async_with_links(t: Tasks, option: str) -> None:
    """Refused."""
    with pytest.raises(TypeError, match=option):
        group(t.add.s(1)).apply_async(**{option: t.tell.s()})


def test_duplicate_link(t: Tasks, world: World, told: list[Any]) -> None:
    """An equal signature is kept, and runs, once."""
    sig = t.add.s(1, 2)
    sig.link(t.tell.s())
    sig.link(t.tell.s())
    sig.delay()
    world.run_until_quiet()

    assert told == [(3,)]
