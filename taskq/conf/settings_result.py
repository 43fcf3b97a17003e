"""Settings of results, whatever keeps them."""

from __future__ import annotations

from datetime import timedelta
from math import inf
from typing import Final

from taskq.conf.kinds import FLAG, INTEGER, MAPPING, NAMES, NUMBER, SECONDS, TEXT, URLS, Setting

ROWS: Final = (
    Setting(
        "result_accept_content",
        NAMES,
        None,
        "Whitelist used only when decoding results; falls back to accept_content when unset.",
    ),
    Setting(
        "result_backend",
        URLS,
        None,
        "Result store URL, alias or class path.",
        old=("CELERY_RESULT_BACKEND",),
    ),
    Setting(
        "result_cache_max",
        INTEGER,
        -1,
        "Results kept in a client cache; -1 disables, 0 or None is unlimited.",
        old=("CELERY_MAX_CACHED_RESULTS",),
    ),
    Setting(
        "result_compression",
        TEXT,
        None,
        "Compression of stored results.",
        old=("CELERY_RESULT_COMPRESSION",),
    ),
    Setting(
        "result_exchange",
        TEXT,
        "celeryresults",
        "Exchange name of the retired AMQP backend, still a key.",
        old=("CELERY_RESULT_EXCHANGE",),
    ),
    Setting(
        "result_exchange_type",
        TEXT,
        "direct",
        "Exchange type of the retired AMQP backend, still a key.",
        old=("CELERY_RESULT_EXCHANGE_TYPE",),
    ),
    Setting(
        "result_expires",
        SECONDS,
        timedelta(days=1),
        "Lifetime of results in seconds or timedelta; 0 or None keeps for ever.",
        old=("CELERY_TASK_RESULT_EXPIRES",),
    ),
    Setting(
        "result_chord_expires",
        SECONDS,
        None,
        "How long a chord waits for its next member; else result_expires, but at least 7 days.",
        old=("CELERY_RESULT_CHORD_EXPIRES",),
    ),
    Setting(
        "result_failure_expires",
        SECONDS,
        None,
        "Separate lifetime of failed results on backends that support it.",
        old=("CELERY_RESULT_FAILURE_EXPIRES",),
    ),
    Setting(
        "result_persistent",
        FLAG,
        None,
        "Make RPC result messages survive a broker restart.",
        old=("CELERY_RESULT_PERSISTENT",),
    ),
    Setting(
        "result_extended",
        FLAG,
        False,
        "Also store name, args, kwargs, worker, retries, queue and delivery info in results.",
        old=("CELERY_RESULT_EXTENDED",),
    ),
    Setting(
        "result_serializer",
        TEXT,
        "json",
        "Serializer of stored results.",
        old=("CELERY_RESULT_SERIALIZER",),
    ),
    Setting(
        "result_backend_transport_options",
        MAPPING,
        {},
        "Options of the result store client (global_keyprefix, retry_policy, visibility_timeout,"
        " master_name, ...).",
        old=("CELERY_RESULT_BACKEND_TRANSPORT_OPTIONS",),
    ),
    Setting(
        "result_chord_retry_interval",
        SECONDS,
        1.0,
        "Seconds between polls of the chord unlock task.",
        old=("CELERY_RESULT_CHORD_RETRY_INTERVAL",),
    ),
    Setting(
        "result_chord_join_timeout",
        SECONDS,
        3.0,
        "Seconds allowed to collect the header results.",
        old=("CELERY_RESULT_CHORD_JOIN_TIMEOUT",),
    ),
    Setting(
        "result_backend_max_sleep_between_retries_ms",
        INTEGER,
        10000,
        "Upper limit of the back-off between backend retries.",
        old=("CELERY_RESULT_BACKEND_MAX_SLEEP_BETWEEN_RETRIES_MS",),
    ),
    Setting(
        "result_backend_max_retries",
        NUMBER,
        inf,
        "Attempts for a backend operation when always_retry is on.",
        old=("CELERY_RESULT_BACKEND_MAX_RETRIES",),
    ),
    Setting(
        "result_backend_base_sleep_between_retries_ms",
        INTEGER,
        10,
        "First back-off between backend retries.",
        old=("CELERY_RESULT_BACKEND_BASE_SLEEP_BETWEEN_RETRIES_MS",),
    ),
    Setting(
        "result_backend_always_retry",
        FLAG,
        False,
        "Retry recoverable backend errors instead of raising.",
        old=("CELERY_RESULT_BACKEND_ALWAYS_RETRY",),
    ),
    Setting("result_backend_thread_safe", FLAG, False, "Share one backend object between threads."),
    Setting(
        "override_backends",
        MAPPING,
        None,
        "Extra backend alias to class path mapping consulted first.",
    ),
)
