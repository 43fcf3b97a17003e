"""An app whose entries are due often; each run leaves a line in a ledger."""

from __future__ import annotations

import os
import time
from pathlib import Path

from taskq import TaskQ
from taskq.schedules import crontab

app = TaskQ("ticking", broker=os.environ["TICKING_BROKER"])
app.conf.update(
    worker_enable_remote_control=False,
    task_ignore_result=True,
    beat_schedule={"configured": {"task": "tick", "schedule": 0.5, "args": ("configured",)}},
)


@app.task(name="tick")
def tick(name: str) -> None:
    """Say that it ran."""
    with Path(os.environ["TICKING_LEDGER"]).open("a", encoding="utf-8") as ledger:
        ledger.write(f"{name} {time.time()}\n")


@app.on_after_finalize.connect
def add_entries(sender: TaskQ, **_: object) -> None:
    """Add what needs the tasks."""
    sender.add_periodic_task(0.5, tick.s("added"), name="added", expires=30)
    sender.add_periodic_task(crontab(month_of_year=1, day_of_month=1), tick.s("new year"))
