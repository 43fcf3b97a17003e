# ruff: noqa: PLR0917 - the parameters are Celery's, and so is their order
"""Handles of several results at once."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any, Final

from taskq import current, states
from taskq.app.eager_result import EagerResult
from taskq.app.joining import assert_will_not_block
from taskq.app.on_ready import OnReady
from taskq.app.related import Related, read_at_once, tasks_before
from taskq.app.result import AsyncResult, result_from_tuple
from taskq.app.result_base import ResultBase
from taskq.app.waiting import as_they_end, wait_for
from taskq.errors import GroupNotFound

__all__ = ["GroupResult", "ResultSet"]


class ResultSet(ResultBase):
    """Several results, in order."""

    _app: Any = None
    results: list[Any]

    def __init__(
        self,
        results: Iterable[Any],
        app: Any = None,
        ready_barrier: Any = None,  # noqa: ARG002 - Celery's
        **kwargs: Any,  # noqa: ARG002 - Celery's
    ) -> None:
        self._app = app or self._app
        self.results = list(results)
        self._on_full = OnReady()

    # -- as a collection --------------------------------------------------------------------------

    def add(self, result: Any) -> None:
        """Add a result, unless it is there."""
        if result not in self.results:
            self.results.append(result)

    def remove(self, result: Any) -> None:
        """Take a result (or the one of an id) out; ``KeyError`` if it is not there."""
        wanted = result if not isinstance(result, str) else self._of_id(result)
        try:
            self.results.remove(wanted)
        except ValueError:
            raise KeyError(result) from None

    def _of_id(self, task_id: str) -> Any:
        return next((each for each in self.results if each.id == task_id), None)

    def discard(self, result: Any) -> None:
        """Take a result out, if it is there."""
        if result in self.results:
            self.results.remove(result)

    def update(self, results: Iterable[Any]) -> None:
        """Add several."""
        for each in results:
            self.add(each)

    def clear(self) -> None:
        """Take all out."""
        self.results[:] = []

    def __iter__(self) -> Iterator[Any]:
        return iter(self.results)

    def __getitem__(self, index: Any) -> Any:
        return self.results[index]

    def __len__(self) -> int:
        return len(self.results)

    def __eq__(self, other: object) -> bool:
        return other.results == self.results if isinstance(other, ResultSet) else NotImplemented

    __hash__ = None  # type: ignore[assignment]  # it can be changed

    def __reduce__(self) -> tuple[Any, ...]:
        return self._kind, (self.results,)

    def __repr__(self) -> str:
        ids = ", ".join(each.id for each in self.results)
        return f"<{type(self).__name__}: [{ids}]>"

    # -- what is known ----------------------------------------------------------------------------

    @property
    def app(self) -> Any:
        """The app that the results are read with."""
        if self._app is None:
            self._app = self.results[0].app if self.results else current.get_current_app()
        return self._app

    @app.setter
    def app(self, app: Any) -> None:
        self._app = app

    @property
    def backend(self) -> Any:
        """Where the results are kept."""
        return self.app.backend if self.app else self.results[0].backend

    def _say(self, question: str, yes: Collection[str]) -> Iterator[bool]:
        """Ask all members: those that are tasks in one round trip, others one by one."""
        states_now = read_at_once(self.results)
        for each in self.results:
            if isinstance(each, AsyncResult):
                yield (states_now.get(each.id) or each.state) in yes
            else:
                yield getattr(each, question)()

    def successful(self) -> bool:
        """Whether all have returned."""
        return all(self._say("successful", _SUCCESSFUL))

    def failed(self) -> bool:
        """Whether one has raised."""
        return any(self._say("failed", _FAILED))

    def waiting(self) -> bool:
        """Whether one has not ended."""
        return not self.ready()

    def ready(self) -> bool:
        """Whether all have ended."""
        return all(self._say("ready", states.READY_STATES))

    def completed_count(self) -> int:
        """How many have returned."""
        return sum(map(bool, self._say("successful", _SUCCESSFUL)))

    def maybe_throw(
        self, callback: Callable[[str, Any], Any] | None = None, propagate: bool = True
    ) -> None:
        """Raise what one of them raised."""
        read_at_once(self.results)
        for each in self.results:
            each.maybe_throw(callback=callback, propagate=propagate)

    maybe_reraise = maybe_throw

    def then(
        self,
        callback: Callable[..., Any],
        on_error: Callable[..., Any] | None = None,
        weak: bool = False,  # noqa: ARG002 - Celery's
    ) -> ResultSet:
        """Call ``callback(self)`` when it becomes known here that all have ended."""
        self._on_full.then(callback, on_error)
        left = {id(each) for each in self.results}

        def one_more(result: Any) -> None:
            left.discard(id(result))
            if not left:
                self._on_full(self)

        for each in self.results:
            each.then(one_more)
        if not self.results:
            self._on_full(self)
        return self

    # -- waiting ----------------------------------------------------------------------------------

    def get(
        self,
        timeout: float | None = None,
        propagate: bool = True,
        interval: float = 0.5,
        callback: Callable[[str, Any], Any] | None = None,
        no_ack: bool = True,  # noqa: ARG002 - Celery's
        on_message: Callable[[Mapping[str, Any]], Any] | None = None,
        disable_sync_subtasks: bool = True,
        on_interval: Callable[[], Any] | None = None,
    ) -> list[Any]:
        """Wait for all; return what they returned, in order, or raise what the first raised.

        With ``propagate=False`` the exception stands in the place of its result.
        """
        if disable_sync_subtasks:
            assert_will_not_block()
        leaves = [each for each in self._leaves() if not each.ignored]
        before = _tasks_before([self, *leaves]) if propagate else []
        if any(each._cache is None for each in leaves):  # noqa: SLF001 - of this package
            wait_for(
                self.app,
                leaves,
                timeout_s=timeout,
                interval_s=interval if on_interval is not None else None,
                on_message=on_message,
                on_interval=on_interval,
                raise_for=(*before, *leaves) if propagate else (),
            )
        values = []
        for each in self.results:
            value = each.get(
                timeout=timeout,
                propagate=propagate,
                disable_sync_subtasks=disable_sync_subtasks,
            )
            if callback is not None:
                callback(each.id, value)
            else:
                values.append(value)
        return values

    def join(self, *args: Any, **kwargs: Any) -> list[Any]:
        """Wait for all; the same as ``get``."""
        return self.get(*args, **kwargs)

    def join_native(
        self,
        timeout: float | None = None,
        propagate: bool = True,
        interval: float = 0.5,
        callback: Callable[[str, Any], Any] | None = None,
        no_ack: bool = True,
        on_message: Callable[[Mapping[str, Any]], Any] | None = None,
        on_interval: Callable[[], Any] | None = None,
        disable_sync_subtasks: bool = True,
    ) -> list[Any]:
        """Wait for all; the same as ``get``, which always waits for all at once."""
        return self.get(
            timeout=timeout,
            propagate=propagate,
            interval=interval,
            callback=callback,
            no_ack=no_ack,
            on_message=on_message,
            on_interval=on_interval,
            disable_sync_subtasks=disable_sync_subtasks,
        )

    def iter_native(
        self,
        timeout: float | None = None,
        interval: float = 0.5,
        no_ack: bool = True,  # noqa: ARG002 - Celery's
        on_message: Callable[[Mapping[str, Any]], Any] | None = None,
        on_interval: Callable[[], Any] | None = None,
    ) -> Iterator[tuple[str, Any]]:
        """Return pairs of id and meta, as they end."""
        for each in as_they_end(
            self.app,
            self._leaves(),
            timeout_s=timeout,
            interval_s=interval if on_interval is not None else None,
            on_message=on_message,
            on_interval=on_interval,
        ):
            yield each.id, each._get_task_meta()  # noqa: SLF001 - of this package

    def _leaves(self) -> list[Any]:
        """Return the handles of all tasks in it, also of those in groups within it."""
        found: list[Any] = []
        for each in self.results:
            if isinstance(each, ResultSet):
                found.extend(each._leaves())  # noqa: SLF001 - the same class
            elif isinstance(each, AsyncResult):
                found.append(each)
        return found

    # -- control ----------------------------------------------------------------------------------

    def forget(self) -> None:
        """Delete what is stored for each, and for those before them."""
        kept: dict[str, None] = {}
        for each in (*_tasks_before([self, *self._leaves()]), *self.results):
            if isinstance(each, EagerResult) or not isinstance(each, AsyncResult):
                each.forget()
            else:
                each._cache = None  # noqa: SLF001 - of this package
                kept[each.id] = None
        self.backend.forget_many(list(kept))

    def _addressed(self) -> list[str]:
        return [each.id for each in self.results]


_SUCCESSFUL: Final = frozenset({states.SUCCESS})
_FAILED: Final = frozenset({states.FAILURE})


def _tasks_before(results: Iterable[Any]) -> list[Any]:
    """Return the tasks that stand before some results, each once."""
    found: dict[str, Any] = {}
    for each in results:
        for task in tasks_before(each):
            found.setdefault(task.id, task)
    return list(found.values())


class GroupResult(ResultSet, Related):
    """The results of a group; it has an id, and can be kept in the store."""

    id: Any = None

    def __init__(
        self,
        id: str | None = None,  # noqa: A002 - Celery's name
        results: Iterable[Any] | None = None,
        parent: Any = None,
        **kwargs: Any,
    ) -> None:
        self.id, self.parent = id, parent
        super().__init__(results or (), **kwargs)

    def save(self, backend: Any = None) -> Any:
        """Keep the ids in the store, so that ``restore`` finds them."""
        return (backend or self.backend).save_group(self.id, self)

    def delete(self, backend: Any = None) -> None:
        """Take them out of the store."""
        (backend or self.backend).delete_group(self.id)

    @classmethod
    def restore(
        cls,
        id: str,  # noqa: A002 - Celery's name
        backend: Any = None,
        app: Any = None,
        must_exist: bool = False,
    ) -> Any:
        """Return a group that was saved.

        Where there is none, or none any more: None, or with ``must_exist`` ``GroupNotFound``.
        """
        app = app or cls._app or current.get_current_app()
        backend = backend or app.backend
        found = backend.restore_group(id)
        if found is not None:
            return result_from_tuple(found, app)
        if must_exist:
            raise GroupNotFound(id, backend.store.name)
        return None

    @property
    def children(self) -> list[Any]:
        """Its members."""
        return self.results

    def as_tuple(self) -> tuple[tuple[Any, Any], list[Any]]:
        """Return what stands for it in a store or a message."""
        parent = self.parent.as_tuple() if self.parent is not None else None
        return (self.id, parent), [each.as_tuple() for each in self.results]

    def __reduce__(self) -> tuple[Any, ...]:
        return self._kind, (self.id, self.results, self.parent)

    def __bool__(self) -> bool:
        return bool(self.id or self.results)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, GroupResult):
            return other == self.id if isinstance(other, str) else NotImplemented
        return (other.id, other.results, other.parent) == (self.id, self.results, self.parent)

    def __hash__(self) -> int:  # type: ignore[override]  # its id stays, whoever is added
        return hash(self.id)

    def __str__(self) -> str:
        return str(self.id)

    def __repr__(self) -> str:
        ids = ", ".join(str(each.id) for each in self.results)
        return f"<{type(self).__name__}: {self.id} [{ids}]>"
