"""The app that Flower watches."""

import os
import time

from taskq import TaskQ

app = TaskQ("watched", broker=os.environ["WATCHED"], backend=os.environ["WATCHED"])
app.conf.broker_connection_retry_on_startup = True


@app.task(name="watched.add")
def add(x, y):
    return x + y


@app.task(name="watched.nap")
def nap(seconds):
    time.sleep(seconds)
