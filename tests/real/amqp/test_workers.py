"""Whole workers on RabbitMQ: a poison that kills each of them, long delays, long bodies."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from taskq_testing.servers import RabbitMQServer
from tests.real.amqp.conftest import wait_until
from tests.real.programs import load
from tests.real.workers import WorkerProcess, worker

HERE = Path(__file__).parent
LIMIT = 4  # as the program sets it


@dataclass(frozen=True, slots=True)
class Program:
    """The app as a client has it, and what its tasks have written."""

    module: Any
    env: dict[str, str]
    ledger: Path
    tmp_path: Path

    def worker(self, *arguments: str, ready: bool = True) -> AbstractContextManager[WorkerProcess]:
        return worker(
            self.tmp_path, *arguments, app="rabbit_program", env=self.env, cwd=HERE, ready=ready
        )

    def lines(self) -> list[str]:
        return self.ledger.read_text().splitlines() if self.ledger.exists() else []

    def counts(self, what: str) -> Counter[str]:
        words = [line.split() for line in self.lines()]
        return Counter(said[1] for said in words if said[0] == what)

    @property
    def broker(self) -> Any:
        return self.module.app.ports.broker


def loaded(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Program]:
    ledger = tmp_path / "ledger"
    env = {"RABBIT_BROKER": url, "RABBIT_LEDGER": str(ledger)}
    module = load("rabbit_program", HERE, env, monkeypatch)
    yield Program(module, env, ledger, tmp_path)
    module.app.close()


@pytest.fixture
def program(
    private_rabbitmq: RabbitMQServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Program]:
    yield from loaded(private_rabbitmq.new_vhost(), tmp_path, monkeypatch)


@pytest.fixture
def impatient_program(
    rabbitmq_server_of_its_own: RabbitMQServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Program]:
    """On a RabbitMQ that takes back what is not acknowledged within two seconds."""
    rabbitmq_server_of_its_own.control(
        "eval",
        "application:set_env(rabbit, consumer_timeout, 2000),"
        "application:set_env(rabbit, channel_tick_interval, 500).",
    )
    yield from loaded(rabbitmq_server_of_its_own.url, tmp_path, monkeypatch)


def soon(done: Callable[[], bool], what: str, timeout_s: float = 60.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not done():
        assert time.monotonic() < deadline, f"not within {timeout_s} s: {what}"
        time.sleep(0.05)


def test_a_poison_that_kills_every_worker_ends_in_the_dead_letters(program: Program) -> None:
    """Within its limit; those that waited beside it are all done, each once."""
    good = [f"good-{number}" for number in range(12)]
    for name in good[:4]:
        program.module.late.delay(name)
    program.module.poison.delay()
    for name in good[4:]:
        program.module.late.delay(name)
    workers = 0

    def is_over() -> bool:
        return program.broker.dead_letter_count() == 1 and len(program.counts("end")) == len(good)

    while not is_over():
        workers += 1
        assert workers < 3 * LIMIT, program.lines()
        with program.worker("-P", "solo", ready=False) as running:
            soon(lambda: running.process.poll() is not None or is_over(), "an end, or peace")

    [letter] = program.broker.dead_letters(10)
    assert letter.message.headers["task"] == "rabbit_program.poison"
    assert program.counts("start")["poison"] <= LIMIT + 1
    assert program.counts("end") == dict.fromkeys(good, 1)
    assert program.broker.length("celery") == 0


def test_no_worker_holds_what_is_not_due(program: Program) -> None:
    """It is parked by one worker, which ends; another one runs it, at its time and not before."""
    due_s = time.time() + 6.0
    program.module.early.apply_async(("later",), countdown=6.0)
    with program.worker("-P", "solo", "-n", "first@h"):
        wait_until(lambda: program.broker.length("celery") == 0, "the worker's look at it")
        wait_until(lambda: program.broker.length("celery_delayed_2") == 1, "the delay")
    assert time.time() < due_s
    with program.worker("-P", "solo", "-n", "second@h"):
        soon(lambda: program.counts("end")["later"] == 1, "the body")

    [ended] = [line for line in program.lines() if line.startswith("end later")]
    assert float(ended.split()[2]) >= due_s
    assert program.counts("start")["later"] == 1


def test_an_impatient_broker_doubles_no_early_body_and_no_delay(
    impatient_program: Program,
) -> None:
    """What lasts longer than its patience is not out: it is claimed, or it is parked."""
    program = impatient_program
    program.module.early.delay("body", 7.0)
    program.module.early.apply_async(("delay",), countdown=7.0)
    with program.worker("-c", "2") as running:
        soon(lambda: len(program.counts("end")) == 2, "both have ended")
        log = running.text

    assert program.counts("start") == {"body": 1, "delay": 1}
    assert "PRECONDITION_FAILED" not in log


def test_a_late_body_that_lasts_too_long_ends_no_worker(impatient_program: Program) -> None:
    """It is said what to do; the other tasks go on; after so many times it is a dead letter."""
    program = impatient_program
    program.module.late.delay("endless", 60.0)
    with program.worker("-c", "3", "-Ofair") as running:
        running.wait_for("raise consumer_timeout above the longest body", 30.0)
        for number in range(5):
            program.module.late.delay(f"short-{number}")
        soon(lambda: len(program.counts("end")) == 5, "the others have ended")
        assert running.process.poll() is None
        running.kill_tree()

    assert program.counts("start")["endless"] >= 2
    assert program.counts("end") == {f"short-{number}": 1 for number in range(5)}
