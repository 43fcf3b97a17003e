"""An app and a maker of worlds for the promises."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from taskq import TaskQ


@pytest.fixture
def app() -> Iterator[Any]:
    """A fresh application that shares nothing."""
    made = TaskQ("promises", set_as_current=False)
    yield made
    made.close()
