"""An app on recording ports, and a worker's runner for it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from taskq.app.work import Work
from tests.unit.app.fakes import DictStore, LabApp, RecordingBroker, as_the_default
from tests.unit.app.logging_process import log

__all__ = ["app", "broker", "log", "store", "work"]


@pytest.fixture
def app() -> Iterator[LabApp]:
    with as_the_default(LabApp("lab")) as made:
        yield made


@pytest.fixture
def broker(app: LabApp) -> RecordingBroker:
    return app.lab_broker


@pytest.fixture
def store(app: LabApp) -> DictStore:
    return app.lab_store


@pytest.fixture
def work(app: LabApp) -> Work:
    return Work(app, "w1@host")
