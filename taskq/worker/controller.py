"""The worker as programs hold it: ``app.Worker(...)``, ``celery.worker.WorkController``.

It is the very worker of ``taskq.runtime``, with the names that programs look at, and the moments at
which their steps are called.  Owned here: those names.  Not owned: steps (``moments.py``), requests
and strategies (``diverting.py``), what a worker does (``runtime``, ``core``).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any, ClassVar

from taskq.app.app import App
from taskq.app.control.commands.inspecting import stats
from taskq.app.control.commands.pool import pool_restart
from taskq.app.discovery import symbol
from taskq.core.cluster import News
from taskq.core.inputs import Stop
from taskq.core.worker import WorkerCore
from taskq.current import app_or_default
from taskq.runtime.worker import Parts, Worker
from taskq.worker import state
from taskq.worker.blueprint import Blueprint as Steps
from taskq.worker.consumer.consumer import Consumer
from taskq.worker.diverting import Diversion, custom_tasks
from taskq.worker.moments import Moments
from taskq.worker.pool import PoolView
from taskq.worker.timer import Timer

__all__ = ["WorkController"]


class WorkController(Worker):
    """One worker process: the parent of its pool."""

    app: App
    pidlock: Any = None  # the command line holds the pid file
    semaphore: Any = None  # slots are counted by the core
    exitcode: int | None = None
    Blueprint: ClassVar[type[Steps]] = Steps

    def __init__(self, app: Any = None, hostname: str | None = None, **kwargs: Any) -> None:
        app = app_or_default(app)
        self.on_before_init(**kwargs)
        told = {"hostname": hostname, **self.prepare_args(**kwargs)}
        plan, make_pool = app.plan_worker(**told)
        super().__init__(app, plan, make_pool=make_pool)
        self.told: Mapping[str, Any] = {
            name: value for name, value in told.items() if value is not None
        }
        self.loglevel, self.logfile = told.get("loglevel"), told.get("logfile")
        self.pidfile = told.get("pidfile")
        self.pid = os.getpid()
        self.startup_time = app.ports.clock.read().wall
        self.steps: list[Any] = []
        self.diversion: Diversion | None = None
        self._ready = False
        # Steps are made with the worker; without any there is nothing to make.
        if app.steps["worker"] or app.steps["consumer"]:
            self.moments.make()
        self.on_after_init(**kwargs)

    # -- for subclasses ----------------------------------------------------------------------------

    def on_before_init(self, **kwargs: Any) -> None:
        """Hear what the worker is told, before it is made."""

    def on_after_init(self, **kwargs: Any) -> None:
        """Hear that it has been made."""

    def on_init_blueprint(self) -> None:
        """Hear that its steps are about to be made."""

    def prepare_args(self, **kwargs: Any) -> dict[str, Any]:
        """Change what the worker is told."""
        return kwargs

    def on_start(self) -> None:
        """Hear that it begins."""

    def on_consumer_ready(self, consumer: Any) -> None:
        """Hear that it takes messages, for the first time."""

    def on_close(self) -> None:
        """Hear that it is about to stop."""

    def on_stopped(self) -> None:
        """Hear that it has stopped."""

    # -- what programs look at ---------------------------------------------------------------------

    @property
    def core(self) -> WorkerCore | None:
        """What decides; None until it runs."""
        return None if self._drive is None else self._drive.core

    @property
    def command_state(self) -> Any:
        """What remote commands are given; None until it runs."""
        liaison = None if self._drive is None else self._drive.liaison
        return None if liaison is None else liaison.state

    @property
    def ports_pool(self) -> Any:
        """The pool behind the port; None until it runs."""
        return getattr(self, "_pool", None)

    @cached_property
    def moments(self) -> Moments:
        """The steps, and when they are called."""
        return Moments(self)

    @property
    def blueprint(self) -> Steps:
        """The steps of the worker."""
        return self.moments.worker

    @cached_property
    def consumer(self) -> Consumer:
        """What takes messages: of the class that ``worker_consumer`` names."""
        made: Consumer = symbol(self.app.conf.worker_consumer)(self)
        return made

    @cached_property
    def pool(self) -> PoolView:
        """What runs tasks."""
        return PoolView(self)

    @cached_property
    def timer(self) -> Timer:
        """Calls that are to be made later, in the thread of the loop."""
        return Timer(lambda: self.app.ports.clock, self.nudge)

    @property
    def state(self) -> Any:
        """The module ``taskq.worker.state``."""
        return state

    def info(self) -> dict[str, Any]:
        """Return who it is and since when."""
        clock = self.app.ports.clock.read()
        return {
            "total": {} if self.core is None else dict(self.core.totals),
            "pid": os.getpid(),
            "clock": str(self.app.clock.value),
            "uptime": round(clock.wall_s - self.startup_time.timestamp()),
        }

    def stats(self) -> dict[str, Any]:
        """Return what ``inspect stats`` shows, and what steps show of themselves."""
        shown: dict[str, Any] = (
            self.info() if self.command_state is None else stats(self.command_state)
        )
        for blueprint, parent in self.moments.made():
            shown |= blueprint.info(parent)
        return shown

    def rusage(self) -> dict[str, float]:
        """Return what the process has used."""
        return dict(self.plan.presence.machine.usage())

    # -- steering ----------------------------------------------------------------------------------

    def start(self) -> int:
        """Work until told to stop; returns the exit code."""
        self.pid = os.getpid()  # it may have gone to the background since
        with state.running(self):
            self.exitcode = super().start()
        return self.exitcode

    def stop(
        self,
        how: Stop | bool = Stop.WARM,
        exitcode: int | None = None,
        *,
        in_sighandler: bool = False,  # noqa: ARG002 - Celery's; a stop may be asked for anywhere
        exit_code: int = 0,
        signal_name: str = "",
    ) -> None:
        """Ask it to end warmly (or as said); may be called from anywhere."""
        meant = how if isinstance(how, Stop) else Stop.WARM
        code = exit_code if exitcode is None else exitcode
        super().stop(meant, exit_code=code, signal_name=signal_name)

    def terminate(self, in_sighandler: bool = False) -> None:  # noqa: ARG002 - as in ``stop``
        """Ask it to end now: what runs is ended."""
        super().stop(Stop.COLD)

    def reload(self, modules: Any = None, reload: bool = False, reloader: Any = None) -> None:
        """Replace the slots by new ones, which see what modules say now."""
        if self.command_state is not None:
            pool_restart(self.command_state, modules, reload, reloader)

    def setup_includes(self, includes: Any) -> None:
        """Import more modules of tasks."""
        self.app.conf.include = (*(self.app.conf.include or ()), *includes)
        self.app.import_default_modules()

    def setup_queues(self, include: Any, exclude: Any = None) -> None:
        """Say which queues a worker that is not made yet takes from."""
        self.app.router.queues.select(include)
        self.app.router.queues.deselect(exclude)

    def should_use_eventloop(self) -> bool:
        """Say whether the loop is kombu's; it never is."""
        return False

    def hear_of_others(self, listener: Callable[[News], object]) -> Any:
        """Let something hear which workers come and go; returns those that are there, or None."""
        liaison = None if self._drive is None else self._drive.liaison
        return None if liaison is None else liaison.tell_of_others(listener)

    def nudge(self) -> None:
        """Let the loop look around."""
        self._waiter.nudge()

    # -- moments -----------------------------------------------------------------------------------

    def fit(self, parts: Parts) -> Parts:
        """Let requests and strategies of the program have their messages first."""
        tasks = custom_tasks(self.app.tasks)
        if not tasks:
            return parts
        self.diversion = Diversion(self, tasks, parts)
        return self.diversion.parts

    def when_it_begins(self) -> None:
        """Start the steps that need no slots."""
        self.on_start()
        self._tell("begin")

    def when_there_are_slots(self) -> None:
        """Start the steps that do."""
        self._tell("go_on")

    def when_connected(self) -> None:
        """Start the steps of the consumer."""
        self._tell("connect")
        if not self._ready:
            self._ready = True
            self.on_consumer_ready(self.consumer)
            self.consumer.on_ready()

    def when_disconnected(self) -> None:
        """Stop them."""
        if "consumer" in self.__dict__:
            self.consumer.restart_count += 1
        self._tell("disconnect")

    def when_turned(self) -> None:
        """Make the calls whose time has come; stop the steps when the worker is about to."""
        if "timer" in self.__dict__:
            self.timer.run_due()
        self._tell("look")
        state.obey(self)

    def when_it_ends(self) -> None:
        """Stop what is not stopped."""
        self._tell("end")
        self.on_stopped()

    def _tell(self, moment: str) -> None:
        if "moments" in self.__dict__:
            getattr(self.moments, moment)()

    @property
    def patience_s(self) -> float:
        """How long the loop may sleep."""
        patience_s = super().patience_s
        if self.diversion is not None and self.diversion.has_news:
            return 0.0
        next_s = self.timer.next_s if "timer" in self.__dict__ else None
        return patience_s if next_s is None else min(patience_s, next_s)
