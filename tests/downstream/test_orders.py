"""Orders: workflows, money, what must not happen twice."""

from __future__ import annotations

import pytest


def test_an_order_reserves_everything_and_ships_once(world, shop, outside):
    """A chord: the parts in any order, then the body."""
    world.start_worker("w1")
    shop.tasks["shop.order"].delay("o1", {"pen": 2, "ink": 3})
    world.run_until_quiet()

    world.assert_chorded(["shop.reserve", "shop.reserve"], "shop.ship")
    world.assert_executed("shop.ship", ended="succeeded", times=1)
    world.assert_order("shop.reserve", "shop.ship")
    assert outside.stock == {"pen": 8, "ink": 7}


def test_an_order_tells_the_customer(world, shop, outside):
    """What a task sends can be asked for as what a test sends."""
    world.start_worker("w1")
    shop.tasks["shop.order"].delay("o1", {"pen": 1, "ink": 1})
    world.run_until_quiet()

    world.assert_published("shop.mail", args=["o1@customers"], queue="mail", by="w1", times=1)
    assert outside.mails == ["o1@customers"]


def test_a_sale_is_a_chain(world, shop):
    """First the money, then the mail; the shape is known before anything runs."""
    shop.sell("o1", 500).delay()

    world.assert_chained("shop.charge", "shop.mail")
    world.assert_published("shop.charge", args=["o1", 500], errbacks=["shop.refund"])
    world.assert_not_executed("shop.charge")


def test_a_sale_charges_and_mails(world, shop, outside):
    """To the end of the chain."""
    world.start_worker("w1")
    assert shop.sell("o1", 500).delay().get() == "o1@customers"

    world.assert_order("shop.charge", "shop.mail")
    assert outside.charges == {"o1": 500}


def test_a_refused_card_is_refunded_and_nobody_is_mailed(world, shop, outside):
    """The errback runs, the rest of the chain does not."""
    world.start_worker("w1")
    shop.sell("o1", 200_000).delay()
    world.run_until_quiet()

    world.assert_executed("shop.charge", ended="failed", saying="CardRefused", times=1)
    world.assert_executed("shop.refund", times=1)
    world.assert_not_published("shop.mail")


def test_nothing_is_sent_for_nothing(world):
    """A test that only looks."""
    world.assert_nothing_published()


@pytest.mark.parametrize("moment", ["task.start", "task.end"])
def test_a_payment_is_taken_once_though_its_worker_dies(world, shop, outside, moment):
    """Late acknowledgement runs it again; the key makes one charge of it."""
    world.start_worker("w1")
    world.start_worker("w2")
    world.when(moment, lambda record: world.kill(record.node), task="shop.charge")
    result = shop.tasks["shop.charge"].delay("o1", 500)
    world.run_until_quiet()

    assert result.get() == 500
    world.assert_executed("shop.charge", times=2)
    assert outside.charges == {"o1": 500}


def test_what_must_not_run_twice_does_not(world, shop, outside):
    """Acknowledged before it begins: its worker's death loses it, and it is told so."""
    world.start_worker("w1")
    world.start_worker("w2")
    world.when("task.end", lambda record: world.kill(record.node), task="shop.capture")
    shop.tasks["shop.capture"].delay("o1")
    world.run_until_quiet()

    assert outside.calls == ["o1"]
    world.assert_executed("shop.capture", times=1)


def test_a_part_of_the_work_is_run(world, shop, outside):
    """Two of three, then the last."""
    for number in "abc":
        shop.tasks["shop.charge"].delay(number, 1)

    assert world.drain(limit=2).succeeded == 2
    assert outside.calls == ["a", "b"]
    assert world.drain().succeeded == 1
