"""Where the names of Celery's workers, pools, events and contributions live."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from taskq.compat.names.row import Module, all_from

_EVENT: Final = all_from("taskq.compat.objects", "event_exchange", "get_exchange") | all_from(
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

_PLACES: Final = "taskq.worker.consumer.places"

MODULES: Final[Mapping[str, Module]] = {
    "celery.bootsteps": Module("taskq.worker.bootsteps"),
    "celery.concurrency": Module("taskq.compat.concurrency"),
    "celery.concurrency.base": Module(
        names=all_from("taskq.worker.concurrency", "BasePool", "apply_target")
    ),
    "celery.concurrency.eventlet": Module(
        names={"TaskPool": "taskq.worker.green:EventletTaskPool"}
    ),
    "celery.concurrency.gevent": Module(names={"TaskPool": "taskq.worker.green:GeventTaskPool"}),
    "celery.concurrency.prefork": Module(
        names={
            "TaskPool": "taskq.worker.concurrency:ProcessTaskPool",
            **all_from("taskq.worker.concurrency", "process_destructor", "process_initializer"),
        }
    ),
    "celery.concurrency.solo": Module(names={"TaskPool": "taskq.worker.concurrency:SoloTaskPool"}),
    "celery.concurrency.thread": Module(
        names={"TaskPool": "taskq.worker.concurrency:ThreadTaskPool"}
    ),
    "celery.contrib": Module(),
    "celery.contrib.abortable": Module("taskq.contrib.abortable"),
    "celery.contrib.django": Module(),
    "celery.contrib.django.task": Module("taskq.contrib.django.task"),
    "celery.contrib.migrate": Module("taskq.contrib.migrate"),
    "celery.contrib.rdb": Module("taskq.runtime.debugger"),
    "celery.contrib.sphinx": Module("taskq.contrib.sphinx"),
    "celery.contrib.pytest": Module("taskq_testing.celery_fixtures", plain=True),
    "celery.contrib.testing": Module(),
    "celery.contrib.testing.app": Module("taskq.contrib.testing.app"),
    "celery.contrib.testing.manager": Module("taskq.contrib.testing.manager"),
    "celery.contrib.testing.mocks": Module("taskq.contrib.testing.mocks"),
    "celery.contrib.testing.tasks": Module("taskq.contrib.testing.tasks"),
    "celery.contrib.testing.worker": Module("taskq.contrib.testing.worker"),
    "celery.events": Module(
        names={
            **_EVENT,
            "EventDispatcher": "taskq.app.events.dispatcher:EventDispatcher",
            "EventReceiver": "taskq.compat.events:EventReceiver",
        }
    ),
    "celery.events.cursesmon": Module("taskq.cli.monitor"),
    "celery.events.dispatcher": Module("taskq.app.events.dispatcher"),
    "celery.events.dumper": Module("taskq.cli.event_dump"),
    "celery.events.event": Module(names=_EVENT),
    "celery.events.receiver": Module(names=all_from("taskq.compat.events", "EventReceiver")),
    "celery.events.snapshot": Module("taskq.cli.camera"),
    "celery.events.state": Module("taskq.app.events.state"),
    "celery.worker": Module(names={"WorkController": "taskq.worker.controller:WorkController"}),
    "celery.worker.autoscale": Module("taskq.worker.autoscale"),
    "celery.worker.components": Module("taskq.worker.components"),
    "celery.worker.consumer": Module("taskq.worker.consumer"),
    "celery.worker.consumer.consumer": Module(
        names={
            "Consumer": "taskq.worker.consumer.consumer:Consumer",
            "Evloop": f"{_PLACES}:Evloop",
            "dump_body": "taskq.worker.consumer.consumer:dump_body",
        }
    ),
    **{
        f"celery.worker.consumer.{module}": Module(names={name: f"{_PLACES}:{name}"})
        for module, name in {
            "agent": "Agent",
            "connection": "Connection",
            "control": "Control",
            "delayed_delivery": "DelayedDelivery",
            "events": "Events",
            "gossip": "Gossip",
            "heart": "Heart",
            "mingle": "Mingle",
            "tasks": "Tasks",
        }.items()
    },
    "celery.worker.heartbeat": Module("taskq.worker.heartbeat"),
    "celery.worker.pidbox": Module("taskq.worker.pidbox"),
    "celery.worker.request": Module("taskq.worker.request"),
    "celery.worker.state": Module("taskq.worker.state"),
    "celery.worker.strategy": Module("taskq.worker.strategy"),
    "celery.worker.worker": Module(
        names={"WorkController": "taskq.worker.controller:WorkController"}
    ),
    "celery.worker.control": Module(
        names={
            **_COMMANDS,
            **all_from("taskq.app.control.panel", "Panel", "control_command", "inspect_command"),
            **all_from("taskq.app.control.panel", "nok", "ok"),
            "controller_info_t": "taskq.app.control.panel:CommandInfo",
        }
    ),
}
