"""``celery.log``, ``celery.messaging``, ``celery.registry``, ``celery.execute``: names of old."""

from __future__ import annotations

from typing import Any

from taskq.current import Proxy, get_current_app

__all__ = [
    "TaskConsumer",
    "establish_connection",
    "get_consumer_set",
    "get_default_logger",
    "redirect_stdouts_to_logger",
    "send_task",
    "setup_logging_subsystem",
    "tasks",
]

# Of the current app at the moment of use.
tasks: Any = Proxy(lambda: get_current_app().tasks)
send_task: Any = Proxy(lambda: get_current_app().send_task)
TaskConsumer: Any = Proxy(lambda: get_current_app().amqp.TaskConsumer)
establish_connection: Any = Proxy(lambda: get_current_app().connection)
get_consumer_set: Any = Proxy(lambda: get_current_app().amqp.TaskConsumer)
get_default_logger: Any = Proxy(lambda: get_current_app().log.get_default_logger)
setup_logging_subsystem: Any = Proxy(lambda: get_current_app().log.setup_logging_subsystem)
redirect_stdouts_to_logger: Any = Proxy(lambda: get_current_app().log.redirect_stdouts_to_logger)
