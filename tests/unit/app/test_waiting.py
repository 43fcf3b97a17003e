"""Waiting for results whose store is out of reach."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from taskq.app.waiting import LONGEST_SILENCE_S
from taskq.errors import OperationalError
from taskq.ports import ResultRecord
from tests.unit.app.fakes import DictStore, LabApp


@pytest.fixture
def away(app: LabApp, monkeypatch: pytest.MonkeyPatch) -> Away:
    """Return what says when the store of an app cannot be reached."""
    return Away(app, monkeypatch)


class Away:
    """Lets a store fail until some moment."""

    def __init__(self, app: LabApp, monkeypatch: pytest.MonkeyPatch) -> None:
        self._clock, self.until_s = app.ports.clock, float("inf")
        self.began_s = self.now_s
        load, wait = DictStore.load, DictStore.wait

        def load_or_fail(store: DictStore, ids: Sequence[str]) -> list[ResultRecord | None]:
            self._fail()
            return load(store, ids)

        def wait_or_fail(store: DictStore, ids: Sequence[str], timeout_s: float | None) -> Any:
            self._fail()
            return wait(store, ids, timeout_s)

        monkeypatch.setattr(DictStore, "load", load_or_fail)
        monkeypatch.setattr(DictStore, "wait", wait_or_fail)

    @property
    def now_s(self) -> float:
        return self._clock.read().elapsed_s

    @property
    def waited_s(self) -> float:
        return self.now_s - self.began_s

    def _fail(self) -> None:
        if self.now_s < self.until_s:
            raise OperationalError("out of reach")


@pytest.mark.parametrize("timeout_s", [None, 60.0])
def test_a_store_that_comes_back_has_the_result(
    app: LabApp, away: Away, timeout_s: float | None
) -> None:
    """It was not there for a while, and not for longer than it may be."""
    app.lab_store.store([app.backend.record("x", 5, "SUCCESS")])
    away.until_s = away.now_s + LONGEST_SILENCE_S - 1

    assert app.AsyncResult("x").get(timeout=timeout_s) == 5
    assert away.waited_s == LONGEST_SILENCE_S - 1


@pytest.mark.parametrize(
    ("timeout_s", "waited_s"),
    [(None, LONGEST_SILENCE_S), (60.0, LONGEST_SILENCE_S), (3.0, 3.0), (0.2, 0.5)],
)
def test_a_store_that_stays_away_is_what_the_wait_ends_with(
    app: LabApp, away: Away, timeout_s: float | None, waited_s: float
) -> None:
    """In the time of the caller, and after a while in any case; its own error says why."""
    with pytest.raises(OperationalError, match="out of reach"):
        app.AsyncResult("x").get(timeout=timeout_s)

    assert away.waited_s == pytest.approx(waited_s, abs=0.5)


def test_each_silence_is_counted_for_itself(app: LabApp, away: Away, store: DictStore) -> None:
    """A store that has answered in between may be away for as long again."""
    away.until_s = away.now_s + LONGEST_SILENCE_S - 1

    def meanwhile(timeout_s: float | None) -> list[Any]:
        if len(store.waits) == 2:
            app.ports.clock.sleep(timeout_s or 0)
            away.until_s = away.now_s + LONGEST_SILENCE_S - 1
            store.store([app.backend.record("x", 5, "SUCCESS")])
        return []

    store.meanwhile = meanwhile

    assert app.AsyncResult("x").get() == 5
    assert away.waited_s > LONGEST_SILENCE_S + 20


def test_what_the_task_raised_is_no_silence(app: LabApp) -> None:
    """Its own trouble with a broker is its result."""
    app.lab_store.store([app.backend.record("x", OperationalError("of the task"), "FAILURE")])

    with pytest.raises(OperationalError, match="of the task"):
        app.AsyncResult("x").get(timeout=60)
