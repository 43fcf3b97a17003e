"""``celery.utils.quorum_queues``."""

from __future__ import annotations

from typing import Any

__all__ = ["detect_quorum_queues"]


def detect_quorum_queues(app: Any, driver_type: str) -> tuple[bool, str]:
    """Say whether any queue of an app is a quorum queue, and the name of the first of them."""
    if driver_type != "amqp":
        return False, ""
    for name in app.amqp.queues:
        arguments = getattr(app.amqp.queues[name], "queue_arguments", None) or {}
        if arguments.get("x-queue-type") == "quorum":
            return True, name
    return False, ""
