"""What the tests of the shop share."""

from __future__ import annotations

import pytest

from .shop.tasks import Outside, make_app


@pytest.fixture
def outside():
    """Mail server, bank, warehouse."""
    return Outside()


@pytest.fixture
def shop(outside):
    """The program."""
    app = make_app(outside)
    yield app
    app.close()


@pytest.fixture
def world(taskq_world, shop):
    """Where it runs."""
    return taskq_world(shop)
