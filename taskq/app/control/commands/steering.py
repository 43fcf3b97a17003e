"""Limits, events and the end of a worker."""

from __future__ import annotations

from typing import Any

from taskq.app.control.panel import control_command, nok, ok
from taskq.app.control.state import State
from taskq.core.inputs import EventsSet, RateLimited, TimeLimited
from taskq.core.rates import BadRateError, parse_rate
from taskq.errors import WorkerShutdown

__all__ = [
    "disable_events",
    "enable_events",
    "heartbeat",
    "rate_limit",
    "shutdown",
    "time_limit",
]

UNKNOWN_TASK = "unknown task"


@control_command(
    args=[("task_name", str), ("rate_limit", str)],
    signature="<task_name> <rate_limit (e.g., 5/s | 5/m | 5/h)>",
)
def rate_limit(state: State, task_name: str, rate_limit: Any, **_kwargs: Any) -> Any:
    """Set how often tasks of one name may start."""
    try:
        per_s = parse_rate(rate_limit)
    except BadRateError as error:
        return nok(f"Invalid rate limit string: {error!r}")
    if task_name not in state.app.tasks:
        return nok(UNKNOWN_TASK)
    state.tell(RateLimited(task_name, rate_limit))
    return ok(f"{'new rate limit set' if per_s else 'rate limit disabled'} successfully")


@control_command(
    args=[("task_name", str), ("soft", float), ("hard", float)],
    signature="<task_name> <soft_secs> [hard_secs]",
)
def time_limit(
    state: State,
    task_name: str,
    hard: float | None = None,
    soft: float | None = None,
    **_kwargs: Any,
) -> Any:
    """Set how long tasks of one name may run."""
    if task_name not in state.app.tasks:
        return nok(UNKNOWN_TASK)
    state.tell(TimeLimited(task_name, _seconds(hard), _seconds(soft)))
    return ok("time limits set successfully")


def _seconds(said: float | None) -> float | None:
    return None if said is None else float(said)


@control_command()
def enable_events(state: State) -> Any:
    """Tell monitors of each task."""
    if state.core.events:
        return ok("task events already enabled")
    state.tell(EventsSet(wanted=True))
    return ok("task events enabled")


@control_command()
def disable_events(state: State) -> Any:
    """Tell monitors of tasks no longer."""
    if not state.core.events:
        return ok("task events already disabled")
    state.tell(EventsSet(wanted=False))
    return ok("task events disabled")


@control_command()
def heartbeat(state: State) -> None:
    """Send a heartbeat now."""
    state.beat()


@control_command()
def shutdown(
    state: State,  # noqa: ARG001 - a command gets it
    msg: str = "Got shutdown from remote",
    **_kwargs: Any,
) -> None:
    """Stop the worker warmly."""
    raise WorkerShutdown(msg)
