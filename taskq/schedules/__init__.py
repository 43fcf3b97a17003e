"""When something is due: arithmetic on the times that it is given.

No clock is read here: a schedule asks ``nowfun``, or its app, for the time.  Intervals are in
``interval.py``, crontabs in ``crontab.py`` (their fields in ``cronspec.py``, zones and daylight
saving in ``wallclock.py``), the sun in ``solar.py``.  Not owned: what is done when something is
due (``core.beat``).
"""

from taskq.schedules.base import BaseSchedule, schedstate
from taskq.schedules.cronspec import ParseException, cronfield, crontab_parser
from taskq.schedules.crontab import crontab
from taskq.schedules.interval import maybe_schedule, schedule
from taskq.schedules.solar import solar

__all__ = [
    "BaseSchedule",
    "ParseException",
    "cronfield",
    "crontab",
    "crontab_parser",
    "maybe_schedule",
    "schedstate",
    "schedule",
    "solar",
]
