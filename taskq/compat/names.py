"""Where the names of Celery live here: one table.

A row is a module of Celery: the module of ours that has the same names, and the names that live
elsewhere or are called otherwise.  ``celery.py`` looks names up; nothing is imported before.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final


@dataclass(frozen=True, slots=True)
class Module:
    """One module of Celery."""

    like: str | None = None  # all public names of this module of ours
    names: Mapping[str, str] = field(default_factory=dict)  # name -> "module:attribute"


def _all(place: str, *names: str) -> dict[str, str]:
    return {name: f"{place}:{name}" for name in names}


_CANVAS: Final = _all(
    "taskq.canvas",
    *("Signature", "chain", "chord", "chunks", "group", "maybe_signature", "signature"),
    *("subtask", "xmap", "xstarmap"),
)

_EVENT: Final = _all("taskq.compat.objects", "event_exchange", "get_exchange") | _all(
    "taskq.app.events.event", "Event", "group_from"
)

_COMMANDS: Final = {
    name: f"taskq.app.control.commands.{theme}:{name}"
    for theme, names in {
        "cluster": ("election", "hello"),
        "inspecting": ("clock", "conf", "ping", "report", "stats"),
        "memory": ("memdump", "memsample", "objgraph"),
        "pool": ("autoscale", "pool_grow", "pool_restart", "pool_shrink"),
        "queues": ("active_queues", "add_consumer", "cancel_consumer"),
        "revoking": ("revoke", "revoke_by_stamped_headers", "terminate"),
        "steering": (
            *("disable_events", "enable_events", "heartbeat", "rate_limit", "shutdown"),
            "time_limit",
        ),
        "tasks": ("active", "query_task", "registered", "reserved", "revoked", "scheduled"),
    }.items()
    for name in names
}

MODULES: Final[Mapping[str, Module]] = MappingProxyType(
    {
        "celery": Module(
            names={
                **_CANVAS,
                "Celery": "taskq:TaskQ",
                "Task": "taskq.app.task:Task",
                "current_app": "taskq:current_app",
                "current_task": "taskq:current_task",
                "shared_task": "taskq:shared_task",
                "bugreport": "taskq.cli.report:report",
            },
        ),
        "celery._state": Module("taskq.current"),
        "celery.app": Module(
            names=_all("taskq.current", "app_or_default", "pop_current_task", "push_current_task")
            | {
                "Celery": "taskq:TaskQ",
                "bugreport": "taskq.app.report:report",
                "shared_task": "taskq:shared_task",
            },
        ),
        "celery.app.base": Module(names={"Celery": "taskq:TaskQ"}),
        "celery.app.control": Module("taskq.app.control"),
        "celery.app.events": Module(names={"Events": "taskq.app.events.events:Events"}),
        "celery.app.log": Module(names=_all("taskq.app.log", "Logging", "TaskFormatter")),
        "celery.app.task": Module(
            names={"Task": "taskq.app.task:Task", "Context": "taskq.app.context:Context"}
        ),
        "celery.app.utils": Module(
            names={
                "Settings": "taskq.conf:Settings",
                "bugreport": "taskq.cli.report:report",
                "find_app": "taskq.cli.find_app:find_app",
                "sanitize_url": "taskq.conf:sanitize_url",
            }
        ),
        "celery.app.builtins": Module("taskq.app.builtins"),
        "celery.backends": Module(),
        "celery.backends.base": Module(
            names={"DisabledBackend": "taskq.compat.backends:DisabledBackend"}
        ),
        "celery.backends.cache": Module(
            names={"CacheBackend": "taskq.compat.backends:CacheBackend"}
        ),
        "celery.backends.redis": Module(
            names={"RedisBackend": "taskq.compat.backends:RedisBackend"}
        ),
        "celery.backends.rpc": Module(names={"RPCBackend": "taskq.compat.backends:RPCBackend"}),
        "celery.bin": Module("taskq.cli"),
        "celery.bin.base": Module(
            names=_all(
                "taskq.cli.params",
                *("COMMA_SEPARATED_LIST", "ISO8601", "ISO8601_OR_FLOAT", "JSON_ARRAY"),
                *("JSON_OBJECT", "LOG_LEVEL", "CommaSeparatedList", "LogLevel"),
            )
            | {"CLIContext": "taskq.cli.context:CLIContext"},
        ),
        "celery.bin.celery": Module(
            names={"celery": "taskq.cli.main:taskq", "main": "taskq.cli.main:main"}
        ),
        "celery.canvas": Module("taskq.canvas"),
        "celery.concurrency": Module("taskq.compat.concurrency"),
        "celery.contrib.testing.worker": Module("taskq.contrib.testing"),
        "celery.events": Module(
            names={
                **_EVENT,
                "EventDispatcher": "taskq.app.events.dispatcher:EventDispatcher",
                "EventReceiver": "taskq.compat.events:EventReceiver",
            }
        ),
        "celery.events.dispatcher": Module("taskq.app.events.dispatcher"),
        "celery.events.dumper": Module("taskq.cli.event_dump"),
        "celery.events.event": Module(names=_EVENT),
        "celery.events.receiver": Module(names=_all("taskq.compat.events", "EventReceiver")),
        "celery.events.snapshot": Module("taskq.cli.camera"),
        "celery.events.state": Module("taskq.app.events.state"),
        "celery.exceptions": Module(
            "taskq.errors",
            {
                "CeleryError": "taskq.errors:TaskqError",
                "CeleryWarning": "taskq.errors:TaskqWarning",
                "CeleryCommandException": "taskq.cli.errors:CommandError",
                "OperationalError": "kombu.exceptions:OperationalError",
                "RetryTaskError": "taskq.errors:Retry",
                "SystemTerminate": "taskq.errors:WorkerTerminate",
                "UNREGISTERED_FMT": "taskq.compat.objects:UNREGISTERED_FMT",
                "reraise": "taskq.compat.objects:reraise",
            },
        ),
        "celery.result": Module(
            "taskq.app.result",
            {
                "EagerResult": "taskq.app.eager_result:EagerResult",
                "GroupResult": "taskq.app.result_set:GroupResult",
                "ResultBase": "taskq.app.result_base:ResultBase",
                "ResultSet": "taskq.app.result_set:ResultSet",
                **_all("taskq.app.joining", "allow_join_result", "assert_will_not_block"),
                **_all("taskq.app.joining", "denied_join_result"),
            },
        ),
        "celery.signals": Module("taskq.signals"),
        "celery.states": Module("taskq.states"),
        "celery.worker": Module(),
        "celery.worker.control": Module(
            names={
                **_COMMANDS,
                **_all("taskq.app.control.panel", "Panel", "control_command", "inspect_command"),
                **_all("taskq.app.control.panel", "nok", "ok"),
                "controller_info_t": "taskq.app.control.panel:CommandInfo",
            }
        ),
        "celery.utils.dispatch": Module(names=_all("taskq.signals", "Signal")),
        "celery.utils.dispatch.signal": Module(names=_all("taskq.signals", "Signal")),
        "celery.utils.log": Module(
            names=_all(
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
)
