"""What a test may claim of a world, and what it is told when that is not so."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from taskq import TaskQ, chain, chord, group
from taskq_testing.world import World


@pytest.fixture
def shop() -> Iterator[Any]:
    app = TaskQ("shop", set_as_current=False)

    @app.task(name="price", bind=True, max_retries=3)
    def price(self: Any, what: Any) -> Any:
        if what == "gone":
            raise ValueError("no such thing")
        if what == "late":
            raise self.retry(countdown=60 * 2**self.request.retries)
        return what

    @app.task(name="total")
    def total(prices: Any) -> Any:
        return prices

    @app.task(name="outer")
    def outer() -> None:
        price.delay("inner")

    yield SimpleNamespace(app=app, price=price, total=total, outer=outer)
    app.close()


@pytest.fixture
def world(shop: Any) -> Iterator[World]:
    with World(shop.app) as world:
        yield world


def told(claim: Any, *args: Any, **kwargs: Any) -> str:
    with pytest.raises(AssertionError) as caught:
        claim(*args, **kwargs)
    return str(caught.value)


def test_published_as_said(shop: Any, world: World) -> None:
    """Every part of a message can be asked for, and each alone can be wrong."""
    due = datetime(2030, 1, 1, 0, 5, tzinfo=UTC)
    shop.price.apply_async(
        ("pen",), queue="mail", eta=due, priority=3, headers={"who": "ann"},
        link=shop.total.s(), link_error=shop.outer.si(),
    )  # fmt: skip
    right: dict[str, Any] = {
        "args": ("pen",), "kwargs": {}, "queue": "mail", "due_in_s": 300, "eta": due,
        "priority": 3, "headers": {"who": "ann"}, "callbacks": ["total"], "errbacks": ["outer"],
        "by": "client", "where": lambda sent: sent.at_s == 0,
    }  # fmt: skip
    wrong: dict[str, Any] = {
        "args": ("ink",), "kwargs": {"n": 1}, "queue": "celery", "due_in_s": 290,
        "eta": due + timedelta(seconds=9), "priority": 4, "headers": {"who": "bob"},
        "callbacks": [], "errbacks": ["total"], "by": "w1", "where": lambda _: False,
    }  # fmt: skip

    assert [sent.args for sent in world.assert_published(shop.price, times=1, **right)] == [["pen"]]
    for name, value in wrong.items():
        assert "'price' with" in told(world.assert_published, "price", **{**right, name: value})


def test_a_tolerance_for_moments(shop: Any, world: World) -> None:
    """``within_s`` says how far a moment may be off."""
    shop.price.apply_async(("pen",), countdown=300)

    world.assert_published("price", due_in_s=310, within_s=10)
    assert "due_in_s is 300, not 310" in told(
        world.assert_published, "price", due_in_s=310, within_s=9
    )


def test_at_once_is_an_eta_of_none(shop: Any, world: World) -> None:
    """``eta=None`` asks for a message that does not wait."""
    shop.price.delay("pen")

    world.assert_published("price", eta=None)
    assert "eta is None, not 2031" in told(
        world.assert_published, "price", eta=datetime(2031, 1, 1, tzinfo=UTC)
    )


def test_a_moment_without_a_zone_is_refused(shop: Any, world: World) -> None:
    """Nobody knows which moment it is."""
    with pytest.raises(ValueError, match="has no zone"):
        world.assert_published("price", eta=datetime.fromisoformat("2031-01-01"))


def test_the_nearest_miss_is_told_with_its_faults(shop: Any, world: World) -> None:
    """And everything that was there."""
    shop.price.delay("pen")
    shop.price.apply_async(("ink",), queue="mail")
    shop.total.delay([])
    text = told(world.assert_published, "price", args=("ink",), queue="post")

    assert "'price' with args=('ink',), queue='post' was not published" in text
    assert "nearest: 00:00:00.000 client: price('ink') on 'mail'\n" in text
    assert "    queue is 'mail', not 'post'" in text
    assert "args is" not in text
    assert text.endswith("client: total([]) on 'celery'")


def test_a_name_that_nothing_has_is_answered_by_the_most_alike(shop: Any, world: World) -> None:
    """A typo is seen."""
    shop.total.delay([])
    shop.price.delay("pen")

    assert "it is 'price'" in told(world.assert_published, "prices")


def test_how_often(shop: Any, world: World) -> None:
    """At least once, unless a number is said."""
    shop.price.delay("pen")
    shop.price.delay("pen")

    assert len(world.assert_published("price")) == 2
    assert "was not published once, but twice" in told(world.assert_published, "price", times=1)
    assert "was not published 3 times, but twice" in told(world.assert_published, "price", times=3)


def test_not_published(shop: Any, world: World) -> None:
    """What must not be there is listed if it is."""
    world.assert_nothing_published()
    shop.price.delay("pen")

    world.assert_not_published("total")
    world.assert_not_published("price", args=("ink",))
    world.assert_nothing_published(but=[shop.price])
    assert "'price' was published once" in told(world.assert_not_published, "price")
    assert "price('pen')" in told(world.assert_nothing_published, but=["total"])


def test_what_a_worker_sends_is_published_too(shop: Any, world: World) -> None:
    """It is told by whom."""
    world.start_worker("w1")
    shop.outer.delay()
    world.run_until_quiet()

    world.assert_published("price", args=["inner"], by="w1", times=1)


def test_executed(shop: Any, world: World) -> None:
    """How often a body began, where, and how it ended."""
    world.start_worker("w1")
    shop.price.delay("pen")
    shop.price.delay("gone")
    world.run_until_quiet()

    world.assert_executed("price", times=2, worker="w1")
    world.assert_executed("price", args=("pen",), ended="succeeded", saying="'pen'", times=1)
    world.assert_executed("price", ended="failed", saying="no such thing", times=1)
    world.assert_not_executed("total")
    world.assert_not_executed("price", args=("ink",))
    assert "ended is 'succeeded', not 'failed'" in told(
        world.assert_executed, "price", args=("pen",), ended="failed"
    )
    assert "'price' was executed twice" in told(world.assert_not_executed, "price")


def test_a_body_that_was_killed_has_no_end(shop: Any, world: World) -> None:
    """``ended=None`` asks for it."""
    world.start_worker("w1")
    world.when("task.start", lambda record: world.kill_process_of(str(record.task_id)))
    shop.price.delay("pen")
    world.run_until_quiet()

    world.assert_executed("price", ended=None, times=1)


def test_order(shop: Any, world: World) -> None:
    """Each began when the one before had ended."""
    world.start_worker("w1")
    chain(shop.price.s("pen"), shop.total.s())()
    world.run_until_quiet()

    world.assert_order("price", shop.total)
    assert "'price' did not begin after 'total'" in told(world.assert_order, "total", "price")
    assert "'outer' did not begin" in told(world.assert_order, "outer")


def test_retried_with_pauses(shop: Any, world: World) -> None:
    """The pauses of one call, in order."""
    world.start_worker("w1")
    shop.price.delay("late")
    shop.price.delay("pen")
    world.run_until_quiet()

    world.assert_retried("price", delays_s=[60, 120, 240], times=3)
    world.assert_published("price", times=2)
    world.assert_not_retried("total")
    text = told(world.assert_retried, "price", delays_s=[60, 60, 60])
    assert "after [60, 60, 60] s" in text
    assert "after [60.0, 120.0, 240.0] s" in text
    assert "'price' was retried" in told(world.assert_not_retried, "price")


def test_chained(shop: Any, world: World) -> None:
    """All steps in order, and no others; a signature says its arguments too."""
    chain(shop.price.s("pen"), shop.total.s(), shop.outer.si())()

    world.assert_chained("price", shop.total, shop.outer.si())
    world.assert_chained(shop.price.s("pen"), "total", "outer")
    world.assert_not_chained("total")
    assert "no chain price -> total was published" in told(world.assert_chained, "price", "total")
    assert "then total, then outer" in told(world.assert_chained, shop.price.s("ink"), "total")
    assert "was chained" in told(world.assert_not_chained, "price")


def test_grouped_and_chorded(shop: Any, world: World) -> None:
    """The members by their place; a chord is no group, and a group no chord."""
    group(shop.price.s("a"), shop.price.s("b"))()
    world.assert_grouped(shop.price.s("a"), shop.price.s("b"))
    assert "groups and chords" in told(world.assert_chorded, ["price", "price"], "total")
    with world.afresh():
        chord([shop.price.s("c"), shop.price.s("d")])(shop.total.s())

        world.assert_chorded(["price", shop.price.s("d")], shop.total)
        text = told(world.assert_chorded, ["price"], "total")
        assert "no chord [price] with the body total was published" in text
        assert "[price('c'), price('d')] with the body total" in text
        assert "no group" in told(world.assert_grouped, "price", "price")


def test_a_block_looks_at_what_follows(shop: Any, world: World) -> None:
    """``afresh`` forgets what was before, for its block."""
    shop.price.delay("pen")
    with world.afresh():
        world.assert_nothing_published()
        shop.total.delay([])
        world.assert_published("total")

    world.assert_published("price")


@pytest.mark.parametrize("serializer", ["pickle", "yaml", "msgpack"])
def test_bodies_of_every_kind_are_read(shop: Any, world: World, serializer: str) -> None:
    """Compressed ones too."""
    shop.price.apply_async(("pen",), serializer=serializer, compression="zlib")

    world.assert_published("price", args=("pen",))
