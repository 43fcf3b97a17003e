"""Settings of the connection to the broker."""

from __future__ import annotations

from typing import Final

from taskq.conf.kinds import (
    FLAG,
    FLAG_OR_OPTIONS,
    INTEGER,
    MAPPING,
    NUMBER,
    PATH_OR_CLASS,
    SECONDS,
    SECRET,
    TEXT,
    TEXT_OR_NUMBER,
    URLS,
    Setting,
)

ROWS: Final = (
    Setting(
        "broker_url", URLS, None, "Transport URL, a ;-separated string or a list for failover."
    ),
    Setting("broker_read_url", URLS, None, "URL used by consumers only."),
    Setting("broker_write_url", URLS, None, "URL used by producers only."),
    Setting("broker_transport", TEXT, None, "Transport name when no URL scheme gives it."),
    Setting(
        "broker_transport_options",
        MAPPING,
        {},
        "Options handed to the transport (visibility_timeout, queue_order_strategy, sep,"
        " priority_steps, global_keyprefix, ...).",
    ),
    Setting(
        "broker_connection_timeout", SECONDS, 4, "Seconds before giving up one connection attempt."
    ),
    Setting(
        "broker_connection_retry", FLAG, True, "Reconnect after the broker connection is lost."
    ),
    Setting(
        "broker_connection_retry_on_startup",
        FLAG,
        None,
        "Retry also for the very first connection; None follows broker_connection_retry and warns.",
    ),
    Setting(
        "broker_connection_max_retries",
        INTEGER,
        100,
        "Attempts before giving up; 0 or None is for ever.",
    ),
    Setting(
        "broker_channel_error_retry",
        FLAG,
        False,
        "Treat channel errors like connection errors and retry.",
    ),
    Setting(
        "broker_failover_strategy",
        PATH_OR_CLASS,
        None,
        "Name or callable giving the next URL (round-robin, shuffle).",
    ),
    Setting("broker_heartbeat", NUMBER, 120, "AMQP heartbeat seconds asked from the server."),
    Setting(
        "broker_heartbeat_checkrate",
        NUMBER,
        3.0,
        "How many times per heartbeat period the worker checks it.",
    ),
    Setting("broker_login_method", TEXT, None, "AMQP login mechanism."),
    Setting(
        "broker_native_delayed_delivery_queue_type",
        TEXT,
        "quorum",
        "Queue type (classic or quorum) of the delay queues used for ETA with quorum queues.",
    ),
    Setting(
        "broker_pool_limit",
        INTEGER,
        10,
        "Open connections in the pool; None or 0 disables pooling.",
    ),
    Setting(
        "broker_pool_acquire_timeout", SECONDS, None, "Seconds to wait for a pooled connection."
    ),
    Setting(
        "broker_use_ssl",
        FLAG_OR_OPTIONS,
        False,
        "True or a dict of ssl options for the broker connection.",
    ),
    Setting("broker_host", TEXT, None, "Host part when no URL is given."),
    Setting("broker_port", TEXT_OR_NUMBER, None, "Port part when no URL is given."),
    Setting("broker_user", TEXT, None, "User part when no URL is given."),
    Setting("broker_password", SECRET, None, "Password part when no URL is given."),
    Setting("broker_vhost", TEXT, None, "Virtual host part when no URL is given."),
)
