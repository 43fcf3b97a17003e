"""Steps hear which workers come and go, and may ask what the others know."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from taskq.core.cluster import Change, News
from taskq.worker.consumer.social import Gossip, Member, Mingle


class FakeWorker:
    """A worker that hears of others."""

    def __init__(self) -> None:
        self.listener: Any = None
        self.clock = SimpleNamespace(value=0, adjust=self._adjust)

    def _adjust(self, value: int) -> None:
        self.clock.value = value

    def hear_of_others(self, listener: Any) -> Any:
        self.listener = listener
        return SimpleNamespace(names=frozenset({"b@h", "a@h"}))


@pytest.fixture
def worker() -> FakeWorker:
    return FakeWorker()


@pytest.fixture
def consumer(worker: FakeWorker) -> Any:
    return SimpleNamespace(
        controller=worker, hostname="a@h", app=SimpleNamespace(clock=worker.clock), gossip=None
    )


def test_callbacks_hear_who_comes_and_goes(worker: FakeWorker, consumer: Any) -> None:
    """As documented: ``c.gossip.on.node_join`` and its like are sets of callbacks."""
    gossip = Gossip(consumer)
    heard: list[tuple[str, str]] = []
    for name in ("node_join", "node_leave", "node_lost"):
        getattr(consumer.gossip.on, name).add(
            lambda worker, name=name: heard.append((name, worker.hostname))
        )
    gossip.start(consumer)

    for change in (Change.JOINED, Change.LEFT, Change.LOST):
        worker.listener(News("b@h", change))

    assert heard == [("node_join", "b@h"), ("node_leave", "b@h"), ("node_lost", "b@h")]
    assert list(gossip.state.alive_workers()) == [Member("a@h"), Member("b@h")]


def test_a_callback_that_fails_keeps_no_other_from_hearing(
    worker: FakeWorker, consumer: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """What a callback raises is logged."""
    gossip = Gossip(consumer)
    heard: list[Any] = []

    def fail(_worker: Any) -> None:
        raise RuntimeError("broken")

    gossip.on.node_join |= {fail, heard.append}
    gossip.start(consumer)

    worker.listener(News("b@h", Change.JOINED))

    assert heard == [Member("b@h")]
    assert "broken" in caplog.text


def test_it_listens_once_though_the_connection_is_lost(worker: FakeWorker, consumer: Any) -> None:
    """Started anew after a lost connection, each callback still hears of a worker once."""
    gossip = Gossip(consumer)
    gossip.start(consumer)
    first, worker.listener = worker.listener, None

    gossip.stop(consumer)
    gossip.start(consumer)

    assert worker.listener is None
    assert first is not None


def test_what_others_know_is_taken_over(worker: FakeWorker, consumer: Any) -> None:
    """An answer to a greeting moves the logical clock on."""
    Mingle(consumer).on_node_reply(consumer, "b@h", {"clock": 17, "revoked": []})

    assert worker.clock.value == 17
