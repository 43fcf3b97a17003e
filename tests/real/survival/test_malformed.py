"""Ten thousand messages that are none among a thousand that are: each costs itself alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from urllib.parse import unquote, urlsplit

import amqp
import redis

from tests.real.survival.conftest import Program
from tests.real.survival.mutants import (
    ANYWHERE,
    IN_A_LIST,
    Mutation,
    Sample,
    envelope,
    mutants,
)

GOOD, BAD = 1_000, 10_000
EACH = BAD // GOOD
SEED = 20261120
QUEUE = "celery"


def test_ten_thousand_mutants_harm_nobody_else(program: Program) -> None:
    """No worker ends, each good task succeeds once, each mutant is a dead letter with a reason."""
    with putting(program.env["SURVIVORS_BROKER"]) as (put, ways):
        broken = list(mutants(program.module.early.name, BAD, SEED, ways))
        for number in range(GOOD):
            program.module.early.delay(number)
            put(broken[number * EACH : (number + 1) * EACH])
    dead = program.module.app.dead_letters
    with program.worker("-c", "2", "-l", "CRITICAL", ready=False) as running:
        program.wait(lambda: len(program.counts("end")) == GOOD, "the good have ended", 240)
        program.wait(lambda: dead.count() == BAD, "the bad are dead letters", 240)

        assert running.process.poll() is None
        assert running.stop() == 0
    assert program.counts("end") == dict.fromkeys(range(GOOD), 1)
    letters = dead.list(limit=BAD)
    assert len(letters) == BAD
    assert all(letter.reason for letter in letters)


Put = Callable[[Iterable[Sample]], None]


@contextmanager
def putting(url: str) -> Iterator[tuple[Put, tuple[Mutation, ...]]]:
    """Put messages into the queue without any library of tasks; with what it can carry."""
    if url.startswith("redis"):
        with redis.Redis.from_url(url) as server:
            yield partial(put_into_list, server), (*ANYWHERE, *IN_A_LIST)
        return
    where = urlsplit(url)
    with amqp.Connection(
        f"{where.hostname}:{where.port}",
        userid=where.username,
        password=where.password,
        virtual_host=unquote(where.path.removeprefix("/")),
    ) as connection:
        yield partial(put_by_amqp, connection.channel()), ANYWHERE


def put_into_list(server: redis.Redis, broken: Iterable[Sample]) -> None:
    """Put them where Redis keeps the queue."""
    server.lpush(QUEUE, *(envelope(sample) for sample in broken))


def put_by_amqp(channel: amqp.Channel, broken: Iterable[Sample]) -> None:
    """Publish them."""
    for sample in broken:
        message = amqp.Message(
            sample.body,
            content_type=sample.content_type,
            content_encoding=sample.content_encoding,
            application_headers=dict(sample.headers),
        )
        channel.basic_publish(message, routing_key=QUEUE)
