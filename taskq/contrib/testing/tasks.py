"""The task with which a worker proves itself, for apps that are to have it from the beginning.

``start_worker`` gives it to an app that does not have it.
"""

from __future__ import annotations

from taskq.app.tasking import shared_task
from taskq.contrib.testing.worker import PING, pong

__all__ = ["ping"]

ping = shared_task(name=PING)(pong)
