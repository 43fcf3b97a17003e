"""One program for workers and clients of both libraries: STEERED_LIBRARY says whose it is here."""

import json
import os
import sys
import time
from pathlib import Path

from asked import ASKED

LIBRARY = os.environ.get("STEERED_LIBRARY", "taskq")
if LIBRARY == "celery":
    from celery import Celery
    from celery.exceptions import Reject
else:
    from taskq import TaskQ as Celery
    from taskq.errors import Reject

app = Celery("steered", broker=os.environ["STEERED_BROKER"], backend=os.environ["STEERED_BACKEND"])
app.conf.broker_connection_retry_on_startup = True
app.conf.worker_prefetch_multiplier = 2


@app.task(name="steered.add")
def add(x, y):
    return x + y


@app.task(name="steered.sleep")
def sleep(seconds):
    time.sleep(seconds)
    return seconds


@app.task(name="steered.mark")
def mark(path):
    with Path(path).open("a") as file:
        file.write("x")


@app.task(name="steered.fail")
def fail():
    raise ValueError("boom")


@app.task(name="steered.again", bind=True)
def again(self):
    if self.request.retries < 1:
        raise self.retry(countdown=0, exc=KeyError("k"))


@app.task(name="steered.reject", acks_late=True)
def reject():
    raise Reject("no", requeue=False)


def ask(node):
    """Ask a worker each command; returns the replies, one for each."""
    replies = []
    for command, arguments in ASKED:
        found = app.control.broadcast(
            command, arguments=arguments, destination=[node], reply=True, timeout=10
        )
        replies.append(found[0][node] if found else "silence")
    return replies


if __name__ == "__main__":
    print(json.dumps(ask(sys.argv[1])), flush=True)
