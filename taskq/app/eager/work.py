# ruff: noqa: PLR0917 - one pipeline hands the same few values on from step to step
"""What a slot does with a job, when the slot is the caller's own thread.

It is ``app.work``; beside it stands what is asked of eager calls alone: the request says that it is
one, how each body ended is kept for its handle, and the store of the app hears of it where
``task_store_eager_result`` says so.
"""

from __future__ import annotations

import asyncio
from asyncio.events import _set_running_loop
from asyncio.tasks import _enter_task, _leave_task
from collections.abc import Coroutine, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from taskq import states
from taskq.app.concluding import error_of
from taskq.app.context import Context
from taskq.app.eager.place import EagerPlace
from taskq.app.incoming import Incoming
from taskq.app.run_task import Outcome, TaskPlan
from taskq.app.work import Work
from taskq.ports import ChordEnding, ChordFull, Ending, EndingKind, Job

__all__ = ["EagerWork"]

# They say how the message ended; the task goes on.
_GOES_ON: Final = frozenset({EndingKind.RETRIED, EndingKind.REPLACED, EndingKind.REQUEUED})
_UNTOLD: Final = _GOES_ON | {EndingKind.MALFORMED}


class EagerWork(Work):
    """Runs jobs where they were sent."""

    # Results may be waited for: there is no slot that this would hold.
    join_blocks = False

    def __init__(self, place: EagerPlace) -> None:
        super().__init__(place.app, place.ports.place.hostname)
        self._place = place

    def _take(self, job: Job) -> tuple[Incoming, TaskPlan, Context] | Ending:
        with self._place.standing():
            come = super()._take(job)
        if not isinstance(come, Ending):
            request = come[2]
            request.is_eager, request.chord_store = True, self._place.store
            request.delivery_info = {**job.delivery_info, "is_eager": True}
        return come

    def _run_on_loop(self, body: Coroutine[Any, Any, Outcome]) -> Outcome:
        # A loop for each body: one that is kept is closed when nobody can say where.
        with _between_two_steps(), asyncio.Runner() as runner:
            return runner.run(body)

    def _began(self, plan: TaskPlan, request: Context) -> float:
        with self._place.standing():
            super()._began(plan, request)
        elapsed_s: float = self.app.ports.clock.read().elapsed_s
        return elapsed_s

    def _end(
        self,
        job: Job,
        incoming: Incoming,
        plan: TaskPlan,
        request: Context,
        outcome: Outcome,
        began_s: float,
    ) -> Ending:
        ending = super()._end(job, incoming, plan, request, outcome, began_s)
        last = self._place.outcomes.get(request.id)
        if last is not None and plan.task.store_eager_result:
            self._store_beneath(plan.task, request, last)
        return ending

    def _store_beneath(self, task: Any, request: Context, outcome: Outcome) -> None:
        said = request.ignore_result
        is_ignored = task.ignore_result if said is None else said
        if outcome.state in states.READY_STATES and not is_ignored:
            with self._place.beneath():
                task.backend.store_result(
                    request.id, outcome.value, outcome.state, outcome.traceback, request=request
                )

    def _consequences(
        self, job: Job, incoming: Incoming, plan: TaskPlan, request: Context, outcome: Outcome
    ) -> Any:
        with self._place.standing():
            found = super()._consequences(job, incoming, plan, request, outcome)
        self._keep(request.id, outcome)
        return found

    def _added_members(self, request: Context, outcome: Outcome) -> Any:
        with self._place.standing():
            return super()._added_members(request, outcome)

    def conclude(
        self, job: Job, kind: EndingKind, reason: str, detail: Mapping[str, Any]
    ) -> Ending:
        """Make the ending of a job whose body is not run, or not to its end."""
        with self._place.standing():
            ending = super().conclude(job, kind, reason, detail)
        task_id = job.headers.get("id")
        if ending.kind not in _UNTOLD and isinstance(task_id, str):
            state = states.REVOKED if kind is EndingKind.REVOKED else states.FAILURE
            error = error_of(job, kind, reason, detail)
            self._keep(task_id, Outcome(kind, state, error, ending.traceback or None))
        return ending

    def chord_ending(self, job: Job, full: ChordFull, levels: int) -> ChordEnding:
        """Make what ends a chord that a job completes, so many levels further out."""
        with self._place.standing():
            return super().chord_ending(job, full, levels)

    def _keep(self, task_id: str, outcome: Outcome) -> None:
        outcomes = self._place.outcomes
        if outcome.kind in _GOES_ON:
            outcomes.pop(task_id, None)
        else:
            outcomes[task_id] = outcome


@contextmanager
def _between_two_steps() -> Iterator[None]:
    """Leave the loop that runs in this thread, as it does by itself between two of its steps.

    A call in the midst of a coroutine returns when its task has run, and no sooner.
    """
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        yield
        return
    task = asyncio.current_task(loop)
    if task is not None:
        _leave_task(loop, task)
    _set_running_loop(None)
    try:
        yield
    finally:
        _set_running_loop(loop)
        if task is not None:
            _enter_task(loop, task)
