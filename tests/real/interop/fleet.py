"""One program for both sides of a mixed fleet: LIBRARY says whose it is in this process."""

import os
import sys

LIBRARY = os.environ.get("FLEET_LIBRARY", "taskq")
if LIBRARY == "celery":
    from celery import Celery, chain, chord, group
else:
    from taskq import TaskQ as Celery
    from taskq import chain, chord, group

app = Celery("fleet", broker=os.environ["FLEET_BROKER"], backend=os.environ["FLEET_BACKEND"])
app.conf.broker_connection_retry_on_startup = True
app.conf.result_extended = True
app.conf.result_compression = os.environ.get("FLEET_COMPRESSION") or None


@app.task(name="fleet.add")
def add(x, y):
    return x + y


@app.task(name="fleet.fail")
def fail(text):
    raise ValueError(text)


@app.task(name="fleet.twice", bind=True, max_retries=2)
def twice(self, value):
    if self.request.retries < 1:
        raise self.retry(countdown=0.1)
    return [value, self.request.retries]


@app.task(name="fleet.total")
def total(numbers):
    return sum(numbers)


@app.task(name="fleet.who")
def who():
    return LIBRARY


def client(worker_library, chords):
    """Do what a client does, and check every answer."""
    assert who.delay().get(timeout=30) == worker_library
    assert add.delay(2, 3).get(timeout=30) == 5
    assert add.apply_async((2,), {"y": 5}, countdown=0.3, priority=6).get(timeout=30) == 7
    failed = fail.delay("boom")
    try:
        failed.get(timeout=30)
    except ValueError as error:
        assert error.args == ("boom",), error.args
    else:
        raise AssertionError("no ValueError")
    assert failed.state == "FAILURE"
    assert "ValueError: boom" in failed.traceback
    assert twice.delay("v").get(timeout=30) == ["v", 1]
    chained = chain(add.s(1, 1), add.s(10), add.s(100))()
    assert chained.get(timeout=30) == 112
    assert chained.parent.get(timeout=30) == 12
    assert group(add.s(n, n) for n in range(5))().get(timeout=30) == [0, 2, 4, 6, 8]
    if chords:
        assert chord([add.s(n, n) for n in range(5)])(total.s()).get(timeout=30) == 20
    assert add.apply_async((1, 1), compression="gzip").get(timeout=30) == 2


if __name__ == "__main__":
    client(sys.argv[1], sys.argv[2] == "chords")
    print("fine")
