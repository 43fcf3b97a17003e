"""Where the names of ``celery.utils`` live."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from taskq.compat.names.row import Module, all_from

_UTILS: Final = "taskq.compat.utils"
_UUID: Final = "kombu.utils.uuid:uuid"

MODULES: Final[Mapping[str, Module]] = {
    "celery.utils": Module(
        names={
            **all_from(f"{_UTILS}.functional", "chunks", "memoize", "noop"),
            **all_from(f"{_UTILS}.imports", "gen_task_name", "import_from_cwd", "instantiate"),
            **all_from(f"{_UTILS}.nodenames", "nodename", "nodesplit", "worker_direct"),
            "LOG_LEVELS": f"{_UTILS}.log:LOG_LEVELS",
            "cached_property": "kombu.utils.objects:cached_property",
            "gen_unique_id": _UUID,
            "get_cls_by_name": "kombu.utils.imports:symbol_by_name",
            "get_full_cls_name": f"{_UTILS}.imports:qualname",
            "uuid": _UUID,
        }
    ),
    "celery.utils.abstract": Module(f"{_UTILS}.abstract"),
    "celery.utils.annotations": Module(f"{_UTILS}.annotations"),
    "celery.utils.collections": Module(f"{_UTILS}.collections"),
    "celery.utils.debug": Module(f"{_UTILS}.debug"),
    "celery.utils.deprecated": Module(f"{_UTILS}.deprecated"),
    "celery.utils.dispatch": Module(names=all_from("taskq.signals", "Signal")),
    "celery.utils.dispatch.signal": Module(names=all_from("taskq.signals", "Signal")),
    "celery.utils.functional": Module(f"{_UTILS}.functional"),
    "celery.utils.graph": Module(f"{_UTILS}.graph"),
    "celery.utils.imports": Module(f"{_UTILS}.imports"),
    "celery.utils.iso8601": Module(f"{_UTILS}.iso8601"),
    "celery.utils.log": Module(
        f"{_UTILS}.log",
        all_from(
            "taskq.app.log",
            *("ColorFormatter", "LoggingProxy", "get_logger", "get_task_logger", "mlevel"),
        ),
    ),
    "celery.utils.nodenames": Module(f"{_UTILS}.nodenames"),
    "celery.utils.objects": Module(f"{_UTILS}.objects"),
    "celery.utils.quorum_queues": Module(f"{_UTILS}.quorum_queues"),
    "celery.utils.saferepr": Module(f"{_UTILS}.saferepr"),
    "celery.utils.serialization": Module(f"{_UTILS}.serialization"),
    "celery.utils.static": Module(f"{_UTILS}.static"),
    "celery.utils.sysinfo": Module(f"{_UTILS}.sysinfo"),
    "celery.utils.term": Module("taskq.app.colors"),
    "celery.utils.text": Module(f"{_UTILS}.text"),
    "celery.utils.threads": Module(f"{_UTILS}.threads"),
    "celery.utils.time": Module(f"{_UTILS}.time"),
    "celery.utils.timer2": Module(f"{_UTILS}.timer2"),
}
