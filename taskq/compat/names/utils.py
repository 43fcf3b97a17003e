"""Where the names of ``celery.utils`` live."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from taskq.compat.names.row import Module, all_from

MODULES: Final[Mapping[str, Module]] = {
    "celery.utils.dispatch": Module(names=all_from("taskq.signals", "Signal")),
    "celery.utils.dispatch.signal": Module(names=all_from("taskq.signals", "Signal")),
    "celery.utils.log": Module(
        names=all_from(
            "taskq.app.log",
            *("ColorFormatter", "LoggingProxy", "get_logger", "get_task_logger", "mlevel"),
        )
    ),
    "celery.utils.nodenames": Module(
        names={
            "default_nodename": "taskq.wiring.nodenames:node_name",
            "worker_direct": "taskq.compat.objects:worker_direct",
        }
    ),
}
