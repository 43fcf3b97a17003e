"""A Django project in one file: results in its database, by the package django-celery-results.

Run as ``python -m taskq.compat.celery django_results.py FOLDER``: nothing here knows of taskq.
"""

from __future__ import annotations

import json
import sys

import django
from django.conf import settings
from django.core.management import call_command

FOLDER = sys.argv[1]

settings.configure(
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": f"{FOLDER}/django.db"}},
    INSTALLED_APPS=["django_celery_results"],
    CACHES={"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}},
    USE_TZ=True,
)
django.setup()
call_command("migrate", verbosity=0)

from celery import Celery, chord  # noqa: E402 - after Django is there
from celery.contrib.testing.worker import start_worker  # noqa: E402
from django_celery_results.models import ChordCounter, GroupResult, TaskResult  # noqa: E402


def run(backend: str) -> dict[str, object]:
    """Send some tasks with results in one of the package's two stores."""
    app = Celery("shop", broker=f"memory://{backend}", backend=backend)
    app.conf.update(result_extended=True, broker_transport_options={"polling_interval": 0.01})

    @app.task(name="shop.add")
    def add(x: int, y: int) -> int:
        return x + y

    @app.task(name="shop.fail")
    def fail() -> None:
        raise ValueError("sold out")

    @app.task(name="shop.total")
    def total(numbers: list[int]) -> int:
        return sum(numbers)

    with start_worker(app, perform_ping_check=False, pool="solo"):
        added = add.delay(2, 2)
        failed = fail.delay()
        found: dict[str, object] = {
            "class": type(app.backend).__module__,
            "added": added.get(timeout=30),
            "failed": repr(failed.get(timeout=30, propagate=False)),
            "chord": chord([add.s(1, 1), add.s(2, 2)])(total.s()).get(timeout=30),
            "id": added.id,
            "unknown": app.AsyncResult("nobody").state,
        }
        group = app.GroupResult("g", [added, failed])
        group.save()
        found["group"] = [each.id for each in app.GroupResult.restore("g").results] == [
            added.id,
            failed.id,
        ]
        added.forget()
        found["forgotten"] = app.AsyncResult(added.id).state
    app.close()
    return found


said = {"db": run("django-db"), "cache": run("django-cache")}
rows = TaskResult.objects.order_by("date_created")
said["rows"] = [
    [row.task_name, row.status, row.result, row.task_args, row.worker is not None] for row in rows
]
said["groups"] = GroupResult.objects.count()
said["chords"] = ChordCounter.objects.count()
print(json.dumps(said))
