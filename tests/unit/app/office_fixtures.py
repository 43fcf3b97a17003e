"""An app whose broker is an office in memory: fixtures for the folders that talk to it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.unit.app.fakes import as_the_default
from tests.unit.app.office import KeepingApp, Office, OfficeApp

__all__ = ["app", "office"]


@pytest.fixture
def app() -> Iterator[KeepingApp]:
    with as_the_default(KeepingApp("office")) as made:
        yield made


@pytest.fixture
def office(app: OfficeApp) -> Office:
    found: Office = app.office
    return found
