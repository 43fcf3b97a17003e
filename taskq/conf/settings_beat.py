"""Settings of the scheduler."""

from __future__ import annotations

from typing import Final

from taskq.conf.kinds import (
    FLAG,
    INTEGER,
    MAPPING,
    PATH_OR_CLASS,
    SECONDS,
    TEXT,
    TEXT_OR_NUMBER,
    Setting,
)

ROWS: Final = (
    Setting(
        "beat_enable_remote_control",
        FLAG,
        False,
        "Let the beat process answer a ping over the control bus.",
        old=("CELERYBEAT_ENABLE_REMOTE_CONTROL",),
    ),
    Setting(
        "beat_remote_control_max_tick_age",
        SECONDS,
        None,
        "Seconds since the last tick after which beat stops answering ping.",
        old=("CELERYBEAT_REMOTE_CONTROL_MAX_TICK_AGE",),
    ),
    Setting(
        "beat_max_loop_interval",
        SECONDS,
        0,
        "Longest sleep between two schedule checks; 0 means the scheduler class decides (300 s,"
        " 5 s for database ones).",
        old=("CELERYBEAT_MAX_LOOP_INTERVAL",),
    ),
    Setting(
        "beat_schedule",
        MAPPING,
        {},
        "Mapping of entry name to task, schedule, args, kwargs, options, relative.",
        old=("CELERYBEAT_SCHEDULE",),
    ),
    Setting(
        "beat_scheduler",
        PATH_OR_CLASS,
        "taskq.beat:PersistentScheduler",
        "Class used to keep the periodic entries.",
        old=("CELERYBEAT_SCHEDULER",),
    ),
    Setting(
        "beat_schedule_filename",
        TEXT,
        "celerybeat-schedule",
        "Path of the file in which beat remembers last runs.",
        old=("CELERYBEAT_SCHEDULE_FILENAME",),
    ),
    Setting(
        "beat_sync_every",
        INTEGER,
        0,
        "How many task sends between calls of a scheduler's ``sync``; 0 means time based (every"
        " 3 minutes).  The schedule file is written more often.",
        old=("CELERYBEAT_SYNC_EVERY",),
    ),
    Setting(
        "beat_cron_starting_deadline",
        SECONDS,
        None,
        "Seconds back that beat may look to run a missed crontab entry.",
        old=("CELERYBEAT_CRON_STARTING_DEADLINE",),
    ),
    Setting("beat_logfile", TEXT, None, "Default of --logfile for beat."),
    Setting("beat_pidfile", TEXT, None, "Default of --pidfile for beat."),
    Setting("beat_uid", TEXT_OR_NUMBER, None, "Default of --uid for beat."),
    Setting("beat_gid", TEXT_OR_NUMBER, None, "Default of --gid for beat."),
    Setting("beat_umask", TEXT_OR_NUMBER, None, "Default of --umask for beat."),
    Setting("beat_executable", TEXT, None, "Default of --executable for beat."),
)
