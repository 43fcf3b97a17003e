"""Tasks that must not begin, or must end."""

from __future__ import annotations

import signal as signals
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from taskq.app.control.panel import control_command, ok
from taskq.app.control.revoking import revocation_until_s, store_revoked
from taskq.app.control.state import State
from taskq.core.inputs import Revoked
from taskq.core.views import TaskView
from taskq.ports import Revocation

__all__ = ["revoke", "revoke_by_stamped_headers", "terminate"]


@control_command(variadic="task_id", signature="[id1 [id2 [... [idN]]]]")
def revoke(
    state: State,
    task_id: str | Sequence[str],
    terminate: bool = False,
    signal: str | int | None = None,
    **_kwargs: Any,
) -> Any:
    """Let tasks not begin; what runs goes on, unless it is to be terminated."""
    ids = _ids(task_id)
    number = signal_number(signal)
    here = {view.job.headers.get("id"): view for view in state.core.views()}
    ended = [each for each in ids if each in here and here[each].stage == "active"]
    until_s = revocation_until_s(state.app)
    made = tuple(Revocation(until_s, each) for each in ids)
    state.tell(Revoked(made, terminate=bool(terminate), signal=number))
    # Of what is here the core says the end.
    if unknown := [each for each in ids if each not in here]:
        store_revoked(state.app, unknown)
    if terminate:
        return ok(f"terminate: {', '.join(ended) or 'tasks unknown'}")
    return ok(f"tasks {_set(ids)} flagged as revoked")


@control_command(variadic="headers", signature="[key1=value1 [key2=value2 [... [keyN=valueN]]]]")
def revoke_by_stamped_headers(
    state: State,
    headers: Mapping[str, Any] | Sequence[str],
    terminate: bool = False,
    signal: str | int | None = None,
    **_kwargs: Any,
) -> Any:
    """Let tasks with some stamps not begin; what runs goes on, unless it is to be terminated."""
    stamps = _stamps(headers)
    number = signal_number(signal)
    until_s = revocation_until_s(state.app)
    made = (Revocation(until_s, headers=stamps),)
    ended = [view for view in state.views("active") if terminate and _has(view, stamps)]
    state.tell(Revoked(made, terminate=bool(terminate), signal=number))
    if not terminate:
        return ok(f"headers {stamps} flagged as revoked, but not terminated")
    return ok(f"headers {stamps} {'revoked' if ended else 'were not terminated'}")


@control_command(
    variadic="task_id",
    args=[("signal", str)],
    signature="<signal> [id1 [id2 [... [idN]]]]",
)
def terminate(state: State, signal: str | int, task_id: str | Sequence[str], **_kwargs: Any) -> Any:
    """Let tasks not begin, and end those that run by a signal."""
    return revoke(state, task_id, terminate=True, signal=signal)


def signal_number(said: str | int | None) -> int:
    """Return the number of a signal: ``SIGTERM``, ``TERM``, 15, or nothing for SIGTERM."""
    if said is None:
        return int(signals.SIGTERM)
    try:
        if isinstance(said, int) or said.isdecimal():
            return int(signals.Signals(int(said)))
        name = said.upper()
        return int(signals.Signals[name if name.startswith("SIG") else f"SIG{name}"])
    except (KeyError, ValueError) as error:
        raise ValueError(f"{said!r} is no signal; say TERM, KILL, INT, or a number") from error


def _ids(task_id: str | Sequence[str]) -> list[str]:
    """Return ids once each, in order."""
    given: Iterable[str] = (task_id,) if isinstance(task_id, str) else task_id
    return list(dict.fromkeys(map(str, given)))


def _set(ids: Iterable[str]) -> str:
    return f"{{{', '.join(map(repr, ids))}}}"


def _stamps(headers: Mapping[str, Any] | Sequence[str]) -> dict[str, Any]:
    if isinstance(headers, Mapping):
        return dict(headers)
    if isinstance(headers, str) or not all("=" in str(each) for each in headers):
        raise ValueError(f"stamps are given as a mapping, or as name=value; not as {headers!r}")
    pairs = (str(each).partition("=") for each in headers)
    return {name: value for name, _, value in pairs}


def _has(view: TaskView, stamps: Mapping[str, Any]) -> bool:
    own = view.job.headers.get("stamps") or {}
    return any(
        name in own and any(value in _listed(own[name]) for value in _listed(wanted))
        for name, wanted in stamps.items()
    )


def _listed(said: Any) -> list[Any]:
    return list(said) if isinstance(said, list | tuple) else [said]
