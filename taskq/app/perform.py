"""Carries out the effects that the core asks for: one method for each.

It knows ports alone, so production (``runtime.worker``) and simulation
(``taskq_testing/sim/node.py``) use the very same hands; what differs stands behind the ports.
It decides nothing.  When the broker is lost in the middle of a list, what was not carried out
stays in ``pending`` and is carried out after the connection is back, or dropped by ``forsake``.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from taskq.app.committing import Committing
from taskq.app.events import EventSender
from taskq.app.work import Work
from taskq.core.effects import (
    Commit,
    Conclude,
    Effect,
    Emit,
    Exit,
    Grow,
    Kill,
    Recall,
    Received,
    Refused,
    RestartPool,
    Run,
    Say,
    SetPrefetch,
    Settle,
    Shrink,
    StopPool,
    Unpark,
)
from taskq.ports import (
    Broker,
    Intake,
    KeepsParked,
    Pool,
    PoolEvent,
    ResultStore,
)


class Performer:
    """The hands of one worker."""

    def __init__(
        self,
        *,
        broker: Broker,
        intake: Intake,
        pool: Pool,
        store: ResultStore,
        work: Work,
        monitors: EventSender,
        say: Callable[[Say], None],
    ) -> None:
        self._broker, self._intake = broker, intake
        self._pool, self._work = pool, work
        self._committing = Committing(intake, store, work.chord_ending)
        self.monitors, self._say = monitors, say
        self._concluded: list[PoolEvent] = []
        self.pending: deque[Effect] = deque()
        self.exit_code: int | None = None
        self._events: list[tuple[str, Mapping[str, Any]]] = []

    def perform(self, effects: Iterable[Effect] = ()) -> list[PoolEvent]:
        """Carry out what is pending, then these; returns endings that were concluded on the way.

        Raises ``BrokerLostError`` with the effect that met it first in ``pending``.
        """
        pending = self.pending
        pending.extend(effects)
        while pending:
            effect = pending[0]
            if type(effect) is Commit and len(pending) > 1 and type(pending[1]) is Settle:
                # One round trip for both: what ended is committed, what follows is claimed.
                self._committing.commit(effect, pending[1].settlements)
                pending.popleft()
            else:
                self._do(effect)
            pending.popleft()
        if self._events:
            events, self._events = self._events, []
            self.monitors.collect(events)
        concluded, self._concluded = self._concluded, []
        return concluded

    def forsake(self) -> tuple[int, ...]:
        """The broker took everything back: drop what is pending of it.

        Returns the tokens of jobs that reached no slot because of it.
        """
        not_run: list[int] = []
        kept: deque[Effect] = deque()
        for effect in self.pending:
            if isinstance(effect, Run):
                not_run.extend(job.token for job in effect.jobs)
            elif not isinstance(effect, Settle | SetPrefetch):
                kept.append(effect)
        self.pending = kept
        return tuple(not_run)

    # -- one method for each effect ----------------------------------------------------------

    def _do(self, effect: Effect) -> None:  # noqa: C901, PLR0912 - one case for each effect
        match effect:
            case Commit():
                self._committing.commit(effect)
            case Settle():
                self._settle(effect)
            case Run():
                self._run(effect)
            case Say():
                self._say(effect)
            case Emit():
                self._emit(effect)
            case SetPrefetch():
                self._set_prefetch(effect)
            case Conclude():
                self._conclude(effect)
            case Recall():
                self._recall(effect)
            case Kill():
                self._kill(effect)
            case Grow():
                self._pool.grow(effect.count)
            case Shrink():
                self._pool.shrink(effect.count)
            case RestartPool():
                self._pool.restart()
            case Unpark():
                self._unpark(effect)
            case Received():
                self._work.received(effect.job)
            case Refused():
                self._work.refused(effect.reason, effect.raw)
            case StopPool():
                self._stop_pool(effect)
            case Exit():
                self._exit(effect)

    def _set_prefetch(self, effect: SetPrefetch) -> None:
        self._intake.set_prefetch(effect.count)

    def _settle(self, effect: Settle) -> None:
        self._intake.settle(effect.settlements)

    def _run(self, effect: Run) -> None:
        self._pool.submit(effect.slot, effect.jobs)

    def _recall(self, effect: Recall) -> None:
        self._pool.recall(effect.slot)

    def _conclude(self, effect: Conclude) -> None:
        self._concluded.append(
            self._work.conclude(effect.job, effect.kind, effect.reason, effect.detail)
        )

    def _kill(self, effect: Kill) -> None:
        self._pool.terminate(effect.slot, effect.signal)

    def _unpark(self, effect: Unpark) -> None:
        # Elsewhere a revoked task that is parked meets its revocation when it is due.
        if isinstance(self._broker, KeepsParked):
            self._broker.unpark(effect.task_ids)

    def _emit(self, effect: Emit) -> None:
        self._events.append((effect.event, effect.fields))

    def _stop_pool(self, effect: StopPool) -> None:
        self._pool.stop(at_once=effect.at_once)

    def _exit(self, effect: Exit) -> None:
        self.exit_code = effect.code
