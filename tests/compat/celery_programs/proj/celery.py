"""The app of a package."""

import os

from celery import Celery

app = Celery(
    "proj",
    broker=os.environ["PROGRAM_BROKER"],
    backend=os.environ["PROGRAM_BACKEND"],
    include=["proj.tasks"],
)

app.conf.update(result_expires=3600, task_routes={"proj.tasks.mul": {"queue": "hipri"}})

if __name__ == "__main__":
    app.start()
