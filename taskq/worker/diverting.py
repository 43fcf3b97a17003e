"""Messages of tasks that have a ``Strategy`` or a ``Request`` of their own.

They are held up between the intake and the core: their strategy gets them first.  What it hands
on (``Request.execute_using_pool``) goes to the core as if it had just come; what it keeps stays
unsettled at the broker until it is acknowledged or rejected, or goes back when the worker ends.
What becomes of what was handed on is told to its request by watching the pool.

Wraps four of the parts of a worker, and only of one that has such a task.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from taskq.app.discovery import symbol
from taskq.app.failure import ExceptionInfo
from taskq.app.log import get_logger
from taskq.app.upgrade import upgrade
from taskq.core.traits import TaskTraits
from taskq.errors import (
    OperationalError,
    SoftTimeLimitExceeded,
    TaskqError,
    TimeLimitExceeded,
    WorkerLostError,
)
from taskq.ports import (
    ChordFull,
    Completion,
    Delivery,
    Ending,
    EndingKind,
    Intake,
    Job,
    JobRunner,
    JobStarted,
    LostMessage,
    Malformed,
    Pool,
    PoolEvent,
    QueueSpec,
    ResultStore,
    Settlement,
    Verdict,
)
from taskq.runtime.worker import Parts
from taskq.worker.calls import CALL, CALL_TRAITS, Calls, CallWork, is_call, tell, without_result
from taskq.worker.message import TaskMessage
from taskq.worker.strategy import DEFAULT as DEFAULT_STRATEGIES

__all__ = ["Diversion", "custom_tasks"]

logger: Final = get_logger("taskq.worker")

DEFAULT_REQUESTS: Final = frozenset(
    {"taskq.worker.request:Request", "celery.worker.request:Request"}
)
FINAL: Final = frozenset({Verdict.ACK, Verdict.REJECT, Verdict.REQUEUE, Verdict.PARK})
FAILED: Final = frozenset(
    {
        *(EndingKind.FAILED, EndingKind.REJECTED, EndingKind.LOST),
        *(EndingKind.UNKNOWN, EndingKind.MALFORMED),
    }
)


def custom_tasks(tasks: Mapping[str, Any]) -> frozenset[str]:
    """Return the names of tasks whose messages do not go straight to the core."""
    return frozenset(
        name
        for name, task in tasks.items()
        if not _is(task.Strategy, DEFAULT_STRATEGIES) or not _is(task.Request, DEFAULT_REQUESTS)
    )


def _is(given: Any, paths: frozenset[str]) -> bool:
    return isinstance(given, str) and given in paths


class Diversion:
    """The messages that strategies have, and those whose requests want to hear."""

    def __init__(self, controller: Any, tasks: Iterable[str], parts: Parts) -> None:
        self.controller, self.app = controller, controller.app
        self._tasks = frozenset(tasks)
        self._traits = parts.traits
        self.intake = parts.intake
        self.handlers: dict[str, Callable[..., Any]] = {}
        self.requests: dict[int, Any] = {}  # tag -> who wants to hear
        self._released: list[Delivery] = []
        self.calls = Calls(controller.nudge)
        self._accepting: list[int] | None = None
        self.parts = Parts(
            intake=DivertedIntake(parts.intake, self),
            pool=HeardPool(parts.pool, self),
            work=CallWork(self.app, controller.hostname, self.concluded),
            traits=self._traits_of,
        )

    def _traits_of(self, name: str) -> TaskTraits | None:
        return CALL_TRAITS if name == CALL else self._traits(name)

    @property
    def has_news(self) -> bool:
        """Whether something is there for the core."""
        core = self.controller.core
        return core is not None and core.takes and (bool(self._released) or self.calls.any_new)

    # -- messages on their way in ------------------------------------------------------------------

    def admit(self, deliveries: Sequence[Delivery | Malformed]) -> list[Delivery | Malformed]:
        """Return what goes to the core now."""
        passed: list[Delivery | Malformed] = []
        for come in deliveries:
            delivery = self._upgraded(come)
            if isinstance(delivery, Malformed) or not self._diverts(delivery):
                passed.append(delivery)
            else:
                self._divert(delivery)
        released, self._released = self._released, []
        return [*passed, *released, *self.calls.take()]

    def _upgraded(self, come: Delivery | Malformed) -> Delivery | Malformed:
        if isinstance(come, Malformed) or "task" in come.message.headers:
            return come
        codec, conf = self.app.ports.codec, self.app.conf
        accept = codec.accepted(conf.accept_content)
        return upgrade(come, codec, accept, conf.taskq_max_body_bytes)

    def _diverts(self, delivery: Delivery) -> bool:
        return delivery.message.headers.get("task") in self._tasks

    def _divert(self, delivery: Delivery) -> None:
        message = TaskMessage(delivery, self)
        try:
            handler = self.handler(str(delivery.message.headers["task"]))
            callbacks = self.controller.consumer.on_task_message
            handler(message, None, message.ack_log_error, message.reject_log_error, callbacks)
        except OperationalError:
            raise  # the message comes again when the broker is back
        except Exception as error:  # a boundary: a program's strategy may raise anything
            logger.exception("the strategy of %s has failed", delivery.message.headers["task"])
            self.settle(delivery.tag, Verdict.REJECT, f"its strategy raised {error!r}")

    def handler(self, name: str) -> Callable[..., Any]:
        """Return what handles the messages of a task; made once."""
        known = self.handlers.get(name)
        if known is None:
            task = self.app.tasks[name]
            known = symbol(_place(task.Strategy))(task, self.app, self.controller.consumer)
            self.handlers[name] = known
        return known

    def forget_handlers(self) -> None:
        """Make them anew when they are needed."""
        self.handlers.clear()

    def release(self, delivery: Delivery, request: Any) -> None:
        """Let the worker go on with a message."""
        self.requests[delivery.tag] = request
        self._released.append(delivery)
        self.controller.nudge()

    # -- what is said to the broker ----------------------------------------------------------------

    def settle(self, tag: int, verdict: Verdict, reason: str = "") -> None:
        """Settle a message for its strategy."""
        self.requests.pop(tag, None)
        if verdict is Verdict.ACK and self._accepting is not None:
            # It stands for a function that is about to begin: should the worker be lost before
            # that has ended, whoever finds the claim tells how its task ended.
            self._accepting.append(tag)
            verdict = Verdict.CLAIM
        self.intake.settle([Settlement(tag, verdict, reason)])

    def accepted(self, token: int) -> None:
        """A function is about to be given to a slot."""
        call = self.calls.open.get(token)
        if call is None:
            return
        self._accepting = call.claimed
        try:
            tell(call.accept_callback, os.getpid(), self.app.ports.clock.read().wall_s)
        finally:
            self._accepting = None

    # -- what the pool says ------------------------------------------------------------------------

    def wants_start(self, token: int) -> bool:
        """Whether somebody wants to hear that a body begins."""
        return token in self.requests

    def hear(self, event: PoolEvent) -> PoolEvent:
        """Tell a request what became of it."""
        if isinstance(event, Ending):
            if is_call(event.token):
                self._finish(event)
                return without_result(event)
            request = self.requests.pop(event.token, None)
            if request is not None:
                _tell_end(request, event)
        elif isinstance(event, JobStarted) and (request := self.requests.get(event.token)):
            tell(request.on_accepted, event.pid, self.app.ports.clock.read().wall_s)
        return event

    def _finish(self, ending: Ending) -> None:
        claimed = self.calls.ended(ending)
        if claimed:
            self.intake.settle([Settlement(tag, Verdict.ACK) for tag in claimed])

    def concluded(self, job: Job, kind: EndingKind, reason: str) -> None:
        """A job has ended that did not end by itself."""
        request = self.requests.pop(job.token, None)
        if is_call(job.token):
            self._finish(Ending(job.token, kind, summary=reason))
        elif request is not None and kind is EndingKind.TIMED_OUT:
            tell(request.on_timeout, False, job.time_limit_s)
            tell(request.on_failure, ExceptionInfo(TimeLimitExceeded(job.time_limit_s)))
        elif request is not None and kind in FAILED:
            tell(request.on_failure, ExceptionInfo(WorkerLostError(reason)))

    def lost(self) -> None:
        """The broker has taken everything back: nobody wants to hear of it any more."""
        self.requests.clear()
        self._released.clear()


def _place(given: Any) -> Any:
    """Return where a strategy is; Celery's own stand for ours."""
    if isinstance(given, str) and given.startswith("celery.worker."):
        return f"taskq.{given.removeprefix('celery.')}"
    return given


def _tell_end(request: Any, ending: Ending) -> None:
    if ending.kind is EndingKind.SUCCEEDED:
        tell(request.on_success, (False, ending.summary, ending.runtime_s))
        return
    soft = ending.summary.startswith(SoftTimeLimitExceeded.__name__)
    if soft:
        tell(request.on_timeout, True, request.time_limits[1] or request.task.soft_time_limit)
    error = SoftTimeLimitExceeded() if soft else TaskqError(ending.summary)
    einfo = ExceptionInfo(error, ending.traceback)
    if ending.kind is EndingKind.RETRIED:
        tell(request.on_retry, einfo)
    elif ending.kind in FAILED:
        tell(request.on_failure, einfo)


class DivertedIntake:
    """An intake that gives some messages to their strategies first."""

    def __init__(self, inner: Intake, diversion: Diversion) -> None:
        self._inner, self._diversion = inner, diversion

    @property
    def keeps_deliveries(self) -> bool:
        """As it is."""
        return self._inner.keeps_deliveries

    @property
    def parks(self) -> bool:
        """As it is."""
        return self._inner.parks

    @property
    def watched(self) -> Sequence[int]:
        """As it is."""
        return self._inner.watched

    @property
    def poll_s(self) -> float | None:
        """As it is."""
        return self._inner.poll_s

    def set_prefetch(self, count: int) -> None:
        """As it is: what strategies keep counts."""
        self._inner.set_prefetch(count)

    def receive(self) -> Sequence[Delivery | Malformed]:
        """Take what is there, and what strategies have handed on."""
        return self._diversion.admit(self._inner.receive())

    def settle(self, settlements: Sequence[Settlement]) -> None:
        """Carry out verdicts; those on functions are heard here."""
        real = [one for one in settlements if not is_call(one.tag)]
        if real:
            self._inner.settle(real)
        for one in settlements:
            self._heard(one)

    def commit(self, completions: Sequence[Completion], store: ResultStore) -> Sequence[ChordFull]:
        """Finish ended jobs; what only settles a function leaves nothing to do."""
        of_calls = [
            one.settlement
            for one in completions
            if one.settlement is not None and is_call(one.settlement.tag)
        ]
        real = [
            number
            for number, one in enumerate(completions)
            if one.settlement is None or not is_call(one.settlement.tag)
        ]
        full: Sequence[ChordFull] = ()
        if real:
            full = self._inner.commit([completions[number] for number in real], store)
        for settlement in of_calls:
            self._heard(settlement)
        return [replace(one, number=real[one.number]) for one in full]

    def _heard(self, one: Settlement) -> None:
        if not is_call(one.tag):
            if one.verdict in FINAL:
                self._diversion.requests.pop(one.tag, None)
        elif one.verdict is Verdict.CLAIM:
            self._diversion.accepted(one.tag)
        else:
            self._diversion.calls.forget(one.tag)

    def renew(self) -> float | None:
        """As it is."""
        return self._inner.renew()

    def lost_claims(self) -> Sequence[LostMessage]:
        """As it is."""
        return self._inner.lost_claims()

    def lost_tags(self) -> Sequence[int]:
        """As it is."""
        return self._inner.lost_tags()

    def add_queue(self, queue: QueueSpec) -> None:
        """As it is."""
        self._inner.add_queue(queue)

    def cancel_queue(self, name: str) -> None:
        """As it is."""
        self._inner.cancel_queue(name)

    def reconnect(self) -> None:
        """Connect again."""
        self._inner.reconnect()
        if not self._inner.keeps_deliveries:
            self._diversion.lost()

    def close(self) -> None:
        """As it is: what strategies keep goes back."""
        self._inner.close()


class HeardPool:
    """A pool that is listened to on behalf of requests."""

    def __init__(self, inner: Pool, diversion: Diversion) -> None:
        self._inner, self._diversion = inner, diversion
        self._told: set[int] = set()  # whose beginning only requests want to hear

    @property
    def watched(self) -> Sequence[int]:
        """As it is."""
        return self._inner.watched

    @property
    def poll_s(self) -> float | None:
        """As it is."""
        return self._inner.poll_s

    @property
    def keeps_limits(self) -> tuple[bool, bool]:
        """As it is."""
        return self._inner.keeps_limits

    def start(self, slots: int, run: JobRunner) -> None:
        """As it is."""
        self._inner.start(slots, run)

    def submit(self, slot: int, jobs: Sequence[Job]) -> None:
        """Give jobs to a slot; those of requests say when they begin."""
        self._inner.submit(slot, [self._announced(job) for job in jobs])

    def _announced(self, job: Job) -> Job:
        if job.announce or not self._diversion.wants_start(job.token):
            return job
        self._told.add(job.token)
        return replace(job, announce=True)

    def collect(self) -> Sequence[PoolEvent]:
        """Return what happened, after requests have heard it."""
        events = [self._diversion.hear(event) for event in self._inner.collect()]
        return [event for event in events if not self._is_ours(event)]

    def _is_ours(self, event: PoolEvent) -> bool:
        if isinstance(event, JobStarted) and event.token in self._told:
            self._told.discard(event.token)
            return True
        return False

    def recall(self, slot: int) -> None:
        """As it is."""
        self._inner.recall(slot)

    def grow(self, count: int = 1) -> None:
        """As it is."""
        self._inner.grow(count)

    def shrink(self, count: int = 1) -> None:
        """As it is."""
        self._inner.shrink(count)

    def restart(self) -> None:
        """As it is."""
        self._inner.restart()

    def terminate(self, slot: int, signal: int) -> None:
        """As it is."""
        self._inner.terminate(slot, signal)

    def stop(self, *, at_once: bool = False) -> None:
        """As it is."""
        self._inner.stop(at_once=at_once)

    def describe(self) -> Mapping[str, Any]:
        """As it is."""
        return self._inner.describe()
