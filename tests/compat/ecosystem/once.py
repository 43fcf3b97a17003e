"""Tasks that wait in a queue once only: celery-once and celery-singleton."""

import os

from celery import Celery
from celery_once import AlreadyQueued, QueueOnce
from celery_singleton import DuplicateTaskError, Singleton

REDIS = os.environ["ECO_STORE"]
app = Celery("once", broker=os.environ["ECO_BROKER"], backend=REDIS)
app.conf.update(
    broker_connection_retry_on_startup=True,
    singleton_backend_url=REDIS,
    ONCE={
        "backend": "celery_once.backends.Redis",
        "settings": {"url": REDIS, "default_timeout": 600},
    },
)


@app.task(name="once.slow", base=QueueOnce)
def slow(number):
    return number


@app.task(name="once.keyed", base=QueueOnce, once={"keys": ["a"], "graceful": True})
def keyed(a, b):
    return [a, b]


@app.task(name="once.fails", base=QueueOnce)
def fails():
    raise ValueError("no")


@app.task(name="once.single", base=Singleton)
def single(number):
    return number


@app.task(name="once.strict", base=Singleton, unique_on=["a"], raise_on_duplicate=True)
def strict(a, b):
    return [a, b]


def queue():
    """While no worker runs: what waits already is not sent again."""
    waiting = [
        slow.delay(1),
        keyed.delay(1, b=1),
        single.delay(1),
        strict.delay(1, 1),
        fails.delay(),
    ]
    for task in (slow, fails):
        try:
            task.delay(*([1] if task is slow else []))
        except AlreadyQueued as error:
            assert 0 < error.countdown <= 600
        else:
            raise AssertionError("it was queued twice")
    assert keyed.delay(1, b=2).state == "REJECTED"
    assert single.delay(1).id == waiting[2].id
    try:
        strict.delay(1, 2)
    except DuplicateTaskError as error:
        assert error.task_id == waiting[3].id
    else:
        raise AssertionError("it was queued twice")
    other = [slow.delay(2), keyed.delay(2, b=1), single.delay(2), strict.delay(2, 1)]
    assert len({each.id for each in [*waiting, *other]}) == len(waiting) + len(other)
    print(*(each.id for each in [*waiting, *other]))


def after(*ids):
    """Once they have run they can be queued again, also those that failed."""
    results = [app.AsyncResult(each).get(timeout=60, propagate=False) for each in ids]
    assert results[:4] == [1, [1, 1], 1, [1, 1]], results
    assert isinstance(results[4], ValueError)
    assert results[5:] == [2, [2, 1], 2, [2, 1]], results
    again = single.delay(1)
    assert again.id not in ids
    assert [slow.delay(1).get(timeout=60), again.get(timeout=60)] == [1, 1]
    assert isinstance(fails.delay().get(timeout=60, propagate=False), ValueError)
    print("again")
