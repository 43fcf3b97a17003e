"""The commands that every worker knows, by theme.  To import this package is to fill the table."""

from taskq.app.control.commands import (
    cluster,
    inspecting,
    memory,
    pool,
    queues,
    revoking,
    steering,
    tasks,
)

__all__ = ["cluster", "inspecting", "memory", "pool", "queues", "revoking", "steering", "tasks"]
