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

_LEGACY: Final = "taskq.compat.legacy"

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
            "_find_option_with_arg": "taskq.compat.patching:find_option_with_arg",
            "_original_os_write": "taskq.compat.patching:original_os_write",
            "maybe_patch_concurrency": "taskq.compat.patching:maybe_patch_concurrency",
            "uuid": "kombu.utils.uuid:uuid",
            **all_from(
                "taskq.compat.version",
                *("SERIES", "VERSION", "VERSION_BANNER", "__author__", "__contact__"),
                *("__docformat__", "__homepage__", "__version__", "version_info"),
                "version_info_t",
            ),
        },
    ),
    "celery._state": Module(
        "taskq.current",
        all_from(
            "taskq.compat.state",
            *("_get_active_apps", "_set_current_app", "_set_task_join_will_block"),
            *("_task_join_will_block", "_task_stack", "default_app"),
            *("disable_trace", "enable_trace"),
        ),
    ),
    "celery.app": Module(
        names={
            **all_from("taskq.current", "app_or_default", "pop_current_task"),
            **all_from("taskq.app.pickling", "AppPickler"),
            **all_from("taskq.compat.app_utils", "push_current_task"),
            "Celery": "taskq:TaskQ",
            "bugreport": "taskq.app.report:report",
            "default_app": "taskq.compat.state:app_proxy",
            **all_from("taskq.compat.state", "disable_trace", "enable_trace"),
            "shared_task": "taskq:shared_task",
        },
    ),
    "celery.app.amqp": Module(
        names=all_from("taskq.wiring.amqp", "AMQP", "task_message")
        | all_from("taskq.compat.queues", "Queues", "utf8dict")
    ),
    "celery.app.annotations": Module("taskq.app.annotations"),
    "celery.app.autoretry": Module("taskq.app.autoretry"),
    "celery.app.backends": Module("taskq.compat.finding_backends"),
    "celery.app.base": Module(
        names={
            **all_from(
                "taskq.compat.app_utils",
                *("PendingConfiguration", "app_has_custom", "caller_stacklevel"),
                *("frame_is_celery", "pydantic_wrapper", "task_callable_qualname"),
            ),
            "App": "taskq:TaskQ",
            "Celery": "taskq:TaskQ",
        }
    ),
    "celery.app.builtins": Module("taskq.app.builtins"),
    "celery.app.control": Module("taskq.app.control"),
    "celery.app.defaults": Module("taskq.compat.defaults"),
    "celery.app.events": Module(names={"Events": "taskq.app.events.events:Events"}),
    "celery.app.log": Module(names=all_from("taskq.app.log", "Logging", "TaskFormatter")),
    "celery.app.registry": Module("taskq.app.registry"),
    "celery.app.routes": Module("taskq.app.routing"),
    "celery.app.task": Module(
        names={"Task": "taskq.app.task:Task", "Context": "taskq.app.context:Context"}
    ),
    "celery.app.trace": Module(
        "taskq.compat.trace",
        all_from(
            "taskq.compat.tracing",
            *("TraceInfo", "fast_trace_task", "reset_worker_optimizations"),
            *("setup_worker_optimizations", "trace_task_ret"),
        ),
    ),
    "celery.app.utils": Module(
        names={
            **all_from(
                "taskq.compat.app_utils",
                *("appstr", "detect_settings", "filter_hidden_settings", "find_app"),
            ),
            **all_from("taskq.app.pickling", "AppPickler"),
            "Settings": "taskq.conf:Settings",
            "bugreport": "taskq.cli.report:report",
            "sanitize_url": "taskq.conf:sanitize_url",
        }
    ),
    "celery.apps": Module(),
    "celery.apps.multi": Module("taskq.compat.multi"),
    "celery.apps.worker": Module("taskq.cli.worker_program"),
    "celery.bin": Module("taskq.cli"),
    "celery.bin.base": Module(
        "taskq.cli.building",
        all_from(
            "taskq.cli.params",
            *("COMMA_SEPARATED_LIST", "ISO8601", "ISO8601_OR_FLOAT", "JSON_ARRAY"),
            *("JSON_OBJECT", "LOG_LEVEL", "CommaSeparatedList", "LogLevel"),
        )
        | {"CLIContext": "taskq.cli.context:CLIContext"},
    ),
    "celery.bin.celery": Module(
        names={
            "UNABLE_TO_LOAD_APP_APP_MISSING": "taskq.cli.find_app:APP_MISSING",
            "UNABLE_TO_LOAD_APP_ERROR_OCCURRED": "taskq.cli.find_app:ERROR_OCCURRED",
            "UNABLE_TO_LOAD_APP_MODULE_NOT_FOUND": "taskq.cli.find_app:MODULE_NOT_FOUND",
            "WRONG_APP_OPTION_USAGE_MESSAGE": "taskq.cli.main:WRONG_PLACE",
            "celery": "taskq.cli.main:taskq",
            "main": "taskq.cli.main:main",
            "report": "taskq.cli.report:command",
        }
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
    "celery.execute": Module(names=all_from(_LEGACY, "send_task")),
    "celery.fixups": Module(),
    "celery.fixups.django": Module("taskq.contrib.django.fixup"),
    "celery.loaders": Module(
        names=all_from("taskq.compat.loaders", "LOADER_ALIASES", "get_loader_cls")
    ),
    "celery.loaders.app": Module(names=all_from("taskq.app.loader", "AppLoader")),
    "celery.loaders.base": Module(names=all_from("taskq.app.loader", "BaseLoader")),
    "celery.loaders.default": Module(
        names=all_from("taskq.compat.loaders", "DEFAULT_CONFIG_MODULE", "Loader")
    ),
    "celery.local": Module("taskq.compat.proxies"),
    "celery.log": Module(
        names=all_from(
            _LEGACY,
            *("get_default_logger", "redirect_stdouts_to_logger", "setup_logging_subsystem"),
        )
    ),
    "celery.messaging": Module(
        names=all_from(_LEGACY, "TaskConsumer", "establish_connection", "get_consumer_set")
    ),
    "celery.platforms": Module("taskq.compat.platforms"),
    "celery.registry": Module(names=all_from(_LEGACY, "tasks")),
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
    "celery.security": Module(
        names=all_from("taskq.compat.security", "disable_untrusted_serializers", "setup_security")
    ),
    "celery.security.certificate": Module("taskq.adapters.security.certificate"),
    "celery.security.key": Module("taskq.adapters.security.key"),
    "celery.security.serialization": Module("taskq.adapters.security.serialization"),
    "celery.security.utils": Module("taskq.adapters.security.utils"),
    "celery.signals": Module("taskq.signals"),
    "celery.states": Module("taskq.states"),
}
