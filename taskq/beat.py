"""What programs that bring a scheduler of their own import.

``Scheduler`` and ``ScheduleEntry`` are made to be subclassed; the setting ``beat_scheduler``, or
``taskq beat --scheduler``, names the class.
"""

from taskq.app.beat import (
    DEFAULT_MAX_INTERVAL,
    BeatLazyFunc,
    ScheduleEntry,
    Scheduler,
    beat_nodename,
    event_t,
)
from taskq.app.beat.pidbox import BeatPidbox
from taskq.errors import SchedulingError
from taskq.runtime.beat import EmbeddedService, PersistentScheduler, Service

__all__ = [
    "DEFAULT_MAX_INTERVAL",
    "BeatLazyFunc",
    "BeatPidbox",
    "EmbeddedService",
    "PersistentScheduler",
    "ScheduleEntry",
    "Scheduler",
    "SchedulingError",
    "Service",
    "beat_nodename",
    "event_t",
]
