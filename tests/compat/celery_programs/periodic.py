"""Periodic tasks: entries of the settings, and entries that are added when the app is ready."""

import os
from datetime import timedelta
from pathlib import Path

from celery import Celery
from celery.schedules import crontab

app = Celery("periodic", broker=os.environ["PROGRAM_BROKER"])
app.conf.timezone = "Europe/London"
app.conf.beat_schedule = {
    "from-settings": {
        "task": "periodic.note",
        "schedule": timedelta(seconds=1),
        "args": ("settings",),
        "options": {"expires": 30},
    },
    "on-monday-morning": {
        "task": "periodic.note",
        "schedule": crontab(hour=7, minute=30, day_of_week=1),
        "args": ("monday",),
    },
}


@app.on_after_configure.connect
def set_up_periodic_tasks(sender, **kwargs):
    sender.add_periodic_task(1.0, note.s("added"), name="add every second")
    sender.add_periodic_task(crontab(minute=0, hour=0, day_of_month="31"), note.s("never here"))


@app.task
def note(word):
    with Path(os.environ["PROGRAM_NOTES"]).open("a") as notes:
        notes.write(f"{word}\n")
