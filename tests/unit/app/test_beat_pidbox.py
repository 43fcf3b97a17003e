"""What beat's end of remote control knows of its broker."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from taskq import TaskQ
from taskq.app.beat.pidbox import BeatPidbox
from taskq.errors import OperationalError


@pytest.fixture
def app() -> Iterator[TaskQ]:
    made = TaskQ("beating", broker="memory://", set_as_current=False)
    yield made
    made.close()


def test_it_tries_again_until_it_has_listened_once(
    app: TaskQ, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After ``retry_interval`` seconds; then it is no first attempt any more."""
    listen: Any = app.ports.broker.listen
    broken = True

    def try_to_listen(*args: Any) -> Any:
        if broken:
            raise OperationalError("away")
        return listen(*args)

    monkeypatch.setattr(
        type(app.ports.broker), "listen", lambda _broker, *args: try_to_listen(*args)
    )
    monkeypatch.setattr(BeatPidbox, "retry_interval", 7.0)
    box = BeatPidbox(SimpleNamespace(app=app, last_tick_s=None), "beat@here")
    now_s = 100.0
    monkeypatch.setattr(box, "_now_s", lambda: now_s)

    box.start()
    assert (box.first_connection_attempt, box.wake_at_s) == (True, 107.0)

    broken, now_s = False, 107.0
    box.hear()
    assert box.first_connection_attempt is False
    box.stop()


@pytest.mark.parametrize(("url", "has"), [("memory://", True), ("sqla+sqlite://", False)])
def test_it_knows_whether_the_broker_tells_many_the_same(app: TaskQ, url: str, has: bool) -> None:
    """Commands go to all workers and beats at once, where the transport can do that."""
    app.conf.broker_url = url
    box = BeatPidbox(SimpleNamespace(app=app, last_tick_s=None), "beat@here")

    assert box.fanout_support() is has
