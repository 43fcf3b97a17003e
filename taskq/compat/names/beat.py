"""Where the names of Celery's beat and of its schedules live."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from taskq.compat.names.row import Module

MODULES: Final[Mapping[str, Module]] = {
    "celery.apps": Module(),
    "celery.apps.beat": Module(names={"Beat": "taskq.wiring.beat:Beat"}),
    "celery.beat": Module("taskq.beat"),
    "celery.bin.beat": Module(names={"beat": "taskq.cli.beat:command"}),
    "celery.schedules": Module("taskq.schedules"),
}
