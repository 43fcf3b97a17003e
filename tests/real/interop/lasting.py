"""Tasks that are acknowledged late, for workers that will be killed; what they did is in Redis."""

import os
import sys
import time

import celery
import redis
from celery import Celery

LIBRARY = "taskq" if "taskq" in celery.__version__ else "celery"
STORE = os.environ["LASTING_STORE"]

app = Celery("lasting", broker=os.environ["LASTING_BROKER"], backend=STORE)
app.conf.update(
    broker_connection_retry_on_startup=True,
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    worker_prefetch_multiplier=4,
)
if app.conf.broker_url.startswith("redis"):
    app.conf.broker_transport_options = {"visibility_timeout": 3}
if LIBRARY == "taskq":
    app.conf.taskq_lease_s = 3


@app.task(name="lasting.waits")
def waits(number):
    with redis.Redis.from_url(STORE) as server:
        server.set("blocks", 1)
        while not server.exists("open"):
            time.sleep(0.05)
        server.sadd("ran", number)
        server.sadd("libraries", LIBRARY)


if __name__ == "__main__":
    waits.delay(0)
    count = int(sys.argv[1])
    for number in range(1, count + 1):
        waits.apply_async((number,), countdown=4 if number > count - 3 else None)
