"""An app on paper: it satisfies ``AppLike``, and writes down what would be sent.

``send_task`` builds the ``Call`` that a real app would build, so that canvases can be compared
with recorded messages without the rest of taskq.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import datetime
from types import SimpleNamespace
from typing import Any

from taskq.canvas.signature import Signature
from taskq.ports import Encoded
from taskq.protocol.message import Call, Parts, to_v1, to_v2

ORIGIN = "gen1@host"
REPLY_TO = "thread-oid"


@dataclass
class PaperResult:
    """Stands for ``AsyncResult`` and ``EagerResult``."""

    id: str
    parent: Any = None
    value: Any = None
    state: str = "SUCCESS"

    def get(self, timeout: float | None = None, propagate: bool = True) -> Any:
        if isinstance(self.value, Exception) and propagate:
            raise self.value
        return self.value

    @property
    def result(self) -> Any:
        return self.value

    def ready(self) -> bool:
        return True


@dataclass
class PaperGroupResult:
    id: str
    results: list[Any]
    parent: Any = None

    def get(self, propagate: bool = True) -> list[Any]:
        return [each.get(propagate=propagate) for each in self.results]


@dataclass
class PaperStore:
    counts_chords: bool = True
    name: str = "paper://"
    opened: list[tuple[str, int, float | None]] = field(default_factory=list)

    def open_chord(
        self, group_id: str, size: int, expires_s: float | None, body: bytes | None = None
    ) -> None:
        self.opened.append((group_id, size, expires_s))


@dataclass
class PaperTask:
    """A registered task."""

    name: str
    run: Callable[..., Any]
    app: Any
    trail: list[Any] = field(default_factory=list)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.run(*args, **kwargs)

    def apply_async(self, args: Any = None, kwargs: Any = None, **options: Any) -> Any:
        self.app.by_task.append(self.name)
        return self.app.send_task(self.name, args, kwargs, **{"ignore_result": False, **options})

    def apply(self, args: Any = None, kwargs: Any = None, **options: Any) -> PaperResult:
        task_id = options.get("task_id") or self.app.new_id()
        try:
            return PaperResult(task_id, value=self.run(*(args or ()), **(kwargs or {})))
        except Exception as error:
            return PaperResult(task_id, value=error, state="FAILURE")

    def add_trail(self, result: Any) -> None:
        self.trail.append(result)

    def s(self, *args: Any, **kwargs: Any) -> Signature[Any]:
        return Signature(self, args, kwargs, app=self.app)


class PaperCodec:
    """Writes nothing that anybody reads."""

    def encode(self, value: Any, serializer: str) -> Encoded:
        return Encoded(json.dumps(value).encode(), serializer, "utf-8")


class PaperApp:
    """Ids count up; what is sent is a list of ``Call``."""

    def __init__(self, protocol: int = 2, **settings: Any) -> None:
        self.main: str | None = "paper"
        self.conf = SimpleNamespace(
            task_protocol=protocol,
            task_always_eager=False,
            task_allow_error_cb_on_chord_header=False,
            result_expires=3600,
            result_chord_expires=None,
            result_serializer="json",
        )
        vars(self.conf).update(settings)
        self.tasks: dict[str, Any] = {}
        self.store = PaperStore()
        self.ports: Any = SimpleNamespace(store=self.store, codec=PaperCodec())
        self.thread_oid = REPLY_TO
        self.sent: list[Call] = []
        self.by_task: list[str] = []
        self.given: list[dict[str, Any]] = []
        self.applied: list[Any] = []
        self._ids = 0

    def new_id(self) -> str:
        self._ids += 1
        return f"id-{self._ids}"

    def task(self, name: str, run: Callable[..., Any] = lambda *args: sum(args)) -> PaperTask:
        self.tasks[name] = PaperTask(name, run, self)
        made: PaperTask = self.tasks[name]
        return made

    def sig(self, name: str, *args: Any, **options: Any) -> Signature[Any]:
        return Signature(name, args, app=self, **options)

    @property
    def runs_here(self) -> bool:
        return bool(self.conf.task_always_eager)

    def run_here(self, send: Callable[[], Any], throw: bool | None = None) -> Any:
        """Write down who was to run here, and what for."""
        before, self.sent = self.sent, []
        handle = send()
        self.applied.append(([call.task for call in self.sent], throw))
        self.sent = before
        return handle

    def together(self) -> AbstractContextManager[None]:
        return nullcontext()

    def AsyncResult(self, task_id: str, **kwargs: Any) -> Any:  # noqa: N802 - Celery's name
        return PaperResult(task_id)

    def GroupResult(  # noqa: N802 - Celery's name
        self, group_id: str, results: Iterable[Any], parent: Any = None
    ) -> Any:
        return PaperGroupResult(group_id, list(results), parent)

    def send_task(self, name: str, args: Any = None, kwargs: Any = None, **options: Any) -> Any:
        self.given.append(dict(options))
        call = call_of(name, args, kwargs, options, self.new_id)
        self.sent.append(call)
        return PaperResult(call.id)

    def messages(self) -> list[Parts]:
        build = to_v1 if self.conf.task_protocol == 1 else to_v2
        return [build(call) for call in self.sent]


def call_of(
    name: str, args: Any, kwargs: Any, options: dict[str, Any], new_id: Callable[[], str]
) -> Call:
    """Build what a real app would build of the options of ``send_task``."""
    said = dict(options)
    take = said.pop
    stamped = take("stamped_headers", None)
    stamps = {stamp: take(stamp) for stamp in stamped or ()}
    reprs: dict[str, Any] = {key: take(key) for key in ("argsrepr", "kwargsrepr") if key in said}
    call = Call(
        task=name,
        id=take("task_id", None) or new_id(),
        args=tuple(args or ()),
        kwargs=dict(kwargs or {}),
        eta=_iso(take("eta", None)),
        expires=_iso(take("expires", None)),
        retries=take("retries", 0),
        callbacks=_listed(take("link", None)),
        errbacks=_listed(take("link_error", None)),
        chain=take("chain", None),
        chord=take("chord", None),
        group=take("group_id", None),
        group_index=take("group_index", None),
        root_id=take("root_id", None),
        parent_id=take("parent_id", None),
        timelimit=(take("time_limit", None), take("soft_time_limit", None)),
        shadow=take("shadow", None),
        origin=take("origin", ORIGIN),
        ignore_result=take("ignore_result", None),
        replaced_task_nesting=take("replaced_task_nesting", 0),
        stamped_headers=stamped,
        stamps=stamps,
        headers=take("headers", None) or {},
        reply_to=take("reply_to", None) or REPLY_TO,
        correlation_id=take("correlation_id", None),
        priority=take("priority", 0),
        delivery_mode=take("delivery_mode", 2),
        expiration_ms=take("expiration_ms", None),
        properties=reprs,
        **reprs,
    )
    for routing in (
        "add_to_parent",
        "queue",
        "route_name",
        "producer",
        "serializer",
        "compression",
        "countdown",
    ):
        take(routing, None)
    assert not said, f"options that no app would understand: {said}"
    return call


def _iso(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value


def _listed(value: Any) -> Any:
    if value is None or isinstance(value, list):
        return value or None
    return [value]
