"""Where the names of ``celery``, its app, canvas, results, errors and commands live."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from taskq.compat.names.row import Module, all_from

_CANVAS: Final = all_from(
    "taskq.canvas",
    *("Signature", "chain", "chord", "chunks", "group", "maybe_signature", "signature"),
    *("subtask", "xmap", "xstarmap"),
)

MODULES: Final[Mapping[str, Module]] = {
    "celery": Module(
        names={
            **_CANVAS,
            "Celery": "taskq:TaskQ",
            "Task": "taskq.app.task:Task",
            "current_app": "taskq:current_app",
            "current_task": "taskq:current_task",
            "shared_task": "taskq:shared_task",
            "bugreport": "taskq.cli.report:report",
            "uuid": "kombu.utils.uuid:uuid",
            **all_from(
                "taskq.compat.version",
                *("SERIES", "VERSION", "VERSION_BANNER", "__author__", "__contact__"),
                *("__docformat__", "__homepage__", "__version__", "version_info"),
                "version_info_t",
            ),
        },
    ),
    "celery._state": Module("taskq.current"),
    "celery.app": Module(
        names=all_from("taskq.current", "app_or_default", "pop_current_task", "push_current_task")
        | {
            "Celery": "taskq:TaskQ",
            "bugreport": "taskq.app.report:report",
            "shared_task": "taskq:shared_task",
        },
    ),
    "celery.app.base": Module(names={"Celery": "taskq:TaskQ"}),
    "celery.app.control": Module("taskq.app.control"),
    "celery.app.events": Module(names={"Events": "taskq.app.events.events:Events"}),
    "celery.app.log": Module(names=all_from("taskq.app.log", "Logging", "TaskFormatter")),
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
    "celery.bin": Module("taskq.cli"),
    "celery.bin.base": Module(
        names=all_from(
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
            **all_from("taskq.app.joining", "allow_join_result", "assert_will_not_block"),
            **all_from("taskq.app.joining", "denied_join_result"),
        },
    ),
    "celery.signals": Module("taskq.signals"),
    "celery.states": Module("taskq.states"),
}
