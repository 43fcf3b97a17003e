"""``world.drain``: a part of what waits is run, the rest stays."""

from __future__ import annotations

import math
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from taskq import TaskQ, chain, chord
from taskq_testing.world import World


@pytest.fixture
def shop() -> Iterator[Any]:
    app = TaskQ("shop", set_as_current=False)
    app.conf.task_queues = {name: {} for name in ("celery", "mail")}

    @app.task(name="note")
    def note(what: Any) -> Any:
        if what == "bad":
            raise ValueError(what)
        if what == "more":
            note.delay("less")
        return what

    @app.task(name="sum")
    def total(them: Any) -> Any:
        return them

    yield SimpleNamespace(app=app, note=note, total=total)
    app.close()


@pytest.fixture(params=["redis", "rabbitmq"])
def world(shop: Any, request: pytest.FixtureRequest) -> Iterator[World]:
    with World(shop.app, broker=request.param) as world:
        yield world


def length(world: World, queue: str) -> int:
    return world.ports("client").broker.length(queue)


def args_of(drained: Any) -> list[Any]:
    return [run.args for run in drained.runs]


def test_all_of_it(shop: Any, world: World) -> None:
    """With what is sent meanwhile; how it ended is counted."""
    shop.note.delay("more")
    shop.note.delay("bad")
    shop.note.apply_async(("a",), queue="mail")
    drained = world.drain()

    assert (len(drained), drained.succeeded, drained.failed, drained.retried) == (4, 3, 1, 0)
    assert "note('bad') -> failed: ValueError('bad')" in str(drained)
    assert not world.workers


def test_one_queue(shop: Any, world: World) -> None:
    """Others keep theirs."""
    shop.note.delay("a")
    shop.note.apply_async(("b",), queue="mail")

    assert args_of(world.drain("mail")) == [["b"]]
    assert length(world, "celery") == 1


def test_no_more_than_said(shop: Any, world: World) -> None:
    """The rest waits where it was, in its order."""
    for number in range(5):
        shop.note.delay(number)

    assert args_of(world.drain(limit=2)) == [[0], [1]]
    assert length(world, "celery") == 3
    assert args_of(world.drain(limit=10)) == [[2], [3], [4]]


def test_what_is_due(shop: Any, world: World) -> None:
    """What waits for its time waits on, unless it is due by the moment that was said."""
    shop.note.apply_async(("far",), countdown=7200)
    shop.note.apply_async(("near",), countdown=60)
    shop.note.delay("now")

    assert args_of(world.drain()) == [["now"]]
    assert world.now_s < 60
    assert args_of(world.drain(due_by_s=3600)) == [["near"]]
    assert args_of(world.drain(due_by_s=math.inf)) == [["far"]]


def test_one_workflow(shop: Any, world: World) -> None:
    """Chains and chords to their end, and nobody else's tasks."""
    shop.note.delay("other")
    chained = chain(shop.note.s("a"), shop.note.si("b"))()
    chorded = chord([shop.note.s("c"), shop.note.s("d")])(shop.total.s())
    shop.note.apply_async(("later",), countdown=5)

    assert args_of(world.drain(workflow=chained)) == [["a"], ["b"]]
    assert args_of(world.drain(workflow=chorded))[-1] == [["c", "d"]]
    assert sorted(map(str, args_of(world.drain(due_by_s=10)))) == ["['later']", "['other']"]


def test_nobody_drains_beside_workers(shop: Any, world: World) -> None:
    """They would take what is meant for it."""
    world.start_worker("w1")

    with pytest.raises(ValueError, match=r"without workers; these run: w1"):
        world.drain()
