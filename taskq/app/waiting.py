"""Waits until results are there.

What a store says of changes is a hint; what it says when it is asked is the truth.  So: ask; begin
to listen; ask again, since something may have come in between; then ask for what was hinted at,
and for all where nothing is heard for a while, because a hint can get lost.  Who waits for many
asks once for all of them, when the last one was hinted at, or the first one that failed: so the
round trips do not grow with their number.  A store that cannot be reached has said nothing: it is
asked again, as long as there is time, but not for ever.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from taskq import states
from taskq.errors import OperationalError
from taskq.errors import TimeoutError as ResultTimeoutError
from taskq.ports import ResultRecord, TellsEveryChange

__all__ = ["as_they_end", "wait_for"]

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
) -> None:
    """Return when all results have ended, or raise ``TimeoutError``.

    Where the store is out of reach for too long, or when the time is over, its own error is raised.
    As soon as one of ``raise_for`` has failed its exception is raised: it is one of them, or it
    stands before them in a chain, and they will not come.
    """
    wait = _Wait(app, results, raise_for, on_message, is_prompt=on_message is not None)
    for _ in wait.turns(timeout_s, interval_s, on_interval):
        pass


def as_they_end(
    app: Any,
    results: Sequence[Any],
    *,
    timeout_s: float | None = None,
    interval_s: float | None = None,
    on_message: Callable[[Mapping[str, Any]], Any] | None = None,
    on_interval: Callable[[], Any] | None = None,
) -> Iterator[Any]:
    """Return results as they end, one for each id; else as ``wait_for``."""
    wait = _Wait(app, results, (), on_message, is_prompt=True)
    for ended in wait.turns(timeout_s, interval_s, on_interval):
        yield from ended


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
        *,
        is_prompt: bool,
    ) -> None:
        self.app, self.results, self.raise_for = app, results, raise_for
        self.on_message, self.is_prompt = on_message, is_prompt
        self.store = app.ports.store
        self.backend = app.backend
        # By id: one task may be asked for through several handles.
        self._open: dict[str, list[Any]] = {}
        for each in (*raise_for, *results):
            if not _is_over(each):
                self._open.setdefault(each.id, []).append(each)
        self._awaited = {each.id for each in results} & self._open.keys()
        self._ids = tuple(self._open)
        # What was heard of and not asked for yet; what of those awaited was not heard of; whether
        # one was heard to have failed.
        self._hinted: dict[str, None] = {}
        self._unheard = set(self._awaited)
        self._has_bad_news = False
        self._told: dict[str, str] = {}
        self._seen: dict[str, str] = {}
        self._silent_since_s: float | None = None
        self._asked_at_s = self.now_s()

    def now_s(self) -> float:
        """Read the clock."""
        elapsed: float = self.app.ports.clock.read().elapsed_s
        return elapsed

    def turns(
        self,
        timeout_s: float | None,
        interval_s: float | None,
        on_interval: Callable[[], Any] | None,
    ) -> Iterator[list[Any]]:
        """Wait; after each time that the store was asked, return what has ended since."""
        deadline_s = None if timeout_s is None else self.now_s() + timeout_s
        yield self._over_before()
        if not self._awaited:
            return
        yield self.ask(self._ids, deadline_s)
        if not self._awaited:
            return
        slice_s = _slice_s(self.store, interval_s, on_interval is not None)
        all_ids = self._ids
        try:
            self.listen(0)
            while True:
                yield self.ask(self._ids, deadline_s)
                self._raise_if_late(deadline_s, timeout_s)
                while self._awaited and not self._listen_on(slice_s, deadline_s, on_interval):
                    yield self.ask(tuple(self._hinted), deadline_s)
                if not self._awaited:
                    return
        finally:
            self.store.stop_waiting(all_ids)

    def _listen_on(
        self,
        slice_s: float | None,
        deadline_s: float | None,
        on_interval: Callable[[], Any] | None,
    ) -> bool:
        """Listen until there is reason to ask; return whether to ask for all."""
        while True:
            left_s = None if deadline_s is None else deadline_s - self.now_s()
            # A store that did not answer does not tell, either.
            pause_s = None if self._silent_since_s is None else PAUSE_S
            spans = [span_s for span_s in (slice_s, left_s, pause_s) if span_s is not None]
            heard = self.listen(max(0.0, min(spans)) if spans else None)
            if on_interval is not None:
                on_interval()
            if not heard or (left_s is not None and left_s <= 0):
                return True
            if slice_s is not None and self.now_s() - self._asked_at_s > LONGEST_TRUST_S:
                return True
            if self._is_worth_asking():
                return False

    def _is_worth_asking(self) -> bool:
        """Whether what was heard of is all that is waited for, or ends the wait."""
        if not self._hinted:
            return False
        return self.is_prompt or not self._unheard or self._has_bad_news

    # -- asking -----------------------------------------------------------------------------------

    def _over_before(self) -> list[Any]:
        """Return what had ended before, or raise for it."""
        for each in self.raise_for:
            if _is_over(each):
                each.maybe_throw()
        over: dict[str, Any] = {}
        for each in self.results:
            if _is_over(each):
                over.setdefault(each.id, each)
        return list(over.values())

    def ask(self, ids: Sequence[str], deadline_s: float | None) -> list[Any]:
        """Ask the store; return what has ended, or raise what one of ``raise_for`` raised."""
        ended = []
        self._has_bad_news = False
        metas = self._metas(ids, deadline_s) if ids else []
        for task_id, meta in zip(ids, metas, strict=False):  # it may have said nothing
            self._hinted.pop(task_id, None)
            if self._take(task_id, meta):
                ended.append(task_id)
            elif task_id in self._awaited:
                self._unheard.add(task_id)
        if not ended:
            return []
        over = [self._open.pop(task_id)[-1] for task_id in ended]
        self._ids = tuple(self._open)
        if any(each._cache["status"] in states.PROPAGATE_STATES for each in over):  # noqa: SLF001 - its own module's
            for each in self.raise_for:
                if _is_over(each):
                    each.maybe_throw()
        wanted = [each for each in over if each.id in self._awaited]
        self._awaited.difference_update(ended)
        self._unheard.difference_update(ended)
        return wanted

    def _metas(self, ids: Sequence[str], deadline_s: float | None) -> list[dict[str, Any]]:
        """Return what the store has, or nothing if it is out of reach and may be asked again."""
        try:
            metas: list[dict[str, Any]] = self.backend.get_many_metas(ids)
        except OperationalError:
            now_s = self.now_s()
            if self._silent_since_s is None:
                self._silent_since_s = now_s
            end_s = self._silent_since_s + LONGEST_SILENCE_S
            if now_s >= (end_s if deadline_s is None else min(end_s, deadline_s)):
                raise
            return []
        self._silent_since_s = None
        self._asked_at_s = self.now_s()
        return metas

    def _take(self, task_id: str, meta: dict[str, Any]) -> bool:
        """Remember what is stored of one task; return whether it has ended."""
        status = self._seen[task_id] = meta["status"]
        if status != states.PENDING and self._told.get(task_id) != status:
            self._tell(task_id, meta)
        for each in self._open[task_id]:
            each._maybe_set_cache(meta)  # noqa: SLF001 - its own module's
        return status in states.READY_STATES

    def _tell(self, task_id: str, meta: Mapping[str, Any]) -> None:
        self._told[task_id] = meta["status"]
        if self.on_message is not None:
            self.on_message(meta)

    # -- listening --------------------------------------------------------------------------------

    def listen(self, timeout_s: float | None) -> bool:
        """Wait for hints, and remember them; return whether there was one."""
        heard = self._hints(timeout_s)
        for record in heard:
            if record.task_id not in self._open:
                continue
            if record.state in states.READY_STATES:
                self._hinted[record.task_id] = None
                self._unheard.discard(record.task_id)
                if self.raise_for and record.state in states.PROPAGATE_STATES:
                    self._has_bad_news = True
            elif self.on_message is not None:
                self._tell(record.task_id, self.backend.decode_record(record))
        return bool(heard)

    def _hints(self, timeout_s: float | None) -> Sequence[ResultRecord]:
        try:
            return self.store.wait(self._ids, timeout_s)  # type: ignore[no-any-return]
        except OperationalError:  # whether that matters shows when it is asked
            self.app.ports.clock.sleep(PAUSE_S if timeout_s is None else min(timeout_s, PAUSE_S))
            return ()

    # -- the end of the time ----------------------------------------------------------------------

    def _raise_if_late(self, deadline_s: float | None, timeout_s: float | None) -> None:
        """Say what was waited for, where, and what was last known of it."""
        if not self._awaited or deadline_s is None or self.now_s() < deadline_s:
            return
        first = next(each for each in self.results if each.id in self._awaited)
        name = f"task {first._task_name} " if first._task_name else "task "  # noqa: SLF001 - its own module's
        more = f" and {len(self._awaited) - 1} more" if len(self._awaited) > 1 else ""
        raise ResultTimeoutError(
            f"waited {timeout_s} s for the result of {name}[{first.id}]{more} "
            f"in {self.store.name}; its last known state is "
            f"{self._seen.get(first.id, states.PENDING)}"
        )


def _is_over(result: Any) -> bool:
    return result._cache is not None  # noqa: SLF001 - of this package
