"""A handle of what ran in this process: it is ready."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from taskq import states
from taskq.app.joining import assert_will_not_block
from taskq.app.on_ready import OnReady
from taskq.app.result import AsyncResult
from taskq.errors import TimeoutError  # noqa: A004 - Celery's name

__all__ = ["EagerResult"]

R = TypeVar("R")


class EagerResult(AsyncResult[R]):
    """What became of a task that ran in this process."""

    def __init__(
        self,
        id: str,  # noqa: A002 - Celery's name
        ret_value: Any,
        state: str,
        traceback: str | None = None,
        name: str | None = None,
    ) -> None:
        self.id = id
        self._result, self._state, self._traceback = ret_value, state, traceback
        self._task_name = name
        self._backend = None
        self._cache = self._get_task_meta()  # who waits for several need not wait for this
        self._on_ready = OnReady()
        self._on_ready(self)

    def _get_task_meta(self) -> dict[str, Any]:
        return {
            "task_id": self.id,
            "result": self._result,
            "status": self._state,
            "traceback": self._traceback,
            "name": self._task_name,
        }

    @property
    def state(self) -> str:
        """How it ended."""
        return self._state

    status = state

    @property
    def result(self) -> Any:
        """What it returned or raised."""
        return self._result

    @property
    def traceback(self) -> str | None:
        """The text of the traceback, if it failed."""
        return self._traceback

    def ready(self) -> bool:
        """It has ended, unless it will never begin: what stands before it has not succeeded."""
        return self._state != states.PENDING

    def get(  # type: ignore[override]  # Celery's order
        self,
        timeout: float | None = None,  # noqa: ARG002 - Celery's
        propagate: bool = True,
        disable_sync_subtasks: bool = True,
        **kwargs: Any,  # noqa: ARG002 - Celery's
    ) -> R:
        """Return what it returned, raise what it raised."""
        if disable_sync_subtasks:
            assert_will_not_block()
        if self._state == states.PENDING:
            raise TimeoutError(f"task {self.id} has not run, and will not: see its parents")
        if self._state in states.PROPAGATE_STATES:
            if not propagate:
                return self._result  # type: ignore[no-any-return]  # the exception, as it was asked for
            if isinstance(self._result, BaseException):
                raise self._result
            raise RuntimeError(f"task {self.id} failed with {self._result!r}")
        value: R = self._result
        return value

    wait = get  # type: ignore[assignment]  # Celery's order

    def then(
        self,
        callback: Callable[..., Any],
        on_error: Callable[..., Any] | None = None,
        weak: bool = False,  # noqa: ARG002 - Celery's
    ) -> EagerResult[R]:
        """Call it now."""
        self.on_ready.then(callback, on_error)
        return self

    def forget(self) -> None:
        """Nothing is stored."""

    def revoke(self, *args: Any, **kwargs: Any) -> None:  # noqa: ARG002 - Celery's
        """Say that it was revoked; it has ended all the same."""
        self._state = states.REVOKED

    def __copy__(self) -> EagerResult[R]:
        return type(self)(self.id, self._result, self._state, self._traceback, self._task_name)

    def __reduce__(self) -> tuple[Any, ...]:
        return self._kind, (self.id, self._result, self._state, self._traceback, self._task_name)

    def __repr__(self) -> str:
        return f"<EagerResult: {self.id}>"

    @property
    def supports_native_join(self) -> bool:
        """Nothing is waited for."""
        return False
