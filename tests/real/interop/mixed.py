"""One program for both kinds of workers: LIBRARY says whose it is in this process."""

import os
import sys
import time

import redis

LIBRARY = os.environ.get("MIXED_LIBRARY", "taskq")
if LIBRARY == "celery":
    from celery import Celery, chord
else:
    from taskq import TaskQ as Celery
    from taskq import chord

URL = os.environ["MIXED_BACKEND"]
app = Celery("mixed", broker=os.environ["MIXED_BROKER"], backend=URL)
app.conf.broker_connection_retry_on_startup = True
app.conf.worker_prefetch_multiplier = 1
CHORDS, MEMBERS = 20, 12


@app.task(name="mixed.member")
def member(number):
    time.sleep(0.01)
    return [number, LIBRARY]


@app.task(name="mixed.fails")
def fails(number):
    raise ValueError(number)


@app.task(name="mixed.body")
def body(results, name):
    redis.Redis.from_url(URL).rpush(f"bodies:{name}", LIBRARY)
    return results


@app.task(name="mixed.told")
def told(task_id):
    redis.Redis.from_url(URL).rpush(f"told:{task_id}", LIBRARY)


def client():
    """Send chords, and check what comes of them; says who ran what."""
    handles = [
        chord([member.s(number) for number in range(MEMBERS)])(body.s(f"{LIBRARY}-{at}"))
        for at in range(CHORDS)
    ]
    failing = [
        chord([member.s(0), fails.s(at), member.s(1)])(
            body.s(f"{LIBRARY}-no-{at}").on_error(told.s())
        )
        for at in range(CHORDS)
    ]
    ran = set()
    for handle in handles:
        results = handle.get(timeout=60)
        assert [number for number, _ in results] == list(range(MEMBERS)), results
        ran |= {library for _, library in results}
    for handle in failing:
        try:
            handle.get(timeout=60)
        except Exception as error:
            assert "ValueError" in repr(error), repr(error)
        else:
            raise AssertionError("a chord with a failed member has a body")
    print(" ".join(sorted(ran)))


if __name__ == "__main__":
    client()
    sys.exit()
