# ruff: noqa: PLR0917 - the parameters are Celery's, and so is their order
"""Functions that a strategy runs in a slot of the worker's pool.

Each travels through the core as a delivery of its own, which no broker has sent: its token is below
zero, which that of a message never is.  So it waits for a slot, is counted and is lost as any job,
and nothing that comes over the wire can be taken for one.
"""

from __future__ import annotations

import os
import pickle
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from taskq.app.log import get_logger
from taskq.app.work import Work
from taskq.core.traits import TaskTraits
from taskq.errors import WorkerLostError
from taskq.ports import Delivery, Ending, EndingKind, Guard, Job, Message, ResultRecord
from taskq.protocol.saferepr import safe_repr

__all__ = ["CALL", "CALL_TRAITS", "Call", "CallWork", "Calls", "is_call"]

logger: Final = get_logger("taskq.worker")

# What the core knows it as.
CALL: Final = "taskq.call"
CALL_TRAITS: Final = TaskTraits(CALL, send_events=False)
PICKLED: Final = "application/x-python-serialize"
SUMMARY_LIMIT: Final = 1024


def is_call(token: int) -> bool:
    """Whether a token is that of a function, not of a message."""
    return token < 0


@dataclass(slots=True)
class Call:
    """One function on its way."""

    target: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    callback: Callable[[Any], object] | None
    accept_callback: Callable[[int, float], object] | None
    error_callback: Callable[[BaseException], object] | None
    claimed: list[int] = field(default_factory=list)  # messages that wait for its end
    is_over: bool = False

    def ready(self) -> bool:
        """Whether it has ended."""
        return self.is_over


class Calls:
    """The functions of one worker that have not ended."""

    def __init__(self, nudge: Callable[[], None]) -> None:
        self._nudge = nudge
        self._number = 0
        self.open: dict[int, Call] = {}
        self._new: list[Delivery] = []

    def add(
        self,
        target: Callable[..., Any],
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        callback: Callable[[Any], object] | None,
        accept_callback: Callable[[int, float], object] | None,
        error_callback: Callable[[BaseException], object] | None,
    ) -> Call:
        """Let a function be run."""
        call = Call(target, tuple(args), dict(kwargs), callback, accept_callback, error_callback)
        body = pickle.dumps((call.target, call.args, call.kwargs))
        self._number -= 1
        self.open[self._number] = call
        name = getattr(target, "__qualname__", repr(target))
        headers = {"task": CALL, "id": f"{name}-{-self._number}"}
        message = Message(headers, body, PICKLED, "binary")
        self._new.append(Delivery(self._number, message, "", "", ""))
        self._nudge()
        return call

    @property
    def any_new(self) -> bool:
        """Whether there is something to take."""
        return bool(self._new)

    def take(self) -> list[Delivery]:
        """Return what has been added since the last call."""
        new, self._new = self._new, []
        return new

    def ended(self, ending: Ending) -> list[int]:
        """A function has ended: tell who wanted to know; returns the messages it stands for."""
        call = self.open.pop(ending.token, None)
        if call is None:
            return []
        call.is_over = True
        if ending.kind is EndingKind.SUCCEEDED:
            assert ending.result is not None, "what has returned has a value"
            tell(call.callback, pickle.loads(ending.result.payload))  # noqa: S301 - our own slot's
        else:
            tell(call.error_callback, WorkerLostError(ending.summary))
        return call.claimed

    def forget(self, token: int) -> None:
        """A function is not run."""
        call = self.open.pop(token, None)
        if call is not None:
            call.is_over = True


def tell(function: Callable[..., object] | None, *values: Any) -> None:
    """Call what a program has given us."""
    if function is None:
        return
    try:
        function(*values)
    except Exception:  # a boundary: a program's function may raise anything
        logger.exception("a callback of a function in the pool has failed")


class CallWork(Work):
    """Runs functions, and all else as any worker does.

    ``concluded`` is told of jobs that did not end by themselves, in the thread that made this: in
    a slot, elsewhere, the ending itself tells.
    """

    def __init__(
        self, app: Any, node: str, concluded: Callable[[Job, EndingKind, str], object]
    ) -> None:
        super().__init__(app, node)
        self._concluded, self._home = concluded, (os.getpid(), threading.get_ident())

    def __call__(self, job: Job, guard: Guard | None = None) -> Ending:
        """Run a job here and now."""
        return run_call(job) if is_call(job.token) else super().__call__(job, guard)

    run = __call__

    def is_async(self, job: Job) -> bool:
        """Whether the body of a job is a coroutine function."""
        return not is_call(job.token) and super().is_async(job)

    def received(self, job: Job) -> None:
        """Tell that a task was taken in."""
        if not is_call(job.token):
            super().received(job)

    def conclude(
        self, job: Job, kind: EndingKind, reason: str, detail: Mapping[str, Any]
    ) -> Ending:
        """Make the ending of a job whose body is not run, or not to its end."""
        if (os.getpid(), threading.get_ident()) == self._home:
            self._concluded(job, kind, reason)
        if is_call(job.token):
            return Ending(job.token, kind, summary=reason)
        return super().conclude(job, kind, reason, detail)


def run_call(job: Job) -> Ending:
    """Run a function; in a process of the pool, or in a thread of the worker's own."""
    try:
        target, args, kwargs = pickle.loads(job.body)  # noqa: S301 - our own parent's, by its token
        payload = pickle.dumps(target(*args, **kwargs))
    except Exception as error:
        logger.exception("a function in the pool has failed: %s", job.headers["id"])
        return Ending(job.token, EndingKind.FAILED, summary=safe_repr(error, SUMMARY_LIMIT))
    return Ending(
        job.token, EndingKind.SUCCEEDED, result=ResultRecord("", "SUCCESS", payload, PICKLED)
    )


def without_result(ending: Ending) -> Ending:
    """Return an ending of which nothing is stored."""
    return replace(ending, result=None)
