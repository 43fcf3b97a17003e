"""Schedules against the real Celery as a black box, where its answers are no faults."""

from __future__ import annotations

import json
import random
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from taskq import TaskQ
from taskq.schedules import crontab, schedule
from tests.real.environments import python_with

SEED, CASES = 20261120, 3000
# Days without a change of the clock in any of the zones; the differences are listed in why.md.
FIRST_S = int(datetime(2026, 5, 1, tzinfo=UTC).timestamp())
LAST_S = int(datetime(2026, 9, 1, tzinfo=UTC).timestamp())
ZONES = ["UTC", "Europe/Berlin", "Asia/Kathmandu", "America/St_Johns", "Australia/Lord_Howe"]


@pytest.fixture(scope="module")
def celery_python(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A Python that has the real Celery."""
    folder = tmp_path_factory.mktemp("celery")
    return python_with(folder, "celery>=5.7,<5.8", given_by="TASKQ_CELERY_PYTHON")


def fields(chance: random.Random) -> dict[str, str]:
    """Some crontab that is due within weeks."""

    def one(*choices: str) -> str:
        return chance.choice(choices)

    minute = chance.randrange(60)
    return {
        "minute": one("*", "*/15", "*/7", f"{minute}", f"{minute},{(minute + 20) % 60}", "50-10"),
        "hour": one("*", "*/2", f"{chance.randrange(24)}", "22-3", "8-18/2", "0,12"),
        "day_of_week": one("*", "*", "*", "mon-fri", "sat,sun", "fri-mon", "*/2"),
        "day_of_month": one("*", "*", "*", "1", "15-20", "*/10", "28-3"),
        "month_of_year": one("*", "*", "*", "*/2", "may-aug"),
    }


def cases() -> list[dict[str, Any]]:
    """Last runs and nows, close together and far apart."""
    chance = random.Random(SEED)
    made = []
    for _ in range(CASES):
        last = chance.randrange(FIRST_S, LAST_S) + chance.choice([0.0, 0.25])
        gone = chance.choice([1, 30, 90, 3600, 90_000, 900_000]) * chance.random()
        case: dict[str, Any] = {
            "zone": chance.choice(ZONES),
            "last": last,
            "now": min(last + gone, LAST_S),
        }
        if chance.random() < 0.1:
            case["every"] = chance.choice([1, 30, 60.5, 3600, 86400])
        else:
            case["fields"] = fields(chance)
        made.append(case)
    return made


def ours(case: dict[str, Any], apps: dict[str, TaskQ]) -> tuple[bool, float | None]:
    app = apps[case["zone"]]
    now = datetime.fromtimestamp(case["now"], UTC)
    told = {"app": app, "nowfun": lambda: now}
    one: Any = (
        crontab(**case["fields"], **told) if "fields" in case else schedule(case["every"], **told)
    )
    found: tuple[bool, float | None] = one.is_due(datetime.fromtimestamp(case["last"], UTC))
    return found


def test_due_when_celery_says_so(celery_python: str) -> None:
    """Thousands of crontabs and intervals in five zones are due at the same moments."""
    asked = cases()
    answered = subprocess.run(
        [celery_python, Path(__file__).with_name("reference.py")],
        input=json.dumps(asked), capture_output=True, text=True, timeout=300, check=True,
    )  # fmt: skip
    apps = {zone: TaskQ(zone, set_as_current=False) for zone in ZONES}
    for zone, app in apps.items():
        app.conf.timezone = zone

    different = []
    for case, (due, next_s) in zip(asked, json.loads(answered.stdout), strict=True):
        found = ours(case, apps)
        if found[0] != due or found[1] != pytest.approx(next_s, abs=1e-3):
            different.append((case, (due, next_s), found))

    assert not different, f"{len(different)} differ; the first: {different[:3]}"
