"""The second program: the app of a package."""

import os

from taskq import TaskQ

app = TaskQ(
    "proj",
    broker=os.environ.get("PROGRAM_BROKER", "memory://"),
    backend=os.environ.get("PROGRAM_BACKEND", "cache+memory://"),
    include=["proj.tasks"],
)
app.conf.update(
    result_expires=3600,
    timezone="Europe/London",
    task_routes={"proj.tasks.mul": {"queue": "hipri"}},
)

if __name__ == "__main__":
    app.start()
