"""What a worker says of tasks: which it knows, which it has, and what becomes of one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from taskq.app.control.panel import inspect_command
from taskq.app.control.plain import plain
from taskq.app.control.state import State
from taskq.app.incoming import decode
from taskq.app.naming import BUILTIN
from taskq.core.views import TaskView
from taskq.errors import TaskqError
from taskq.ports import Job, KeepsParked, Parked

__all__ = ["active", "query_task", "registered", "reserved", "revoked", "scheduled"]

SHOWN_OF_A_TASK: Final = ("exchange", "routing_key", "rate_limit")
# How many of those that the broker keeps for later are shown.
MOST_PARKED: Final = 1000
# How Celery numbers what waits for its time.
SCHEDULED_PRIORITY: Final = 6
JSON: Final = "application/json"


# -- which it has ----------------------------------------------------------------------------------


@inspect_command(alias="dump_active")
def active(state: State, safe: bool | None = False, **_kwargs: Any) -> Any:
    """List what runs now."""
    return [_of_view(state, view, bool(safe)) for view in state.views("active")]


@inspect_command(alias="dump_reserved")
def reserved(state: State, **_kwargs: Any) -> Any:
    """List what was taken from the broker and waits for a slot."""
    return [_of_view(state, view) for view in state.views("reserved")]


@inspect_command(alias="dump_schedule")
def scheduled(state: State, **_kwargs: Any) -> Any:
    """List what waits for its time, here or at the broker."""
    held = [
        _scheduled(view.due_s, _of_view(state, view))
        for view in sorted(state.views("scheduled"), key=lambda view: view.due_s or 0.0)
    ]
    return [*held, *(_scheduled(one.due_s, _of_parked(state, one)) for one in _parked(state))]


@inspect_command(variadic="ids", signature="[id1 [id2 [... [idN]]]]")
def query_task(state: State, ids: str | Sequence[str], **_kwargs: Any) -> Any:
    """Say where some tasks are."""
    wanted = {ids} if isinstance(ids, str) else set(ids)
    found: dict[str, Any] = {
        view.job.headers["id"]: [view.stage, _of_view(state, view)]
        for view in state.core.views()
        if view.job.headers.get("id") in wanted
    }
    if wanted - set(found):
        for one in _parked(state):
            task_id = one.message.headers.get("id")
            if task_id in wanted:
                found.setdefault(task_id, ["scheduled", _of_parked(state, one)])
    return found


def _parked(state: State) -> Sequence[Parked]:
    broker = state.app.ports.broker
    if not isinstance(broker, KeepsParked):
        return ()
    return broker.parked(list(state.queues), MOST_PARKED)


def _scheduled(due_s: float | None, request: dict[str, Any]) -> dict[str, Any]:
    eta = None if due_s is None else datetime.fromtimestamp(due_s, UTC).isoformat()
    return {"eta": eta, "priority": SCHEDULED_PRIORITY, "request": request}


def _of_view(state: State, view: TaskView, safe: bool = False) -> dict[str, Any]:
    started = view.started
    return {
        **_info(state, view.job, safe),
        "time_start": None if started is None else started.wall_s,
        "acknowledged": view.acknowledged,
        "delivery_info": plain(view.job.delivery_info),
        "worker_pid": view.pid,
    }


def _of_parked(state: State, parked: Parked) -> dict[str, Any]:
    message = parked.message
    properties = message.properties
    info = {
        "exchange": "",
        "routing_key": parked.queue,
        "priority": properties.get("priority"),
        "redelivered": False,
    }
    job = Job(
        0,
        message.headers,
        message.body,
        message.content_type,
        message.content_encoding,
        properties,
        info,
    )
    return {
        **_info(state, job, safe=False),
        "time_start": None,
        "acknowledged": False,
        "delivery_info": plain(info),
        "worker_pid": None,
    }


def _info(state: State, job: Job, safe: bool) -> dict[str, Any]:
    headers = job.headers
    args, kwargs = headers.get("argsrepr"), headers.get("kwargsrepr")
    # What is no JSON stays closed here: to open a pickle is to run it.
    if not safe and job.content_type == JSON:
        try:
            incoming = decode(state.app, job)
        except TaskqError:
            pass  # the texts of the sender have to do
        else:
            args, kwargs = plain(incoming.args), plain(incoming.kwargs)
    return {
        "id": headers.get("id"),
        "name": headers.get("task"),
        "args": args,
        "kwargs": kwargs,
        "type": headers.get("task"),
        "hostname": state.hostname,
    }


# -- which it knows, and which must not run --------------------------------------------------------


@inspect_command(
    alias="dump_tasks", variadic="taskinfoitems", signature="[attr1 [attr2 [... [attrN]]]]"
)
def registered(
    state: State,
    taskinfoitems: Sequence[str] | None = None,
    builtins: bool = False,
    **_kwargs: Any,
) -> Any:
    """List the tasks that are known, with some of their attributes."""
    shown = taskinfoitems or SHOWN_OF_A_TASK
    tasks: Mapping[str, Any] = state.app.tasks
    return [
        _described(state, name, tasks[name], shown)
        for name in sorted(tasks)
        if builtins or not name.startswith(BUILTIN)
    ]


def _described(state: State, name: str, task: Any, shown: Sequence[str]) -> str:
    said = " ".join(_attributes(state, name, task, shown))
    return f"{name} [{said}]" if said else name


def _attributes(state: State, name: str, task: Any, shown: Sequence[str]) -> Iterator[str]:
    for attribute in shown:
        if attribute == "rate_limit":
            value = state.core.rate(name)
        else:
            value = getattr(task, attribute, None)
        if value is not None:
            yield f"{attribute}={value}"


@inspect_command(alias="dump_revoked")
def revoked(state: State, **_kwargs: Any) -> Any:
    """List the ids of what must not run."""
    return [one.task_id for one in state.core.revocations if one.task_id]
