"""Drives ``WorkerCore`` with the real ports: reads the broker, the pool and the clock.

Made by ``taskq.wiring`` for ``app.Worker(...)``, started by the command line.  Owned here: one
loop in one thread, its waiting, the connection that is lost and found again.  Not owned: what
any of it means (``core``), how an effect is carried out (``perform.py``).
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, NamedTuple, TypeAlias

from taskq import signals
from taskq.app.app import App
from taskq.app.cluster.presence import Presence
from taskq.app.drive import Drive
from taskq.app.events import EventSender
from taskq.app.log import get_logger, say
from taskq.app.perform import Performer
from taskq.app.work import Work
from taskq.core.effects import Level, Say
from taskq.core.inputs import Input, Revoked, Stop, StopAsked
from taskq.core.options import WorkerOptions
from taskq.core.traits import TaskTraits
from taskq.core.worker import WorkerCore
from taskq.errors import OperationalError
from taskq.ports import Intake, Pool, Revocation
from taskq.runtime.beat import beat_beside
from taskq.runtime.debugger import set_trace
from taskq.runtime.os_signals import callbacks
from taskq.runtime.process import signals_to
from taskq.runtime.statefile import Kept, StateFile
from taskq.runtime.waiter import Waiter

# The longest that the loop sleeps when it waits for nothing in particular.
IDLE_S: Final = 5.0
# How often the state file is written at most.
SAVE_EVERY_S: Final = 1.0
# Pauses between attempts to connect: each a little longer, none longer than this.
BACKOFF_STEP_S: Final = 0.5
BACKOFF_MAX_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class Reconnecting:
    """How persistently a worker connects."""

    at_start: bool = True
    later: bool = True
    max_attempts: int | None = 100  # None or 0: for ever


@dataclass(frozen=True, slots=True)
class WorkerPlan:
    """All that a worker is told; ``wiring`` makes it of settings and command line."""

    presence: Presence
    options: WorkerOptions
    reconnecting: Reconnecting
    purge: bool = False
    # Bodies run in the thread of the loop: nobody looks after the broker meanwhile.
    blocks: bool = False
    state_file: str | None = None  # keeps revocations between two lives
    beat: Mapping[str, Any] | None = None  # what the beat beside it is told


# Told how a child begins, it makes the pool.
MakePool: TypeAlias = Callable[[Callable[[int], None]], Pool]


class Parts(NamedTuple):
    """What a worker's ``Drive`` is made of."""

    intake: Intake
    pool: Pool
    work: Work
    traits: Callable[[str], TaskTraits | None]


class Worker:
    """One worker process: the parent of its pool."""

    def __init__(
        self,
        app: App,
        plan: WorkerPlan,
        *,
        make_pool: MakePool,
    ) -> None:
        self.app, self.plan = app, plan
        presence = plan.presence
        self.hostname, self.concurrency = presence.hostname, presence.concurrency
        self.pool_name, self.queues = presence.pool_name, presence.queues
        self.task_events = plan.options.events  # whether it begins by telling monitors of tasks
        self._make_pool = make_pool
        self._log: Final = get_logger("taskq.worker")
        self._asked_before: list[Input] = []  # before there was a broker
        self._asked_to_stop = False
        self._gave_up_on_broker = False
        self.wants_restart = False  # whoever started it begins it anew when it has ended
        self._saved: tuple[Revocation, ...] = ()
        self._save_at_s = 0.0
        self._state_file = None if plan.state_file is None else StateFile(plan.state_file)
        self._intake: Intake | None = None
        self._drive: Drive | None = None
        self.monitors: EventSender | None = None  # once it runs
        self._waiter = Waiter()

    # -- what others call ----------------------------------------------------------------------

    def start(self) -> int:
        """Work until told to stop; returns the exit code.

        In the main thread signals are told to the worker: ``os_signals.py`` has the table.
        """
        with beat_beside(self.app, self.plan.beat):
            if threading.current_thread() is not threading.main_thread():
                return self._work()
            soft = self.plan.options.soft_shutdown_s > 0
            told = callbacks(self, soft=soft, environment=os.environ, debug=set_trace)
            with signals_to(told):
                return self._work()

    def drop(self) -> None:
        """Let go of what it holds: it was made to be looked at, and will not start."""
        self._waiter.close()

    def _work(self) -> int:
        signals.worker_init.send(sender=self)
        self.when_it_begins()
        intake = self._connect()
        if intake is None:
            self.when_it_ends()
            return 1
        self._pool = self._make_pool(self._begin_child)
        self._drive, self._intake = self._make_drive(intake)
        intake = self._intake
        self.when_there_are_slots()
        for asked in self._asked_before:
            self._drive.ask(asked)
        try:
            return self._loop(intake)
        finally:
            self._close(intake)

    def _begin_child(self, index: int) -> None:
        """In a new child of the pool: close what belongs to the loop, and begin its own log."""
        self._waiter.close()
        self.app.log.begin_child(self.hostname, index)

    def _make_drive(self, connected: Intake) -> tuple[Drive, Intake]:
        work = Work(self.app, self.hostname)
        parts = self.fit(Parts(connected, self._pool, work, self.app.traits))
        self.monitors = EventSender(self.app, self.hostname)
        performer = Performer(
            broker=self.app.ports.broker,
            intake=parts.intake,
            pool=parts.pool,
            store=self.app.ports.store,
            work=parts.work,
            monitors=self.monitors,
            say=partial(say, self._log),
        )
        parts.pool.start(self.concurrency, parts.work)
        drive = Drive(
            self.app,
            core=WorkerCore(self.plan.options, parts.traits),
            performer=performer,
            intake=parts.intake,
            pool=parts.pool,
            clock=self.app.ports.clock,
            presence=self.plan.presence,
        )
        return drive, parts.intake

    # -- moments, for who hangs something onto a worker (``taskq.worker``) ------------------------

    def fit(self, parts: Parts) -> Parts:
        """Put something around what it is made of."""
        return parts

    def when_it_begins(self) -> None:
        """Before there is a broker."""

    def when_there_are_slots(self) -> None:
        """The pool has been started."""

    def when_connected(self) -> None:
        """The broker is there (again), and it takes messages."""

    def when_disconnected(self) -> None:
        """The broker is lost."""

    def when_turned(self) -> None:
        """After each turn of the loop."""

    def when_it_ends(self) -> None:
        """Nothing runs any more."""

    @property
    def patience_s(self) -> float:
        """How long the loop may sleep when it waits for nothing."""
        return IDLE_S

    def stop(self, how: Stop = Stop.WARM, *, exit_code: int = 0, signal_name: str = "") -> None:
        """Ask the worker to end; may be called from a signal handler or another thread."""
        self._asked_to_stop = True
        signals.worker_shutting_down.send(
            sender=self.hostname, sig=signal_name, how=how.name.capitalize(), exitcode=exit_code
        )
        self.ask(StopAsked(how, exit_code))

    def restart(self) -> None:
        """Ask the worker to end warm; whoever started it then begins it anew."""
        self.wants_restart = True
        self.stop(signal_name="SIGHUP")

    def ask(self, asked: Input) -> None:
        """Tell the core at the next turn; may be called from where ``stop`` may."""
        if self._drive is None:
            self._asked_before.append(asked)
        else:
            self._drive.ask(asked)
        self._waiter.nudge()

    # -- the loop ------------------------------------------------------------------------------

    def _loop(self, intake: Intake) -> int:
        drive = self._drive
        assert drive is not None
        self._remember(drive)
        self._do(intake, drive.connected)
        if not self._gave_up_on_broker:
            self.when_connected()
        self._announce_ready()
        while drive.exit_code is None and not self._gave_up_on_broker:
            readable = self._waiter.wait(self._patience(drive), drive.watched)
            self._do(intake, partial(drive.turn, readable))
            self.when_turned()
            self._keep_state(drive)
        return drive.exit_code or int(self._gave_up_on_broker)

    def _do(self, intake: Intake, deed: Callable[[], object]) -> None:
        """Do something that needs the broker; where it is lost, get it back and go on."""
        try:
            deed()
        except OperationalError as error:
            self._recover(intake, error)

    def _patience(self, drive: Drive) -> float:
        waits = [self.patience_s]
        if drive.wake_at_s is not None:
            waits.append(drive.wake_at_s - self.app.ports.clock.read().elapsed_s)
        if drive.poll_s is not None:
            waits.append(drive.poll_s)
        return max(0.0, min(waits))

    # -- what outlives it ----------------------------------------------------------------------

    def _remember(self, drive: Drive) -> None:
        """Take up what the state file kept of an earlier life."""
        if self._state_file is None:
            return
        kept = self._state_file.load()
        self.app.clock.adjust(kept.clock)
        if kept.revocations:
            drive.tell(Revoked(kept.revocations))
        self._saved = drive.core.revocations

    def _keep_state(self, drive: Drive, *, at_once: bool = False) -> None:
        """Write what is new, now and then."""
        now_s = self.app.ports.clock.read().elapsed_s
        if self._state_file is None or (now_s < self._save_at_s and not at_once):
            return
        self._save_at_s = now_s + SAVE_EVERY_S
        if drive.core.revocations is not self._saved:
            self._saved = drive.core.revocations
            self._state_file.save(Kept(self._saved, self.app.clock.value))

    # -- connecting ----------------------------------------------------------------------------

    def _connect(self) -> Intake | None:
        """Connect for the first time; None when that was given up."""
        broker, how = self.app.ports.broker, self.plan.reconnecting
        attempt = 0
        while True:
            try:
                if self.plan.purge and attempt == 0:
                    for queue in self.queues:
                        broker.purge(queue.name)
                return broker.consume(self.queues, self.hostname, unattended=self.plan.blocks)
            except OperationalError as error:
                attempt += 1
                if not how.at_start or self._gave_up(attempt):
                    self._say(Level.CRITICAL, "no broker", error=str(error))
                    return None
                self._pause_after(attempt, error)
                if self._asked_to_stop:
                    return None

    def _recover(self, intake: Intake, error: OperationalError) -> None:
        """The broker (or the store) is lost: get it back, then go on where it broke off."""
        self._say(Level.ERROR, "broker lost", error=str(error))
        self.when_disconnected()
        assert self._drive is not None
        attempt = 0
        while True:
            try:
                intake.reconnect()
                self._drive.resume()
            except OperationalError as again:
                attempt += 1
                stubborn = self.plan.reconnecting.later and not self._asked_to_stop
                if not stubborn or self._gave_up(attempt):
                    self._give_up(again)
                    return
                self._pause_after(attempt, again)
            else:
                self.when_connected()
                return

    def _give_up(self, error: OperationalError) -> None:
        self._say(Level.CRITICAL, "no broker", error=str(error))
        self._gave_up_on_broker = True
        self._pool.stop(at_once=True)

    def _gave_up(self, attempt: int) -> bool:
        most = self.plan.reconnecting.max_attempts
        return most is not None and 0 < most < attempt

    def _pause_after(self, attempt: int, error: OperationalError) -> None:
        pause_s = min(attempt * BACKOFF_STEP_S, BACKOFF_MAX_S)
        self._say(
            Level.ERROR,
            "broker unreachable",
            error=str(error),
            pause_s=pause_s,
            attempt=attempt,
            most=self.plan.reconnecting.max_attempts or "unlimited",
        )
        # A stop that is asked for meanwhile ends the pause.
        self._waiter.wait(pause_s)

    # -- the rest ------------------------------------------------------------------------------

    def _announce_ready(self) -> None:
        self._say(Level.INFO, "ready", hostname=self.hostname)
        signals.worker_ready.send(sender=self)

    def _close(self, intake: Intake) -> None:
        assert self._drive is not None
        self.when_it_ends()
        signals.worker_shutdown.send(sender=self)
        self._keep_state(self._drive, at_once=True)
        self._drive.close()
        try:
            intake.close()
        except OperationalError as error:
            self._say(Level.ERROR, "not handed back", error=str(error))
        self._waiter.close()

    def _say(self, level: Level, what: str, **facts: Any) -> None:
        say(self._log, Say(level, what, facts))
