"""Late tasks whose message comes once more although they have succeeded: they are not run again.

``worker_deduplicate_successful_tasks`` asks for it.  Under late acks a worker may be lost after a
result was stored and before its message was acknowledged; then the broker gives the message out
again.  Only such messages cost a look into the store, and only a store that keeps results is asked.
"""

from __future__ import annotations

import logging
from typing import Any, Final

from taskq import states
from taskq.app import follow
from taskq.app.incoming import Incoming
from taskq.errors import TaskqError
from taskq.ports import Ending, EndingKind, Job
from taskq.ports.results import KeepsNothing
from taskq.protocol.saferepr import safe_repr

__all__ = ["ending_before"]

logger: Final = logging.getLogger("taskq.app.trace")


def ending_before(app: Any, job: Job, incoming: Incoming, task: Any) -> Ending | None:
    """Return the ending of a job that need not be run; None if it must be."""
    if not _may_be_repeated(app, job, task):
        return None
    meta = _meta(app, incoming.headers)
    if meta is None or meta.get("status") != states.SUCCESS:
        return None
    value = meta.get("result")
    part = None
    if incoming.has_followers:
        # What follows was sent before the result was stored.  Its chord is told after that, so
        # perhaps it was not; it counts each member once.
        call = incoming.call(job)
        places = [] if call.chain else follow.chord_places(call)
        part = follow.part_of_chord(app, places, call.id, states.SUCCESS, value)
    summary = safe_repr(value, task.resultrepr_maxsize)
    return Ending(job.token, EndingKind.REPEATED, chord=part, summary=summary)


def _may_be_repeated(app: Any, job: Job, task: Any) -> bool:
    """Whether it was delivered before, and the store may know of it."""
    if not (job.delivery_info.get("redelivered") and task.acks_late):
        return False
    if not app.conf.worker_deduplicate_successful_tasks:
        return False
    store = app.ports.store
    return not (isinstance(store, KeepsNothing) and store.keeps_nothing)


def _meta(app: Any, headers: Any) -> dict[str, Any] | None:
    """Return what is stored of it; None if nobody knows."""
    try:
        found: dict[str, Any] = app.backend.get_task_meta(headers["id"])
    except (TaskqError, OSError) as error:
        # Late acks promise at least one run; that it may be one too many is the lesser evil.
        logger.warning(
            "task %s[%s] was delivered again and is run again: whether it has succeeded before"
            " could not be asked: %s",
            headers["task"],
            headers["id"],
            error,
        )
        return None
    return found
