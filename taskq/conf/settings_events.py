"""Settings of events and of remote control."""

from __future__ import annotations

from typing import Final

from taskq.conf.kinds import FLAG, SECONDS, TEXT, TEXT_OR_NUMBER, Setting

ROWS: Final = (
    Setting(
        "control_queue_ttl",
        SECONDS,
        300.0,
        "Seconds a control message may wait in a worker control queue.",
    ),
    Setting(
        "control_queue_expires", SECONDS, 10.0, "Seconds before an unused control queue is deleted."
    ),
    Setting("control_queue_exclusive", FLAG, True, "Declare control queues exclusive."),
    Setting(
        "control_queue_durable",
        FLAG,
        False,
        "Declare control queues durable; cannot be combined with exclusive.",
    ),
    Setting(
        "control_exchange", TEXT, "celery", "Name prefix of the control exchanges (<name>.pidbox)."
    ),
    Setting(
        "event_queue_expires",
        SECONDS,
        60.0,
        "Seconds before an unused monitor queue is deleted.",
        old=("CELERY_EVENT_QUEUE_EXPIRES",),
    ),
    Setting(
        "event_queue_ttl",
        SECONDS,
        5.0,
        "Seconds an event may wait in a monitor queue.",
        old=("CELERY_EVENT_QUEUE_TTL",),
    ),
    Setting(
        "event_queue_prefix",
        TEXT,
        "celeryev",
        "First part of the monitor queue names.",
        old=("CELERY_EVENT_QUEUE_PREFIX",),
    ),
    Setting(
        "event_queue_exclusive",
        FLAG,
        True,
        "Declare monitor queues exclusive.",
        old=("CELERY_EVENT_QUEUE_EXCLUSIVE",),
    ),
    Setting(
        "event_queue_durable",
        FLAG,
        False,
        "Declare monitor queues durable; cannot be combined with exclusive.",
        old=("CELERY_EVENT_QUEUE_DURABLE",),
    ),
    Setting(
        "event_serializer",
        TEXT,
        "json",
        "Serializer of event messages.",
        old=("CELERY_EVENT_SERIALIZER",),
    ),
    Setting(
        "event_exchange",
        TEXT,
        "celeryev",
        "Name of the event exchange.",
        old=("CELERY_EVENT_EXCHANGE",),
    ),
    Setting("events_logfile", TEXT, None, "Default of --logfile for events."),
    Setting("events_pidfile", TEXT, None, "Default of --pidfile for events."),
    Setting("events_uid", TEXT_OR_NUMBER, None, "Default of --uid for events."),
    Setting("events_gid", TEXT_OR_NUMBER, None, "Default of --gid for events."),
    Setting("events_umask", TEXT_OR_NUMBER, None, "Default of --umask for events."),
    Setting("events_executable", TEXT, None, "Default of --executable for events."),
)
