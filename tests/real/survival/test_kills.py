"""Whole workers die in the middle of load: nothing that was accepted is lost."""

from __future__ import annotations

import random
import time
from typing import Any

from tests.real.survival.conftest import Program

ROUNDS, EARLY_ROUNDS, EACH = 50, 10, 16
SEED = 20261120


def test_no_late_task_is_lost_in_fifty_kills_of_a_whole_worker(program: Program) -> None:
    sent = killed_under_load(program, program.module.late, ROUNDS)
    with program.worker("-c", "2"):
        program.wait(lambda: len(program.counts("end")) == sent, "all have ended")

    assert set(program.counts("end")) == set(range(sent))
    again = sum(count - 1 for count in program.counts("start").values())
    assert again <= 2 * ROUNDS  # two slots: no kill can have cut more than two bodies


def test_no_early_task_begins_twice_however_often_its_worker_dies(program: Program) -> None:
    last = killed_under_load(program, program.module.early, EARLY_ROUNDS)
    with program.worker("-c", "2"):
        program.module.early.delay(last)
        program.wait(lambda: program.counts("end")[last] == 1, "the last has ended")

    assert max(program.counts("start").values()) == 1


def killed_under_load(program: Program, task: Any, rounds: int) -> int:
    """Kill a worker with its children in each round; returns how many tasks were sent."""
    chance = random.Random(SEED)
    for number in range(rounds):
        for place in range(EACH):
            task.delay(number * EACH + place, chance.uniform(0, 0.02))
        begun = program.counts("start").total()
        with program.worker("-c", "2", "--without-gossip", "--without-mingle") as victim:
            program.wait_for_more_starts_than(begun)
            time.sleep(chance.uniform(0, 0.05))
            victim.kill_tree()
    return rounds * EACH
