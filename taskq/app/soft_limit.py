"""The soft time limit of one body: raised in it, and nowhere around it.

Called by ``run_task`` for a job that has such a limit; every other body is called without a look
at this.  A plain function is called between ``arm`` and ``disarm`` of the pool's ``Guard``: the
pool raises in it.  A coroutine is driven step by step here: when its time is over, what it awaits
is cancelled, and instead of the cancellation it gets ``SoftTimeLimitExceeded``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Generator
from types import coroutine
from typing import Any, Final

from taskq.errors import SoftTimeLimitExceeded
from taskq.ports import Guard

__all__ = ["await_limited", "call_limited"]

_NOTHING: Final = object()


def call_limited(guard: Guard, function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
    """Call a body.  How it ended counts, also if the limit was raised when it had just ended."""
    value: Any = _NOTHING
    ending: BaseException | None = None
    try:
        try:
            guard.arm()
            try:
                value = function(*args, **kwargs)
            except BaseException as error:  # noqa: BLE001 - it is raised below
                ending = error
            guard.disarm()
        except SoftTimeLimitExceeded as passed:
            # Raised at the edge of the body, in the calls around it; it comes only once.
            guard.disarm()
            if value is _NOTHING and ending is None:
                ending = passed
        if ending is not None:
            raise ending
        return value
    finally:
        del ending  # its traceback holds this frame


class _PassedInCoroutine(SoftTimeLimitExceeded, asyncio.CancelledError):
    """What is raised at an await.

    A cancellation too, because what stands between a body and what it awaits (task groups,
    ``wait_for``) cleans up after nothing else.  It does not leave ``await_limited``.
    """

    def __reduce__(self) -> tuple[Any, ...]:
        return SoftTimeLimitExceeded, self.args


# Whoever shows it shows the name by which it is known.
_PassedInCoroutine.__name__ = SoftTimeLimitExceeded.__name__
_PassedInCoroutine.__qualname__ = SoftTimeLimitExceeded.__qualname__
_PassedInCoroutine.__module__ = SoftTimeLimitExceeded.__module__


class _Alarm:
    """Cancels what the body awaits, once, when its time is over."""

    def __init__(self, limit_s: float, tell: Callable[[], None]) -> None:
        task = asyncio.current_task()
        assert task is not None, "a coroutine runs in a task"
        self._task, self._tell = task, tell
        self._cancels_before = task.cancelling()
        self._is_due = False
        self._timer = task.get_loop().call_later(limit_s, self._ring)

    def _ring(self) -> None:
        self._is_due = True
        self._tell()
        self._task.cancel()

    def takes(self) -> bool:
        """Whether a cancellation that has arrived is this one's."""
        if not self._is_due:
            return False
        self._is_due = False
        # Somebody else may have cancelled as well: then that is what it is.
        return self._task.uncancel() <= self._cancels_before

    def stop(self) -> None:
        """The body has ended."""
        self._timer.cancel()


async def await_limited(body: Awaitable[Any], limit_s: float, tell: Callable[[], None]) -> Any:
    """Await a body; ``tell`` is called when its limit has passed."""
    alarm = _Alarm(limit_s, tell)
    try:
        return await _driven(body, alarm)
    except _PassedInCoroutine as passed:
        plain = SoftTimeLimitExceeded(*passed.args).with_traceback(passed.__traceback__)
        plain.__cause__, plain.__context__ = passed.__cause__, passed.__context__
        plain.__suppress_context__ = passed.__suppress_context__
        raise plain  # noqa: B904 - it is the same one
    finally:
        alarm.stop()


@coroutine
def _driven(body: Awaitable[Any], alarm: _Alarm) -> Generator[Any, Any, Any]:
    """Hand each step on; the alarm's cancellation becomes the exception that a body expects."""
    steps: Any = body.__await__()
    step: Callable[[], Any] = lambda: steps.send(None)  # noqa: E731 - the first of several
    while True:
        try:
            awaited = step()
        except StopIteration as end:
            return end.value
        try:
            yield awaited
        except asyncio.CancelledError as cancelled:
            error = _PassedInCoroutine() if alarm.takes() else cancelled
            step = _thrower(steps, error)
        except BaseException as error:  # noqa: BLE001 - what the loop raises is the body's
            step = _thrower(steps, error)
        else:
            step = lambda: steps.send(None)  # noqa: E731 - as above


def _thrower(steps: Any, error: BaseException) -> Callable[[], Any]:
    return lambda: steps.throw(error)
