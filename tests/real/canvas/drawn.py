"""The app of drawn canvases: its bodies write down in Redis what they are called with."""

import os

import redis

from taskq import TaskQ
from taskq_testing.strategies import CanvasTasks
from tests.sim.canvas.interpreter import seen

URL = os.environ["DRAWN_REDIS"]
NOTES = redis.Redis.from_url(URL, decode_responses=True)

app = TaskQ("drawn", broker=os.environ["DRAWN_BROKER"], backend=URL)
app.conf.update(broker_connection_retry_on_startup=True, task_acks_late=True)


def note(what, tag, more):
    """Push one line; a set would not show what runs twice."""
    NOTES.rpush("notes", seen(tag, more) if what == "run" else f"errback {tag}")


tasks = CanvasTasks(app, note)
