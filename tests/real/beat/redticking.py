"""An app whose entries are kept in Redis by celery-redbeat, as its documentation has it."""

from __future__ import annotations

import os
import time
from pathlib import Path

from celery import Celery
from celery.schedules import crontab

app = Celery("redticking", broker=os.environ["TICKING_BROKER"])
app.conf.update(
    redbeat_redis_url=os.environ["TICKING_BROKER"],
    redbeat_lock_timeout=10,
    beat_max_loop_interval=1,
    beat_scheduler="redbeat.RedBeatScheduler",
    task_ignore_result=True,
    beat_schedule={
        "configured": {"task": "tick", "schedule": 0.5, "args": ("configured",)},
        "yearly": {"task": "tick", "schedule": crontab(month_of_year=1, day_of_month=1)},
    },
)


@app.task(name="tick")
def tick(name: str) -> None:
    """Say that it ran."""
    with Path(os.environ["TICKING_LEDGER"]).open("a", encoding="utf-8") as ledger:
        ledger.write(f"{name} {time.time()}\n")


def add(name: str) -> str:
    """Add an entry while beat runs, as a program does."""
    from redbeat import RedBeatSchedulerEntry  # it reads the settings of the app

    entry = RedBeatSchedulerEntry(name, "tick", 0.5, args=[name], app=app)
    entry.save()
    return str(entry.key)
