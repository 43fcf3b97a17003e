# ruff: noqa: PLR0917 - the parameters are those that Celery's messages name
"""The tasks that every app has, under the names that canvases and Celery's workers know.

taskq itself sends ``celery.accumulate``, ``celery.map`` and ``celery.starmap``; the others are here
for messages that Celery's clients send.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from taskq.app.replacing import Replaced
from taskq.app.rests import continuation
from taskq.app.tasking import Tasking
from taskq.app.unlocking import unlock
from taskq.canvas.primitives import chain as make_chain
from taskq.canvas.primitives import chord as make_chord
from taskq.canvas.primitives import chunks as make_chunks
from taskq.canvas.primitives import group as make_group
from taskq.canvas.rests import REST_TASK
from taskq.canvas.signature import maybe_signature
from taskq.errors import OperationalError

__all__ = [
    "add_accumulate_task",
    "add_backend_cleanup_task",
    "add_builtin_tasks",
    "add_chain_task",
    "add_chord_task",
    "add_chunk_task",
    "add_group_task",
    "add_map_task",
    "add_rest_task",
    "add_starmap_task",
    "add_unlock_chord_task",
]

# Between two attempts to read the rest of a chain.
LONGEST_PAUSE_S: Final = 60


def add_builtin_tasks(app: Tasking) -> None:
    """Register the builtin tasks on an app that is about to be finalized."""
    for add in _ALL:
        add(app)


# -- tasks that work by themselves ----------------------------------------------------------------


def add_backend_cleanup_task(app: Tasking) -> Any:
    """Register what a scheduler sends once a day."""

    @app.task(name="celery.backend_cleanup", shared=False)
    def backend_cleanup() -> None:
        """Let the store drop what has expired."""
        clean_up = getattr(app.ports.store, "clean_up", None)
        if clean_up is not None:
            clean_up()

    return backend_cleanup


def add_accumulate_task(app: Tasking) -> Any:
    """Register what stands behind a group whose results are one."""

    @app.task(name="celery.accumulate", bind=True, shared=False)
    def accumulate(_self: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Hand on what it is given, or one of it."""
        index = kwargs.get("index")
        return args if index is None else args[index]

    return accumulate


def add_map_task(app: Tasking) -> Any:
    """Register what ``task.map`` sends."""

    @app.task(name="celery.map", shared=False)
    def xmap(task: Any, it: Any) -> list[Any]:
        """Run a task for each item."""
        run = maybe_signature(task, app=app).type
        return [run(item) for item in it]

    return xmap


def add_starmap_task(app: Tasking) -> Any:
    """Register what ``task.starmap`` and ``task.chunks`` send."""

    @app.task(name="celery.starmap", shared=False)
    def xstarmap(task: Any, it: Any) -> list[Any]:
        """Run a task for each list of arguments."""
        run = maybe_signature(task, app=app).type
        return [run(*item) for item in it]

    return xstarmap


# -- tasks that send others; their result is the handle of those ----------------------------------


def add_chunk_task(app: Tasking) -> Any:
    """Register the task that a client's chunks may be."""

    @app.task(name="celery.chunks", shared=False)
    def chunk(task: Any, it: Any, n: int) -> Any:
        """Send the parts."""
        return make_chunks(maybe_signature(task, app=app), it, n, app=app).apply_async()

    return chunk


def add_group_task(app: Tasking) -> Any:
    """Register the task that a client's group may be."""

    @app.task(name="celery.group", bind=True, shared=False)
    def group(_self: Any, /, tasks: Any, *_rest: Any, **_options: Any) -> Any:
        """Send the members."""
        return make_group([maybe_signature(each, app=app) for each in tasks], app=app).apply_async()

    return group


def add_chain_task(app: Tasking) -> Any:
    """Register the task that a client's chain may be."""

    @app.task(name="celery.chain", bind=True, shared=False)
    def chain(_self: Any, /, tasks: Any, **_options: Any) -> Any:
        """Send the steps."""
        return make_chain(
            *[maybe_signature(each, app=app) for each in tasks], app=app
        ).apply_async()

    return chain


def add_rest_task(app: Tasking) -> Any:
    """Register the task that stands for the steps of a chain that wait in the result store.

    A taskq worker puts those steps in its place instead of sending it.  It is run where somebody
    else has sent it, or where the store could not be reached.
    """

    @app.task(
        name=REST_TASK, bind=True, shared=False, max_retries=None, track_started=False,
        ignore_result=False,
    )  # fmt: skip
    def rest(self: Any, /, *given: Any, **ref: Any) -> None:
        """Go on with the chain."""
        try:
            sig = continuation(app, self.request, given, ref)
        except OperationalError as error:
            pause_s = min(2**self.request.retries, LONGEST_PAUSE_S)
            raise self.retry(exc=error, countdown=pause_s) from error
        raise Replaced(sig)

    return rest


def add_chord_task(app: Tasking) -> Any:
    """Register the task that a client's chord may be."""

    @app.task(name="celery.chord", bind=True, shared=False, ignore_result=False)
    def chord(_self: Any, /, header: Any, body: Any, **_options: Any) -> Any:
        """Send header and body."""
        return make_chord(header, body, app=app).apply_async()

    return chord


def add_unlock_chord_task(app: Tasking) -> Any:
    """Register the task with which Celery waits for a header in a store that cannot count."""

    @app.task(
        name="celery.chord_unlock",
        max_retries=None,
        default_retry_delay=app.conf.result_chord_retry_interval,
        ignore_result=True,
        bind=True,
        shared=False,
        # A worker that is killed meanwhile must not be the end of the chord.
        acks_late=True,
        reject_on_worker_lost=True,
    )
    def chord_unlock(
        self: Any,
        /,
        group_id: str,
        callback: Any,
        interval: float | None = None,
        max_retries: int | None = None,
        result: Any = None,
        **_options: Any,
    ) -> Any:
        """Send the body when all members have ended, else look again later."""
        unlock(self, group_id, callback, result or (), interval_s=interval, max_retries=max_retries)

    return chord_unlock


_ALL: Final[tuple[Callable[[Tasking], Any], ...]] = (
    add_backend_cleanup_task,
    add_accumulate_task,
    add_map_task,
    add_starmap_task,
    add_chunk_task,
    add_group_task,
    add_chain_task,
    add_rest_task,
    add_chord_task,
    add_unlock_chord_task,
)
