"""What a worker prints when it starts: who it is, and what it is connected to."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from typing import Any, Final

from taskq.app.naming import BUILTIN
from taskq.conf import sanitize_url
from taskq.wiring.brokers import DEFAULT_URL

WIDTH: Final = 72
LABEL: Final = 11


def banner(app: Any, worker: Any, *, with_tasks: bool) -> str:
    """Return the text, without colours."""
    sections = [_heading(worker), _facts(app, worker), _queues(worker.queues)]
    if with_tasks:
        sections.append(_tasks(app.tasks))
    return "\n" + "\n\n".join(sections) + "\n"


def _heading(worker: Any) -> str:
    title = f"taskq {version('taskq')} -- {worker.hostname}"
    return f"{title}\n{'-' * max(len(title), WIDTH)}"


def _facts(app: Any, worker: Any) -> str:
    rows = {
        "app": f"{app.main or '(no name)'} at {id(app):#x}",
        "broker": broker_of(app),
        "results": results_of(app),
        "pool": f"{worker.pool_name}, {worker.concurrency} slots",
        "events": "on" if worker.task_events else "off (turn on with -E to watch this worker)",
        "process": f"{os.getpid()}, Python {platform.python_version()}",
    }
    return "\n".join(f"  {label:<{LABEL}}{text}" for label, text in rows.items())


def broker_of(app: Any) -> str:
    """Return the address of the broker, with stars for its password."""
    url = app.conf.broker_read_url
    if isinstance(url, list | tuple):
        return "; ".join(sanitize_url(one) for one in url)
    if not url:
        return f"{sanitize_url(DEFAULT_URL)} (the default; `broker_url` is not set)"
    return sanitize_url(url)


def results_of(app: Any) -> str:
    """Return the address of the result store, with stars for its password."""
    url = app.conf.result_backend
    return sanitize_url(url) if url else "(not kept: `result_backend` is not set)"


def _queues(queues: Mapping[str, Any] | Iterable[Any]) -> str:
    listed = list(queues.values() if isinstance(queues, Mapping) else queues)
    longest = max((len(queue.name) for queue in listed), default=0)
    rows = [
        f"  {queue.name:<{longest}}  exchange={_exchange(queue.exchange)} key={queue.routing_key}"
        for queue in listed
    ]
    return "\n".join(["[queues]", *rows])


def _exchange(exchange: Any) -> str:
    return f"{exchange.name or '(default)'}({exchange.type})"


def _tasks(tasks: Iterable[str]) -> str:
    names = sorted(name for name in tasks if not name.startswith(BUILTIN))
    rows = [f"  . {name}" for name in names] or ["  (none; see the settings `imports`, `include`)"]
    return "\n".join(["[tasks]", *rows])
