"""What workers ask each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from taskq.app.control.panel import NO_REPLY, control_command, inspect_command
from taskq.app.control.revoking import revocation_until_s
from taskq.app.control.state import State
from taskq.core.inputs import Revoked
from taskq.ports import Revocation

__all__ = ["election", "hello"]

# How many ids one greeting tells or takes: the newest.  A newcomer learns more from the broker
# where that remembers revocations; a reply of megabytes from each worker helps nobody.
MOST_TOLD: Final = 5_000


@inspect_command(visible=False)
def hello(
    state: State,
    from_node: str,
    revoked: Mapping[str, Any] | Sequence[str] | None = None,
    **_kwargs: Any,
) -> Any:
    """Answer the greeting of a new worker: each tells the other what was revoked."""
    if from_node == state.hostname or not state.answers(from_node):
        return NO_REPLY
    known = revoked_ids(state)
    if revoked and isinstance(revoked, list | Mapping):
        until_s = revocation_until_s(state.app)
        told = [str(each) for each in list(revoked)[-MOST_TOLD:]]
        state.tell(Revoked(tuple(Revocation(until_s, each) for each in told)))
        known = list(dict.fromkeys((*known, *told)))
    return {"revoked": known, "clock": state.app.clock.forward()}


def revoked_ids(state: State) -> list[str]:
    """Return the ids that a worker tells others."""
    return [one.task_id for one in state.core.revocations if one.task_id][-MOST_TOLD:]


@control_command()
def election(
    state: State,
    id: str,  # noqa: A002 - Celery's name
    topic: str,
    action: Any = None,
    **_kwargs: Any,
) -> None:
    """Take part in an election; the worker that wins does something."""
    state.elect(id, topic, action)
