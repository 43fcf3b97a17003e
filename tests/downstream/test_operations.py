"""Operations: deploys, poisoned messages, nights when the clock changes."""

from __future__ import annotations

import pytest


def test_a_poisoned_message_ends_as_a_dead_letter(world, shop):
    """What kills each worker's process does not do so for ever."""
    world.start_worker("w1")
    for nth in range(1, 20):
        world.when(
            "task.start",
            lambda record: world.kill_process_of(record.task_id),
            nth=nth,
            task="shop.crash",
        )
    shop.tasks["shop.crash"].delay("o1")
    shop.tasks["shop.report"].delay()
    world.run_until_quiet()

    assert [letter.message.headers["task"] for letter in world.dead_letters()] == ["shop.crash"]


def test_something_that_is_no_message_stops_nobody(world, shop, outside):
    """It is put aside, the next one is run."""
    world.start_worker("w1")
    world.put_raw("celery", b"\x00nonsense")
    shop.tasks["shop.report"].delay()
    world.run_until_quiet()

    assert outside.calls == ["report"]


def test_a_deploy_loses_nothing(world, shop, outside):
    """The old worker ends what it has begun, the new one does the rest."""
    world.start_worker("old", slots=1)
    for number in range(10):
        shop.tasks["shop.charge"].delay(f"o{number}", 1)
    world.run_until(lambda: len(outside.calls) >= 2)
    world.stop_worker("old")
    world.start_worker("new")
    world.run_until_quiet()

    assert sorted(outside.calls) == [f"o{number}" for number in range(10)]


def test_a_worker_that_comes_late_finds_everything(world, shop, outside):
    """Nothing needs a worker to be sent."""
    results = [shop.tasks["shop.charge"].delay(f"o{number}", number) for number in range(5)]
    world.start_worker("w1")

    assert [result.get() for result in results] == list(range(5))


@pytest.mark.parametrize(
    "start",
    ["2030-03-30T12:00:00Z", "2030-10-26T12:00:00Z"],
    ids=["forward", "back"],
)
def test_the_report_is_made_once_each_night(taskq_world, shop, outside, start):
    """Also in the nights in which 02:30 is not there, or is there twice."""
    world = taskq_world(shop, start=start)
    world.start_worker("w1")
    world.start_beat()
    world.run_for(2 * 86_400)

    assert outside.calls == ["report", "report"]
