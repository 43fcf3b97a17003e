"""Waits until results are there.

What a store says of changes is a hint; what it says when it is asked is the truth.  So: ask; begin
to listen; ask again, since something may have come in between; then ask after each hint, and now
and then without one, because a hint can get lost.  A store that cannot be reached has said nothing:
it is asked again, as long as there is time, but not for ever.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from taskq import states
from taskq.errors import OperationalError
from taskq.errors import TimeoutError as ResultTimeoutError
from taskq.ports import ResultRecord, TellsEveryChange

__all__ = ["wait_for"]

# How long to trust that a change would be told.
LONGEST_TRUST_S: Final = 5.0
# How long a store may be out of reach before that is what a wait ends with: time enough for a
# server to begin anew.
LONGEST_SILENCE_S: Final = 30.0
# How long to leave a store alone that could not be listened to.
PAUSE_S: Final = 0.5
# How often ``on_interval`` is called if nobody says how often.
DEFAULT_INTERVAL_S: Final = 0.5


def wait_for(
    app: Any,
    results: Sequence[Any],
    *,
    timeout_s: float | None = None,
    interval_s: float | None = None,
    on_message: Callable[[Mapping[str, Any]], Any] | None = None,
    on_interval: Callable[[], Any] | None = None,
    raise_for: Sequence[Any] = (),
    is_enough: Callable[[], bool] | None = None,
) -> None:
    """Return when all results have ended (or ``is_enough``), or raise ``TimeoutError``.

    Where the store is out of reach for too long, or when the time is over, its own error is raised.
    As soon as one of ``raise_for`` has failed its exception is raised: it stands before the others
    in a chain, and they will not come.
    """
    wait = _Wait(app, results, raise_for, on_message, is_enough)
    deadline_s = None if timeout_s is None else wait.now_s() + timeout_s
    if wait.ask(deadline_s):
        return
    ids = wait.open_ids()
    slice_s = _slice_s(wait.store, interval_s, on_interval is not None)
    try:
        wait.listen(ids, 0)
        while not wait.ask(deadline_s):
            left_s = None if deadline_s is None else deadline_s - wait.now_s()
            if left_s is not None and left_s <= 0:
                raise wait.timeout_error(timeout_s)
            spans = [span_s for span_s in (slice_s, left_s) if span_s is not None]
            wait.listen(wait.open_ids(), min(spans, default=None))
            if on_interval is not None:
                on_interval()
    finally:
        wait.store.stop_waiting(ids)


def _slice_s(store: Any, interval_s: float | None, calls_back: bool) -> float | None:
    """Return how long to wait for one hint; None: as long as there is time."""
    if calls_back:
        return interval_s or DEFAULT_INTERVAL_S
    if isinstance(store, TellsEveryChange) and store.tells_every_change:
        return None
    return interval_s or LONGEST_TRUST_S


class _Wait:
    """One wait for some results."""

    def __init__(
        self,
        app: Any,
        results: Sequence[Any],
        raise_for: Sequence[Any],
        on_message: Callable[[Mapping[str, Any]], Any] | None,
        is_enough: Callable[[], bool] | None,
    ) -> None:
        self.app, self.results, self.raise_for = app, results, raise_for
        self.on_message, self.is_enough = on_message, is_enough
        self.store = app.ports.store
        self.backend = app.backend
        self._told: dict[str, str] = {}
        self._seen: dict[str, str] = {}
        self._silent_since_s: float | None = None

    def now_s(self) -> float:
        """Read the clock."""
        elapsed: float = self.app.ports.clock.read().elapsed_s
        return elapsed

    def _open(self) -> list[Any]:
        # By id: one task may be asked for through several handles.
        unique = {each.id: each for each in (*self.raise_for, *self.results)}
        return [each for each in unique.values() if each._cache is None]  # noqa: SLF001 - its own module's

    def open_ids(self) -> list[str]:
        """Return the ids of what has not ended."""
        return [each.id for each in self._open()]

    def ask(self, deadline_s: float | None) -> bool:
        """Ask the store; return whether all that is waited for is there."""
        waiting = self._open()
        if waiting:
            # It may have said nothing.
            for result, meta in zip(waiting, self._metas(waiting, deadline_s), strict=False):
                self._take(result, meta)
        for each in self.raise_for:
            if each._cache is not None:  # noqa: SLF001 - its own module's
                each.maybe_throw()
        if self.is_enough is not None and self.is_enough():
            return True
        for each in self.results:
            if each._cache is None:  # noqa: SLF001 - its own module's
                self._copy_from_twin(each)
        return all(each._cache is not None for each in self.results)  # noqa: SLF001 - its own module's

    def _metas(self, waiting: Sequence[Any], deadline_s: float | None) -> list[dict[str, Any]]:
        """Return what the store has, or nothing if it is out of reach and may be asked again."""
        try:
            metas: list[dict[str, Any]] = self.backend.get_many_metas([each.id for each in waiting])
        except OperationalError:
            now_s = self.now_s()
            if self._silent_since_s is None:
                self._silent_since_s = now_s
            end_s = self._silent_since_s + LONGEST_SILENCE_S
            if now_s >= (end_s if deadline_s is None else min(end_s, deadline_s)):
                raise
            return []
        self._silent_since_s = None
        return metas

    def _copy_from_twin(self, result: Any) -> None:
        for other in self.results:
            if other.id == result.id and other._cache is not None:  # noqa: SLF001 - its own module's
                result._maybe_set_cache(other._cache)  # noqa: SLF001 - its own module's

    def _take(self, result: Any, meta: dict[str, Any]) -> None:
        self._seen[result.id] = meta["status"]
        if meta["status"] != states.PENDING and self._told.get(result.id) != meta["status"]:
            self._tell(result.id, meta)
        result._maybe_set_cache(meta)  # noqa: SLF001 - its own module's

    def _tell(self, task_id: str, meta: Mapping[str, Any]) -> None:
        self._told[task_id] = meta["status"]
        if self.on_message is not None:
            self.on_message(meta)

    def listen(self, ids: Sequence[str], timeout_s: float | None) -> None:
        """Wait for a hint; tell of states on the way."""
        for record in self._hints(ids, timeout_s):
            if self.on_message is not None and record.state not in states.READY_STATES:
                self._tell(record.task_id, self.backend.decode_record(record))

    def _hints(self, ids: Sequence[str], timeout_s: float | None) -> Sequence[ResultRecord]:
        try:
            return self.store.wait(ids, timeout_s)  # type: ignore[no-any-return]
        except OperationalError:  # whether that matters shows when it is asked
            self.app.ports.clock.sleep(PAUSE_S if timeout_s is None else min(timeout_s, PAUSE_S))
            return ()

    def timeout_error(self, timeout_s: float | None) -> ResultTimeoutError:
        """Say what was waited for, where, and what was last known of it."""
        waiting = [each for each in self.results if each._cache is None]  # noqa: SLF001 - its own module's
        first = waiting[0]
        name = f"task {first._task_name} " if first._task_name else "task "  # noqa: SLF001 - its own module's
        more = f" and {len(waiting) - 1} more" if len(waiting) > 1 else ""
        return ResultTimeoutError(
            f"waited {timeout_s} s for the result of {name}[{first.id}]{more} "
            f"in {self.store.name}; its last known state is "
            f"{self._seen.get(first.id, states.PENDING)}"
        )
