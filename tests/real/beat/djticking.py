"""A Django project in one file, whose entries are kept by django-celery-beat."""

from __future__ import annotations

import os
import time
from datetime import timedelta
from pathlib import Path

import django
from celery import Celery
from django.conf import settings

settings.configure(
    SECRET_KEY="no secret",
    USE_TZ=True,
    TIME_ZONE="UTC",
    INSTALLED_APPS=["django_celery_beat"],
    DEFAULT_AUTO_FIELD="django.db.models.AutoField",
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": os.environ["TICKING_DATABASE"],
            "OPTIONS": {"timeout": 30},
        }
    },
)
django.setup()

app = Celery("djticking", broker=os.environ["TICKING_BROKER"])
app.conf.update(
    task_ignore_result=True,
    beat_max_loop_interval=1,
    beat_schedule={"configured": {"task": "tick", "schedule": 1.0, "args": ("configured",)}},
)


@app.task(name="tick")
def tick(name: str) -> None:
    """Say that it ran."""
    with Path(os.environ["TICKING_LEDGER"]).open("a", encoding="utf-8") as ledger:
        ledger.write(f"{name} {time.time()}\n")


def migrate() -> None:
    """Make the tables."""
    from django.core.management import call_command

    call_command("migrate", verbosity=0)


def add(name: str) -> None:
    """Add entries of each kind while beat runs, as an admin does."""
    from django.utils import timezone
    from django_celery_beat.models import (
        ClockedSchedule,
        CrontabSchedule,
        IntervalSchedule,
        PeriodicTask,
    )

    every, _ = IntervalSchedule.objects.get_or_create(every=1, period=IntervalSchedule.SECONDS)
    minutely, _ = CrontabSchedule.objects.get_or_create(timezone="Europe/Berlin")
    soon = ClockedSchedule.objects.create(clocked_time=timezone.now())
    arguments = {"task": "tick", "enabled": True}
    PeriodicTask.objects.create(name=name, interval=every, args=f'["{name}"]', **arguments)
    PeriodicTask.objects.create(
        name="minutely",
        crontab=minutely,
        args='["minutely"]',
        last_run_at=timezone.now() - timedelta(hours=1),
        **arguments,
    )
    PeriodicTask.objects.create(
        name="once", clocked=soon, one_off=True, args='["once"]', **arguments
    )


def disable(name: str) -> None:
    """Switch an entry off."""
    from django_celery_beat.models import PeriodicTask

    entry = PeriodicTask.objects.get(name=name)
    entry.enabled = False
    entry.save()


def counts() -> dict[str, int]:
    """How often each entry was sent, as the database says."""
    from django_celery_beat.models import PeriodicTask

    return {entry.name: entry.total_run_count for entry in PeriodicTask.objects.all()}
