"""A task that looks now and then whether it is still wanted."""

import os
import time

from celery import Celery
from celery.contrib.abortable import AbortableAsyncResult, AbortableTask

app = Celery("aborting", broker=os.environ["PROGRAM_BROKER"], backend=os.environ["PROGRAM_BACKEND"])
app.conf.task_track_started = True


@app.task(bind=True, base=AbortableTask)
def count_sheep(self):
    for sheep in range(1200):
        if self.is_aborted():
            return f"awake after {sheep}"
        time.sleep(0.05)
    return "asleep"


if __name__ == "__main__":
    result = count_sheep.delay()
    assert isinstance(result, AbortableAsyncResult)
    while result.state != "STARTED":
        time.sleep(0.05)
    result.abort()
    assert result.is_aborted()
    after = count_sheep.delay()  # the same worker goes on with the next one
    while after.state != "STARTED":
        time.sleep(0.05)
    after.abort()
    assert AbortableAsyncResult(after.id, app=app).is_aborted()
    print("aborting done")
