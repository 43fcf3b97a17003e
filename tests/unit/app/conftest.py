"""An app on recording ports, and a worker's runner for it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from taskq import current
from taskq.app.work import Work
from tests.unit.app.fakes import DictStore, LabApp, RecordingBroker


@pytest.fixture
def app() -> Iterator[LabApp]:
    before = current._Process.current, current._Process.default
    token = current._app_here.set(None)
    made = LabApp("lab")
    made.set_default()
    yield made
    made.close()
    current._app_here.reset(token)
    current._Process.current, current._Process.default = before


@pytest.fixture
def broker(app: LabApp) -> RecordingBroker:
    return app.lab_broker


@pytest.fixture
def store(app: LabApp) -> DictStore:
    return app.lab_store


@pytest.fixture
def work(app: LabApp) -> Work:
    return Work(app, "w1@host")
