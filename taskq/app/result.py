# ruff: noqa: PLR0917 - the parameters are Celery's, and so is their order
"""A handle of one result: what became of a task, now or when it is there.

Waiting is done in ``waiting.py``; what a result led to is in ``related.py``, results of several
tasks are in ``result_set.py``.  A final state is read once and kept.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Generic, TypeVar

from taskq import current, errors, states
from taskq.app.joining import assert_will_not_block
from taskq.app.on_ready import OnReady
from taskq.app.related import Related, tasks_before
from taskq.app.result_base import ResultBase, asking
from taskq.app.waiting import wait_for

__all__ = ["AsyncResult", "result_from_tuple"]

R = TypeVar("R")


class AsyncResult(Related, Generic[R]):
    """What became of one task."""

    TimeoutError = errors.TimeoutError
    app: Any = None
    id: str
    _cache: dict[str, Any] | None = None
    _ignored: bool | None = None

    def __init__(
        self,
        id: str,  # noqa: A002 - Celery's name
        backend: Any = None,
        task_name: str | None = None,
        app: Any = None,
        parent: Any = None,
    ) -> None:
        if id is None:
            raise ValueError(f"a result needs the id of its task, not {id!r}")
        if app is not None or self.app is None:
            self.app = current.app_or_default(app or self.app)
        self.id = id
        self._backend = backend
        self._task_name = task_name
        self.parent = parent
        self._on_ready: OnReady | None = None

    @property
    def backend(self) -> Any:
        """Where the result is kept."""
        return self.app.backend if self._backend is None else self._backend

    @backend.setter
    def backend(self, value: Any) -> None:
        self._backend = value

    @property
    def task_id(self) -> str:
        """The id of the task."""
        return self.id

    @task_id.setter
    def task_id(self, value: str) -> None:
        self.id = value

    @property
    def on_ready(self) -> OnReady:
        """What is to be called when the result is there."""
        if self._on_ready is None:
            self._on_ready = OnReady()
        return self._on_ready

    @on_ready.setter
    def on_ready(self, value: OnReady) -> None:
        self._on_ready = value

    # -- what is known ----------------------------------------------------------------------------

    def _get_task_meta(self) -> dict[str, Any]:
        if self._cache is None:
            return self._maybe_set_cache(self.backend.get_task_meta(self.id))
        return self._cache

    def _maybe_set_cache(self, meta: dict[str, Any]) -> dict[str, Any]:
        """Keep a final meta, and call who waits for it."""
        if meta and meta["status"] in states.READY_STATES:
            first = self._cache is None
            self._cache = meta
            if first and self._on_ready is not None:
                self._on_ready(self)
        return meta

    @property
    def state(self) -> str:
        """PENDING (nothing is known), STARTED, RETRY, FAILURE, SUCCESS, REVOKED, or one's own."""
        state: str = self._get_task_meta()["status"]
        return state

    status = state

    @property
    def result(self) -> Any:
        """What the task returned, or the exception that it raised."""
        return self._get_task_meta().get("result")

    info = result

    @property
    def traceback(self) -> str | None:
        """The text of the traceback, if the task failed."""
        return self._get_task_meta().get("traceback")

    @property
    def date_done(self) -> datetime | None:
        """When it ended, in UTC."""
        done = self._get_task_meta().get("date_done")
        return datetime.fromisoformat(done) if isinstance(done, str) else done

    @property
    def children(self) -> list[Any] | None:
        """Results of the tasks that the task sent."""
        children = self._get_task_meta().get("children")
        if children is None:
            return None
        return [result_from_tuple(child, self.app) for child in children]

    @property
    def name(self) -> str | None:
        """The name of the task, where the sender or ``result_extended`` says it."""
        found: str | None = self._task_name or self._get_task_meta().get("name")
        return found

    @property
    def args(self) -> Any:
        """With ``result_extended``: what the task was called with."""
        return self._get_task_meta().get("args")

    @property
    def kwargs(self) -> Any:
        """With ``result_extended``: what the task was called with by name."""
        return self._get_task_meta().get("kwargs")

    @property
    def worker(self) -> str | None:
        """With ``result_extended``: who ran it."""
        return self._get_task_meta().get("worker")

    @property
    def retries(self) -> int | None:
        """With ``result_extended``: how often it was retried."""
        return self._get_task_meta().get("retries")

    @property
    def queue(self) -> str | None:
        """With ``result_extended``: where it came from."""
        return self._get_task_meta().get("queue")

    @property
    def ignored(self) -> bool:
        """Whether nothing is stored for it."""
        return bool(self._ignored)

    @ignored.setter
    def ignored(self, value: bool) -> None:
        self._ignored = value

    def ready(self) -> bool:
        """Whether the task has ended."""
        return self.state in states.READY_STATES

    def successful(self) -> bool:
        """Whether it returned."""
        return self.state == states.SUCCESS

    def failed(self) -> bool:
        """Whether it raised."""
        return self.state == states.FAILURE

    def exists(self) -> bool:
        """Whether anything is stored for it."""
        return self._cache is not None or self.backend.store.load([self.id])[0] is not None

    # -- waiting ----------------------------------------------------------------------------------

    def get(
        self,
        timeout: float | None = None,
        propagate: bool = True,
        interval: float | None = None,
        no_ack: bool = True,  # noqa: ARG002 - Celery's
        follow_parents: bool = True,
        callback: Callable[[str, Any], Any] | None = None,
        on_message: Callable[[Mapping[str, Any]], Any] | None = None,
        on_interval: Callable[[], Any] | None = None,
        disable_sync_subtasks: bool = True,
        EXCEPTION_STATES: frozenset[str] = states.EXCEPTION_STATES,  # noqa: ARG002, N803 - Celery's
        PROPAGATE_STATES: frozenset[str] = states.PROPAGATE_STATES,  # noqa: ARG002, N803 - Celery's
    ) -> R:
        """Wait until the task has ended; return what it returned, raise what it raised.

        ``on_message`` gets each state that becomes known.  Inside of a task this would hold a slot
        of the worker, and raises ``RuntimeError``; see ``allow_join_result``.
        """
        if self.ignored:
            return None  # type: ignore[return-value]  # a result that is ignored is None
        if disable_sync_subtasks:
            assert_will_not_block()
        if self._cache is None:
            followed = tuple(tasks_before(self)) if propagate and follow_parents else ()
            wait_for(
                self.app,
                [self],
                timeout_s=timeout,
                interval_s=interval,
                on_message=on_message,
                on_interval=on_interval,
                raise_for=followed,
            )
        self.maybe_throw(propagate=propagate, callback=callback)
        value: R = self.result
        return value

    wait = get

    def maybe_throw(
        self, propagate: bool = True, callback: Callable[[str, Any], Any] | None = None
    ) -> Any:
        """Raise what the task raised; return its result if it did not."""
        meta = self._get_task_meta()
        state, value = meta["status"], meta.get("result")
        if state in states.PROPAGATE_STATES and propagate:
            self.throw(value, meta.get("traceback"))
        if callback is not None:
            callback(self.id, value)
        return value

    maybe_reraise = maybe_throw

    def throw(self, error: Any = None, traceback: str | None = None, **_kwargs: Any) -> None:
        """Raise an exception that came from a worker; where it was raised there is in its notes."""
        error = self.result if error is None else error
        if not isinstance(error, BaseException):
            raise RuntimeError(  # noqa: TRY004 - what is wrong is the store, not an argument
                f"task {self.id}: stored as failed, with {error!r}"
            )
        if traceback and self.app.conf.task_remote_tracebacks:
            _note(error, f"the traceback in the worker:\n{traceback}")
        raise error

    def then(
        self,
        callback: Callable[..., Any],
        on_error: Callable[..., Any] | None = None,
        weak: bool = False,  # noqa: ARG002 - Celery's
    ) -> AsyncResult[R]:
        """Call ``callback(result)`` when it becomes known here that the task has ended."""
        self.on_ready.then(callback, on_error)
        if self._cache is not None:
            self.on_ready(self)
        return self

    def forget(self) -> None:
        """Delete what is stored for it, and for those before it."""
        self._cache = None
        if self.parent is not None:
            self.parent.forget()
        self.backend.forget(self.id)

    # -- control ----------------------------------------------------------------------------------

    def _addressed(self) -> str:
        return self.id

    def revoke_by_stamped_headers(
        self,
        headers: Mapping[str, Any],
        connection: Any = None,
        terminate: bool = False,
        signal: str | None = None,
        wait: bool = False,
        timeout: float | None = None,
    ) -> None:
        """Let no worker run tasks with these stamps; arguments as in ``revoke``."""
        self.app.control.revoke_by_stamped_headers(
            headers,
            terminate=terminate,
            signal=signal,
            connection=connection,
            **asking(wait=wait, timeout=timeout),
        )

    # -- as data ----------------------------------------------------------------------------------

    def as_tuple(self) -> tuple[tuple[str, Any], Any]:
        """Return what stands for it in a store or a message."""
        return (self.id, self.parent.as_tuple() if self.parent is not None else None), None

    def __str__(self) -> str:
        return str(self.id)

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self.id}>"

    def __hash__(self) -> int:
        return hash(self.id)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, AsyncResult):
            return bool(other.id == self.id)
        return other == self.id if isinstance(other, str) else NotImplemented

    def __copy__(self) -> AsyncResult[R]:
        return type(self)(self.id, self._backend, self._task_name, self.app, self.parent)

    def __reduce__(self) -> tuple[Any, ...]:
        return self._kind, (self.id, None, self._task_name, None, self.parent)


def _note(error: BaseException, text: str) -> None:
    if text not in getattr(error, "__notes__", ()):
        error.add_note(text)


def result_from_tuple(r: Any, app: Any = None) -> Any:
    """Return the handle that ``as_tuple`` (or an id, or a handle) stands for."""
    if isinstance(r, ResultBase):
        return r
    app = current.app_or_default(app)
    if isinstance(r, str):
        return app.AsyncResult(r)
    found, members = r
    if isinstance(found, str):
        found = (found, None)
    task_id, parent = found
    parent = None if parent is None else result_from_tuple(parent, app)
    if members is None:
        return app.AsyncResult(task_id, parent=parent)
    return app.GroupResult(
        task_id, [result_from_tuple(member, app) for member in members], parent=parent
    )
