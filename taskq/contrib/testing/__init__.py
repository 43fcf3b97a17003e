"""What tests of Celery's users are made of: an app, a worker in a thread, messages, patience.

The names are Celery's (``celery.contrib.testing``); the fixtures that hold them together are those
of ``taskq_testing``.  For tests against a broker; a test that needs neither a broker nor waiting
uses ``taskq_testing.World``.
"""

from taskq.contrib.testing.worker import (
    PING,
    START_TIMEOUT_S,
    WORKER_LOGLEVEL,
    TestWorkController,
    WorkerThreadError,
    setup_app_for_worker,
    start_worker,
    test_worker_started,
    test_worker_starting,
    test_worker_stopped,
)

__all__ = [
    "PING",
    "START_TIMEOUT_S",
    "WORKER_LOGLEVEL",
    "TestWorkController",
    "WorkerThreadError",
    "setup_app_for_worker",
    "start_worker",
    "test_worker_started",
    "test_worker_starting",
    "test_worker_stopped",
]
