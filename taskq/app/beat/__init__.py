"""Periodic tasks: entries, what keeps them, and the loop that sends them.

``Scheduler`` and ``ScheduleEntry`` are made to be subclassed: packages keep their entries in a
database, or in Redis.  What is done next is decided by ``core.beat``; a scheduler is the hands.
Not owned here: files and waiting (``runtime.beat``), what is due when (``taskq.schedules``).
"""

from taskq.app.beat.entry import BeatLazyFunc, ScheduleEntry, event_t
from taskq.app.beat.persistent import KeepsBytes, PersistentScheduler
from taskq.app.beat.scheduler import DEFAULT_MAX_INTERVAL, Scheduler
from taskq.app.beat.service import Service, beat_nodename

__all__ = [
    "DEFAULT_MAX_INTERVAL",
    "BeatLazyFunc",
    "KeepsBytes",
    "PersistentScheduler",
    "ScheduleEntry",
    "Scheduler",
    "Service",
    "beat_nodename",
    "event_t",
]
