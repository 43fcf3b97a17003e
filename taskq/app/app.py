# ruff: noqa: PLR0917 - the parameters are Celery's, and so is their order
"""The application: what users make first, and everything else is reached from.

It is cheap to make and connects to nothing: settings, tasks and ports are made when they are first
needed.  The layers below hold what it does: ``configuring.py``, ``tasking.py``, ``sending.py``.
``make_ports`` is left open: ``taskq.wiring`` has the real ports, a test its own.
"""

from __future__ import annotations

import os
import platform
import threading
from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from types import ModuleType
from typing import Any, ClassVar, Final, Self

from taskq import canvas, current, signals
from taskq.app import eager_result, result, result_set
from taskq.app.builtins import add_builtin_tasks
from taskq.app.dead_letters import DeadLetters
from taskq.app.discovery import symbol
from taskq.app.eager.pool import NoLimits
from taskq.app.lamport import LamportClock
from taskq.app.loader import LOADERS, attach
from taskq.app.log import Logging
from taskq.app.pickling import AppPickler, pickled_with
from taskq.app.report import report
from taskq.app.sending import Sending
from taskq.app.task_traits import traits_of
from taskq.canvas.signature import Signature, signature
from taskq.core.traits import TaskTraits
from taskq.ports import Ports
from taskq.ports.limits import Limiter

__all__ = ["App"]

# The settings that the constructor has parameters for.
_PARAMETERS: Final = {"broker": "broker_url", "backend": "result_backend", "include": "include"}


class App(Sending, ABC):
    """A task queue as one program sees it."""

    SYSTEM: ClassVar[str] = platform.system()
    IS_macOS: ClassVar[bool] = SYSTEM == "Darwin"
    IS_WINDOWS: ClassVar[bool] = SYSTEM == "Windows"

    log_cls: Any = "taskq.app.log:Logging"

    builtin_fixups: ClassVar[frozenset[str]] = frozenset()

    # Makes an app that was pickled; a subclass may have one of its own.
    Pickler: ClassVar[Any] = AppPickler

    # Whether this process was made ready to run tasks by ``setup_worker_optimizations``.
    use_fast_trace_task = False

    # Classes, or where they are.
    amqp_cls: Any = None  # None: that of the ports
    loader_cls: Any = "taskq.app.loader:AppLoader"
    control_cls: Any = "taskq.app.control:Control"
    events_cls: Any = "taskq.app.events.events:Events"

    def __init__(
        self,
        main: str | None = None,
        loader: Any = None,
        backend: Any = None,
        amqp: Any = None,
        events: Any = None,
        log: Any = None,
        control: Any = None,
        set_as_current: bool = True,
        tasks: Any = None,
        broker: Any = None,
        include: Any = None,
        changes: Any = None,
        config_source: Any = None,
        fixups: Any = None,
        task_cls: Any = None,
        autofinalize: bool = True,
        namespace: str | None = None,
        strict_typing: bool = True,
        config_source_silent: bool = False,
        **kwargs: Any,
    ) -> None:
        given = {"broker": broker, "backend": backend, "include": include}
        super().__init__(
            tasks=tasks,
            autofinalize=autofinalize,
            strict_typing=strict_typing,
            given={
                **{_PARAMETERS[key]: value for key, value in given.items() if value is not None},
                **(changes or {}),
                **kwargs,
            },
            config_source=config_source,
            config_source_silent=config_source_silent,
            namespace=namespace,
        )
        self.main = main
        self.set_as_current = set_as_current
        self.clock = LamportClock()
        self.user_options: dict[str, set[Any]] = defaultdict(set)
        self.steps: dict[str, set[Any]] = defaultdict(set)
        self.task_cls = task_cls or self.task_cls
        for attribute, value in (
            ("loader_cls", loader or os.environ.get("CELERY_LOADER")),
            ("amqp_cls", amqp),
            ("events_cls", events),
            ("log_cls", log),
            ("control_cls", control),
        ):
            if value is not None:
                setattr(self, attribute, value)
        self._ports: Ports | None = None
        self._ports_lock = threading.Lock()
        self._periodic: list[tuple[Any, Any, Any, Any, Any, dict[str, Any]]] = []
        self.on_after_fork = signals.Signal(name="app.on_after_fork")
        self.fixups = [*(fixups if fixups is not None else self.builtin_fixups)]
        self._fixups = [fixup for fixup in (symbol(each)(self) for each in self.fixups) if fixup]
        if set_as_current:
            self.set_current()
        if self.loader_cls != App.loader_cls:
            attach(self)
        self.on_init()
        current.active_apps.add(self)

    # -- ports ------------------------------------------------------------------------------------

    @abstractmethod
    def make_ports(self) -> Ports:
        """Make what the app stands on, as its settings say."""

    @property
    def ports(self) -> Ports:
        """What the app stands on, here: that of the node, else its own, made when first needed."""
        here = current.ports_here.get()
        if here is not None:
            return here(self)
        return self._ports or self._own_ports()

    def _own_ports(self) -> Ports:
        with self._ports_lock:
            if self._ports is None:
                self._ports = self.make_ports()
            return self._ports

    @contextmanager
    def standing_on(self, ports: Ports) -> Iterator[None]:
        """Stand on other ports in all threads, for a block; whoever made them closes them."""
        with self._ports_lock:
            own, self._ports = self._ports, ports
        try:
            yield
        finally:
            with self._ports_lock:
                self._ports = own

    def leave_ports_to_parent(self) -> None:
        """Stand on new ports in a process that was forked: another pid, other connections."""
        # The lock is new as well: a thread that is not here may have held it at the fork.
        self._ports, self._ports_lock = None, threading.Lock()

    # -- being the current one --------------------------------------------------------------------

    def on_init(self) -> None:
        """Do something when the app has been made; for subclasses."""

    def set_current(self) -> None:
        """Be the current app of this context."""
        current.set_current_app(self)

    def set_default(self) -> None:
        """Be the app of all contexts that have none of their own."""
        current.set_default_app(self)

    def close(self) -> None:
        """Let go of connections, and be current no more."""
        self._stop_sharing()
        current.forget_app(self)
        with self._ports_lock:
            ports, self._ports = self._ports, None
        if ports is not None:
            ports.broker.close()
            ports.store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    @property
    def current_task(self) -> Any:
        """The task whose body runs here."""
        return current.get_current_task()

    @property
    def current_worker_task(self) -> Any:
        """The task that a worker runs here, looking through those that it calls directly."""
        return current.get_current_worker_task()

    @cached_property
    def loader(self) -> Any:
        """What the program itself does around configuration, workers and tasks."""
        return symbol(LOADERS.get(self.loader_cls, self.loader_cls))(app=self)

    # -- tasks ------------------------------------------------------------------------------------

    def finalize(self, auto: bool = False) -> None:
        """Make all tasks that were decorated, and the builtin ones."""
        if not self.finalized:
            add_builtin_tasks(self)
        super().finalize(auto)

    def _settings_ready(self, conf: Any) -> None:
        periodic, self._periodic = self._periodic, []
        for entry in periodic:
            self._add_periodic(conf, *entry)

    def add_periodic_task(
        self,
        schedule: Any,
        sig: Any,
        args: Any = (),
        kwargs: Any = (),
        name: str | None = None,
        **opts: Any,
    ) -> str:
        """Let beat send a signature on a schedule; returns the name of the entry."""
        entry = (schedule, sig, args, kwargs, name, opts)
        if self.configured:
            return self._add_periodic(self.conf, *entry)
        self._periodic.append(entry)
        return name or repr(sig)

    def _add_periodic(
        self, conf: Any, schedule: Any, sig: Any, args: Any, kwargs: Any, name: Any, opts: Any
    ) -> str:
        sig = (
            sig.clone(args, dict(kwargs))
            if isinstance(sig, Signature)
            else self.signature(getattr(sig, "name", sig), tuple(args), dict(kwargs))
        )
        entry: str = name or repr(sig)
        conf.beat_schedule = {
            **(conf.beat_schedule or {}),
            entry: {
                "schedule": schedule,
                "task": sig.task,
                "args": sig.args,
                "kwargs": sig.kwargs,
                "options": {**sig.options, **opts},
            },
        }
        return entry

    def packages_of_fixups(self) -> list[str]:
        """Name the packages in which tasks are looked for where none are named."""
        asked = (getattr(fixup, "autodiscover_tasks", None) for fixup in self._fixups)
        return [package for ask in asked if ask is not None for package in ask()]

    def signature(self, *args: Any, **kwargs: Any) -> Signature[Any]:
        """Return a signature that is sent with this app."""
        kwargs["app"] = self
        return signature(*args, **kwargs)

    @property
    def canvas(self) -> ModuleType:
        """``chain``, ``group``, ``chord`` and the other kinds, for who reaches them by the app."""
        return canvas

    def traits(self, name: str) -> TaskTraits | None:
        """Say what a worker's core must know of a task; None if there is none of that name."""
        task = self.tasks.get(name)
        return None if task is None else traits_of(task)

    # -- workers and monitors ---------------------------------------------------------------------

    @cached_property
    def control(self) -> Any:
        """Tells workers what to do, and asks them what they do."""
        return symbol(self.control_cls)(app=self)

    @cached_property
    def events(self) -> Any:
        """What workers tell monitors: senders, receivers, a picture of the cluster."""
        return symbol(self.events_cls)(app=self)

    @property
    def dead_letters(self) -> DeadLetters:
        """The messages that were given up: look at them, send them again, throw them away."""
        return DeadLetters(self)

    def bugreport(self) -> str:
        """Return versions and settings without secrets, as text."""
        return report(self)

    def eager_limiter(self) -> Limiter:
        """Make what keeps the time limits of eager calls; the bare app keeps none."""
        return NoLimits()

    # -- classes that know this app ---------------------------------------------------------------

    @cached_property
    def log(self) -> Logging:
        """Logging, as the settings say."""
        made: Logging = symbol(self.log_cls)(self)
        return made

    @cached_property
    def AsyncResult(self) -> Any:  # noqa: N802 - Celery's name
        """Makes a handle of one result."""
        return self.subclass_with_self(result.AsyncResult)

    @cached_property
    def EagerResult(self) -> Any:  # noqa: N802 - Celery's name
        """Makes a handle of what ran here."""
        return self.subclass_with_self(eager_result.EagerResult)

    @cached_property
    def ResultSet(self) -> Any:  # noqa: N802 - Celery's name
        """Makes a handle of several results."""
        return self.subclass_with_self(result_set.ResultSet, attribute="_app")

    @cached_property
    def GroupResult(self) -> Any:  # noqa: N802 - Celery's name
        """Makes a handle of the results of a group."""
        return self.subclass_with_self(result_set.GroupResult, attribute="_app")

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.main or '__main__'} at {id(self):#x}>"

    def __reduce__(self) -> tuple[Any, ...]:
        if self.Pickler is not AppPickler:
            return pickled_with(self, self.Pickler)
        # An app travels as its settings; who reads it makes an app of the same class.
        return _restore_app, (
            type(self),
            {
                "main": self.main,
                "set_as_current": False,
                "changes": self.conf.changes,
                "namespace": self.namespace,
                "strict_typing": self.strict_typing,
            },
        )


def _restore_app(kind: type[App], given: dict[str, Any]) -> App:
    return kind(**given)
