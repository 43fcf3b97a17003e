# ruff: noqa: PLR0917 - one pipeline hands the same few values on from step to step
"""What a slot of a worker does with a job: from a delivered message to its ``Ending``.

``Work`` is the ``JobRunner`` of the pools, and what a driver asks for endings of jobs whose body is
not run (``conclude``) and for what ends a chord that is complete (``chord_ending``).

Owned here: decoding, the request, what is stored and what is sent on.  Not owned: the body itself
and its handlers (``run_task.py``), what follows from an ending (``follow.py``), acknowledging
(``core.outcome``).
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Coroutine, Mapping
from functools import partial
from typing import Any, Final

from taskq import signals, states
from taskq.app import follow, run_task
from taskq.app.asked import must_be_kept
from taskq.app.chording import Chording
from taskq.app.concluding import Concluding
from taskq.app.context import Context
from taskq.app.incoming import Incoming, decode, request_of
from taskq.app.received import Consumer, Request
from taskq.app.repeated import ending_before
from taskq.app.run_task import Outcome, TaskPlan
from taskq.core.traits import TaskTraits
from taskq.errors import EncodeError, NotRegistered, Retry, TaskqError
from taskq.ports import (
    CancelsCoroutines,
    ChordEnding,
    ChordFull,
    ChordGrowth,
    ChordPart,
    Ending,
    EndingKind,
    Guard,
    Job,
    Outgoing,
    ResultRecord,
)
from taskq.protocol.result import started_info
from taskq.protocol.saferepr import safe_repr

__all__ = ["Work"]

logger: Final = logging.getLogger("taskq.app.trace")

_SUMMARY_LIMIT: Final = 1024
# How a body ends that has done what it was to do, or will.
_GOES_ON: Final = frozenset({EndingKind.SUCCEEDED, EndingKind.RETRIED, EndingKind.REPLACED})


class _Loop:
    """The event loop of one thread; it is closed when its thread (or who keeps it) is gone."""

    def __init__(self) -> None:
        self.runner = asyncio.Runner()

    def __del__(self) -> None:
        self.runner.close()


class Work:
    """Runs jobs of one app on one node."""

    join_blocks = True  # a body that waits for another task holds its slot

    def __init__(self, app: Any, node: str) -> None:
        self.app, self.node = app, node
        self._plans: dict[str, TaskPlan] = {}
        self._loops = threading.local()
        self.consumer = Consumer(app, node)
        self._concluding = Concluding(self.consumer)
        self._chording = Chording(app)

    # -- the pool's side --------------------------------------------------------------------------

    def begin_process(self) -> None:
        """Tell that a new process of a pool is there."""
        self.app.leave_ports_to_parent()
        self.app.on_after_fork.send(sender=self.app)
        signals.worker_process_init.send(sender=self.node)

    def end_process(self, exitcode: int) -> None:
        """Tell that a process of a pool ends."""
        signals.worker_process_shutdown.send(
            sender=self.node, pid=self.app.ports.place.pid, exitcode=exitcode
        )

    def is_async(self, job: Job) -> bool:
        """Whether the body of a job is a coroutine function."""
        plan = self._plan(job.headers.get("task") or "")
        return plan is not None and plan.is_async

    def __call__(self, job: Job, guard: Guard | None = None) -> Ending:
        """Run a job here and now."""
        try:
            come = self._take(job)
            if isinstance(come, Ending):
                return come
            incoming, plan, request = come
            tokens = run_task.enter(plan, request, join_blocks=self.join_blocks)
            try:
                began_s = self._began(plan, request)
                if plan.is_async:
                    outcome = self._run_on_loop(
                        _cancellable(plan, request, incoming, job.soft_time_limit_s, guard)
                    )
                else:
                    outcome = run_task.call(plan, request, incoming.args, incoming.kwargs, guard)
                return self._end(job, incoming, plan, request, outcome, began_s)
            finally:
                run_task.leave(tokens)
        except Exception as error:  # noqa: BLE001 - the boundary: a slot must always answer
            return self._broken(job, error)

    async def awaitable(self, job: Job, guard: Guard | None = None) -> Ending:
        """Run a job on the caller's loop."""
        try:
            come = self._take(job)
            if isinstance(come, Ending):
                return come
            incoming, plan, request = come
            tokens = run_task.enter(plan, request, join_blocks=self.join_blocks)
            try:
                began_s = self._began(plan, request)
                outcome = await run_task.call_async(
                    plan, request, incoming.args, incoming.kwargs, guard, job.soft_time_limit_s
                )
                return self._end(job, incoming, plan, request, outcome, began_s)
            finally:
                run_task.leave(tokens)
        except Exception as error:  # noqa: BLE001 - the boundary: a slot must always answer
            return self._broken(job, error)

    run = __call__

    def _run_on_loop(self, body: Coroutine[Any, Any, Outcome]) -> Outcome:
        """Run a coroutine to its end, on a loop that this thread keeps."""
        loop: _Loop | None = getattr(self._loops, "loop", None)
        if loop is None:
            loop = self._loops.loop = _Loop()
        return loop.runner.run(body)

    # -- before the body --------------------------------------------------------------------------

    def _take(self, job: Job) -> tuple[Incoming, TaskPlan, Context] | Ending:
        """Decode, find the task, make the request; or say why not."""
        try:
            incoming = decode(self.app, job)
        except TaskqError as error:
            return self.conclude(job, EndingKind.MALFORMED, str(error), {})
        plan = self._plan(incoming.headers["task"])
        if plan is None:
            return self.conclude(job, EndingKind.UNKNOWN, incoming.headers["task"], {})
        before = ending_before(self.app, job, incoming, plan.task)
        return before or (incoming, plan, request_of(job, incoming, self.node))

    def _plan(self, name: str) -> TaskPlan | None:
        plan = self._plans.get(name)
        if plan is not None:
            return plan
        try:
            task = self.app.tasks[name]
        except NotRegistered:
            return None
        plan = self._plans[name] = TaskPlan(task, 0)
        return plan

    def _began(self, plan: TaskPlan, request: Context) -> float:
        """Store STARTED where that is wanted; return when the body began."""
        task = plan.task
        if task.track_started and not _is_ignored(task, request):
            place = self.app.ports.place
            info = started_info(place.pid, self.node)
            task.backend.store_result(request.id, info, states.STARTED, request=request)
        elapsed_s: float = self.app.ports.clock.read().elapsed_s
        return elapsed_s

    # -- after the body ---------------------------------------------------------------------------

    def _end(
        self,
        job: Job,
        incoming: Incoming,
        plan: TaskPlan,
        request: Context,
        outcome: Outcome,
        began_s: float,
    ) -> Ending:
        """Work out what follows; tell; say how it ended."""
        runtime_s = self.app.ports.clock.read().elapsed_s - began_s
        try:
            follow_ups, result, part = self._consequences(job, incoming, plan, request, outcome)
        except EncodeError as error:
            # The result, or what it is sent on to, cannot be encoded: then the task has failed.
            outcome = Outcome.of_error(error)
            follow_ups, result, part = self._consequences(job, incoming, plan, request, outcome)
        added, growth = self._added_members(request, outcome)
        run_task.tell(plan, request, incoming.args, incoming.kwargs, outcome, runtime_s)
        task = plan.task
        return Ending(
            token=job.token,
            kind=outcome.kind,
            runtime_s=runtime_s,
            result=result,
            follow_ups=(*added, *follow_ups),
            chord=part,
            summary=_summary(outcome, task.resultrepr_maxsize),
            traceback=outcome.traceback or "",
            expected=outcome.kind is EndingKind.FAILED and isinstance(outcome.value, task.throws),
            growth=growth,
        )

    def _added_members(
        self, request: Context, outcome: Outcome
    ) -> tuple[tuple[Outgoing, ...], ChordGrowth | None]:
        """Return what the body has added to its chord; of one that did not succeed nothing.

        They go out with its ending: killed before that, it comes again and adds them again.
        """
        added = request.added_to_chord
        if not added or outcome.kind not in _GOES_ON:
            return (), None
        assert request.group is not None, "it belongs to a chord"
        mark = f"+{request.id}:{request.group_index}:{request.retries}"
        messages = [each for sig in added for each in follow.of_signature(self.app, sig)]
        return tuple(messages), ChordGrowth(request.group, mark, len(added))

    def _consequences(
        self, job: Job, incoming: Incoming, plan: TaskPlan, request: Context, outcome: Outcome
    ) -> tuple[tuple[Outgoing, ...], ResultRecord | None, ChordPart | None]:
        """Return messages, result and part of a chord."""
        kind = outcome.kind
        if kind is EndingKind.SUCCEEDED:
            return self._after_success(job, incoming, plan, request, outcome)
        if kind is EndingKind.FAILED or kind is EndingKind.REJECTED:
            return self._concluding.after_failure(job, incoming, plan.task, request, outcome)
        if kind is EndingKind.RETRIED:
            return self._after_retry(plan, request, outcome)
        if kind is EndingKind.REPLACED:
            return outcome.value.consequences(self.app)  # type: ignore[no-any-return]  # of ``Replaced``
        if kind is EndingKind.IGNORED:
            return self._concluding.after_ignore(job, incoming, outcome)
        return (), None, None

    def _after_success(
        self, job: Job, incoming: Incoming, plan: TaskPlan, request: Context, outcome: Outcome
    ) -> tuple[tuple[Outgoing, ...], ResultRecord | None, ChordPart | None]:
        task, value = plan.task, outcome.value
        follow_ups: tuple[Outgoing, ...] = ()
        part: ChordPart | None = None
        if incoming.has_followers and incoming.only_counts:
            # Of a thousand members one ends the chord; the others need not know what it is.
            place = follow.own_place(incoming)
            part = follow.part_of_chord(self.app, [place], request.id, states.SUCCESS, value)
        elif incoming.has_followers:
            call = incoming.call(job)
            follow_ups = follow.after_success(self.app, call, value, job)
            places = [] if call.chain else follow.chord_places(call)
            part = follow.part_of_chord(self.app, places, call.id, states.SUCCESS, value)
        if _is_ignored(task, request) and not must_be_kept(self.app, request.chord):
            return follow_ups, None, part
        record = task.backend.record(request.id, value, states.SUCCESS, None, request)
        return follow_ups, record, part

    def _after_retry(
        self, plan: TaskPlan, request: Context, outcome: Outcome
    ) -> tuple[tuple[Outgoing, ...], ResultRecord | None, ChordPart | None]:
        said: Retry = outcome.value
        # A ``Retry`` that a body raises by itself has nothing to send.
        follow_ups = () if said.sig is None else follow.of_signature(self.app, said.sig)
        if _is_ignored(plan.task, request):
            return follow_ups, None, None
        record = plan.task.backend.record(
            request.id, said.exc, states.RETRY, outcome.traceback, request
        )
        return follow_ups, record, None

    def _broken(self, job: Job, error: Exception) -> Ending:
        """Something beside the body raised: the store, the broker, or we ourselves."""
        logger.error(
            "task %s[%s]: could not be carried out",
            job.headers.get("task"),
            job.headers.get("id"),
            exc_info=error,
        )
        try:
            return self.conclude(job, EndingKind.FAILED, "", {"error": error})
        except Exception as again:  # noqa: BLE001 - the boundary: the store may still be down
            return Ending(job.token, EndingKind.FAILED, summary=safe_repr(again, _SUMMARY_LIMIT))

    # -- the driver's side ------------------------------------------------------------------------

    def conclude(
        self, job: Job, kind: EndingKind, reason: str, detail: Mapping[str, Any]
    ) -> Ending:
        """Make the ending of a job whose body is not run, or not to its end."""
        return self._concluding.conclude(job, kind, reason, detail)

    def received(self, job: Job) -> None:
        """Tell that a task was taken in."""
        signals.task_received.send(sender=self.consumer, request=Request(self.consumer, job))

    def refused(self, reason: str, raw: bytes) -> None:
        """Tell that a message is no task."""
        signals.task_rejected.send(sender=self.consumer, message=raw, exc=TaskqError(reason))

    def chord_ending(self, job: Job, full: ChordFull, levels: int) -> ChordEnding:
        """Make what ends a chord that a job completes, so many levels further out."""
        return self._chording.ending(job, full, levels)

    def traits(self, name: str) -> TaskTraits | None:
        """Say what the core must know of a task; None if there is none of that name."""
        found: TaskTraits | None = self.app.traits(name)
        return found


async def _cancellable(
    plan: TaskPlan, request: Context, incoming: Incoming, limit_s: float | None, guard: Guard | None
) -> Outcome:
    """Run a body on a loop of ours; the pool may end it."""
    call = run_task.call_async(plan, request, incoming.args, incoming.kwargs, guard, limit_s)
    if not isinstance(guard, CancelsCoroutines):
        return await call
    task, loop = asyncio.current_task(), asyncio.get_running_loop()
    assert task is not None, "a coroutine runs in a task"
    guard.awaits(partial(loop.call_soon_threadsafe, task.cancel))
    try:
        return await call
    finally:
        guard.awaits(None)


def _is_ignored(task: Any, request: Context) -> bool:
    """Whether the result is not stored; what the message says counts more than the task."""
    said = request.ignore_result
    return bool(task.ignore_result if said is None else said)


def _summary(outcome: Outcome, limit: int) -> str:
    value = outcome.value
    return safe_repr(value.exc or value if isinstance(value, Retry) else value, limit)
