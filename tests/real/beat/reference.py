"""Run by a Python that has the real Celery: when are crontabs due, as it says?

Reads cases as JSON from its input: zone, the five fields, last run and now as POSIX times.  Writes
for each whether it is due, and in how many seconds next.
"""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime

from celery import Celery
from celery.schedules import crontab, schedule

apps = {}


def app_of(zone: str) -> Celery:
    """One app for each zone."""
    if zone not in apps:
        apps[zone] = Celery(zone, broker="memory://", set_as_current=False)
        apps[zone].conf.timezone = zone
    return apps[zone]


answers = []
for case in json.load(sys.stdin):
    now = datetime.fromtimestamp(case["now"], UTC)
    told = {"app": app_of(case["zone"]), "nowfun": lambda now=now: now}
    one = crontab(**case["fields"], **told) if "fields" in case else schedule(case["every"], **told)
    found = one.is_due(datetime.fromtimestamp(case["last"], UTC))
    answers.append([found.is_due, found.next])
json.dump(answers, sys.stdout)
