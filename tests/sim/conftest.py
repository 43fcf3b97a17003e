"""An app and a maker of worlds for the promises."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from taskq import TaskQ


@pytest.fixture
def app() -> Iterator[TaskQ]:
    """A fresh application that shares nothing."""
    made = TaskQ("promises", set_as_current=False)
    yield made
    made.close()
