# ruff: noqa: PLR0917, ARG002 - the parameters are Celery's, and so is their order
"""``SyncBackendMixin``: who waits for results asks again and again."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

from taskq import states
from taskq.app.waiting import wait_for
from taskq.errors import TimeoutError as ResultTimeoutError

__all__ = ["SyncBackendMixin"]

DEFAULT_INTERVAL_S = 0.5


class SyncBackendMixin:
    """Waiting, for classes whose server tells nobody of changes."""

    @property
    def is_async(self) -> bool:
        """Whether changes are told."""
        return False

    def iter_native(
        self,
        result: Any,
        timeout: float | None = None,
        interval: float = DEFAULT_INTERVAL_S,
        no_ack: bool = True,
        on_message: Callable[..., Any] | None = None,
        on_interval: Callable[..., Any] | None = None,
    ) -> Iterator[tuple[str, Any]]:
        """Return pairs of id and meta of a set's results, as they end."""
        yield from result.iter_native(
            timeout=timeout, interval=interval, on_message=on_message, on_interval=on_interval
        )

    def wait_for_pending(
        self,
        result: Any,
        timeout: float | None = None,
        interval: float = DEFAULT_INTERVAL_S,
        no_ack: bool = True,
        on_message: Callable[..., Any] | None = None,
        on_interval: Callable[..., Any] | None = None,
        callback: Callable[..., Any] | None = None,
        propagate: bool = True,
    ) -> Any:
        """Wait for one result; return its value, or raise its exception."""
        wait_for(
            result.app,
            [result],
            timeout_s=timeout,
            interval_s=interval,
            on_message=on_message,
            on_interval=on_interval,
        )
        return result.maybe_throw(callback=callback, propagate=propagate)

    def wait_for(
        self,
        task_id: str,
        timeout: float | None = None,
        interval: float = DEFAULT_INTERVAL_S,
        no_ack: bool = True,
        on_interval: Callable[..., Any] | None = None,
    ) -> Any:
        """Wait for a task; return its meta."""
        waited_s = 0.0
        while True:
            meta = self.get_task_meta(task_id)  # type: ignore[attr-defined]  # of the class that it is mixed into
            if meta["status"] in states.READY_STATES:
                return meta
            if on_interval is not None:
                on_interval()
            time.sleep(interval)  # noqa: TID251 - Celery's own way of waiting, called by programs
            waited_s += interval
            if timeout and waited_s >= timeout:
                raise ResultTimeoutError(f"waited {timeout} s for the result of task [{task_id}]")

    def add_pending_result(self, result: Any, weak: bool = False) -> Any:
        """Hand it back: nobody need be told of it here."""
        return result

    def remove_pending_result(self, result: Any) -> Any:
        """Hand it back."""
        return result
