"""Which store an app gets, and what it can do there."""

from __future__ import annotations

import pytest

from taskq import TaskQ
from taskq.ports import SendsBodies


@pytest.mark.parametrize(
    ("broker", "backend", "at_once"),
    [
        ("redis://one:6379/0", "redis://one:6379/0", True),
        ("redis://one", "redis://one/0", True),
        ("redis://one:6379/0", "redis://one:6379/1", False),
        ("redis://one:6379/0", "redis://two:6379/0", False),
        ("kombu+redis://one:6379/0", "redis://one:6379/0", False),
        ("memory://", "cache+memory://", False),
    ],
)
def test_a_body_is_sent_at_once_where_one_redis_has_both(
    broker: str, backend: str, at_once: bool
) -> None:
    """The same server and the same database, by our own driver."""
    app = TaskQ("stores", broker=broker, backend=backend, set_as_current=False)

    assert isinstance(app.ports.store, SendsBodies) is at_once
    app.close()
