"""One program for both sides of the benchmark: BENCH_LIBRARY says whose it is in this process."""

import json
import os
import sys
import time

if os.environ.get("BENCH_LIBRARY") == "celery":
    from celery import Celery, chord
else:
    from taskq import TaskQ as Celery
    from taskq import chord

app = Celery("bench", broker=os.environ["BENCH_REDIS"], backend=os.environ["BENCH_REDIS"])
app.conf.broker_connection_retry_on_startup = True


@app.task(name="bench.nothing")
def nothing():
    pass


@app.task(name="bench.count")
def count(results):
    return len(results)


def main(members, rounds):
    """Call chords, one after the other."""
    chord([nothing.si() for _ in range(10)])(count.s()).get(timeout=60)
    times = {"sent": [], "whole": []}
    for _ in range(rounds):
        began = time.perf_counter()
        result = chord([nothing.si() for _ in range(members)])(count.s())
        times["sent"].append(time.perf_counter() - began)
        assert result.get(timeout=120) == members
        times["whole"].append(time.perf_counter() - began)
    print(json.dumps(times))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
