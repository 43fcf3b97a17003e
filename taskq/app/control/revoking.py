"""What outlives the workers of now: revocations that the broker remembers, and REVOKED results.

A command reaches the workers that are there.  So that a revoked task does not run either on a
worker that starts later, the client writes it down where a worker looks when it starts.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any, Final

from taskq import states
from taskq.errors import OperationalError, TaskRevokedError
from taskq.ports import KeepsRevocations, Revocation

logger: Final = logging.getLogger("taskq.control")

# The least time for which a revocation is remembered; Celery's workers remember it as long.
REMEMBERED_S: Final = 10_800.0
REVOKED: Final = "revoked"

# States of a task whose body has not begun, as far as the store knows.
NOT_BEGUN: Final = frozenset({states.PENDING, states.RECEIVED, states.RETRY, states.REJECTED})


def remember_tasks(app: Any, task_ids: Sequence[str]) -> None:
    """Write down that tasks must not begin, and what their result is."""
    until_s = revocation_until_s(app)
    _remember(app, [Revocation(until_s, task_id) for task_id in task_ids])
    store_revoked(app, task_ids)


def remember_stamps(app: Any, headers: Mapping[str, Any]) -> None:
    """Write down that tasks with some stamps must not begin."""
    _remember(app, [Revocation(revocation_until_s(app), headers=dict(headers))])


def _remember(app: Any, revocations: Sequence[Revocation]) -> None:
    broker = app.ports.broker
    if isinstance(broker, KeepsRevocations):
        broker.revoke(revocations)


def remembered(app: Any) -> tuple[Revocation, ...]:
    """Return what the broker remembers of what was revoked."""
    broker = app.ports.broker
    return tuple(broker.revocations()) if isinstance(broker, KeepsRevocations) else ()


def revocation_until_s(app: Any) -> float:
    """Return until when a revocation of now is remembered."""
    # A result that is forgotten is one that nobody asks for any more.
    kept_s = app.backend.expires_s or REMEMBERED_S
    wall_s: float = app.ports.clock.read().wall_s
    return wall_s + max(kept_s, REMEMBERED_S)


def store_revoked(app: Any, task_ids: Sequence[str]) -> None:
    """Store REVOKED for those whose body, as far as the store knows, has not begun.

    Should one have begun without a word, its own end is more final, and takes the place of this.
    """
    backend = app.backend
    try:
        known = backend.store.load(task_ids)
        backend.store.store(
            [
                backend.record(task_id, TaskRevokedError(REVOKED), states.REVOKED)
                for task_id, record in zip(task_ids, known, strict=True)
                if record is None or record.state in NOT_BEGUN
            ]
        )
    except NotImplementedError:
        pass  # results are not kept, or nobody but their caller can read them
    except OperationalError as error:
        # The revocation itself counts.
        logger.warning("Revoked, but the result store was not told: %s", error)
