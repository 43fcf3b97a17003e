"""Drives ``WorkerCore`` with the real ports: reads the broker, the pool and the clock.

Made by ``taskq.wiring`` for ``app.Worker(...)``, started by the command line.  Owned here: one
loop in one thread, its waiting, the connection that is lost and found again.  Not owned: what
any of it means (``core``), how an effect is carried out (``perform.py``).
"""

from __future__ import annotations

import selectors
import signal
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from taskq import signals
from taskq.app.app import App
from taskq.app.drive import Drive
from taskq.app.events import EventSender
from taskq.app.log import get_logger, say
from taskq.app.perform import Performer
from taskq.app.work import Work
from taskq.core.effects import Level, Say
from taskq.core.inputs import Connected, Stop
from taskq.core.options import WorkerOptions
from taskq.core.worker import WorkerCore
from taskq.errors import OperationalError
from taskq.ports import Intake, Pool, QueueSpec
from taskq.runtime.heart import Heart
from taskq.runtime.process import signals_to

# The longest that the loop sleeps when it waits for nothing in particular.
IDLE_S: Final = 5.0
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

    hostname: str
    concurrency: int
    pool_name: str
    queues: tuple[QueueSpec, ...]
    options: WorkerOptions
    reconnecting: Reconnecting
    purge: bool = False
    # Bodies run in the thread of the loop: nobody looks after the broker meanwhile.
    blocks: bool = False
    heartbeat_s: float | None = None  # None: monitors are not told that the worker is there


class Worker:
    """One worker process: the parent of its pool."""

    def __init__(
        self,
        app: App,
        plan: WorkerPlan,
        *,
        make_pool: Callable[[Callable[[], None]], Pool],
    ) -> None:
        self.app, self.plan = app, plan
        self.hostname, self.concurrency = plan.hostname, plan.concurrency
        self.pool_name, self.queues = plan.pool_name, plan.queues
        self._make_pool = make_pool
        self._log: Final = get_logger("taskq.worker")
        self._stops_before: list[Stop] = []  # asked for before there was a broker
        self._asked_to_stop = False
        self._gave_up_on_broker = False
        self._interrupts = 0
        self._intake: Intake | None = None
        self._drive: Drive | None = None
        self._nudge_out, self._nudge_in = socket.socketpair()
        for end in (self._nudge_out, self._nudge_in):
            end.setblocking(False)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._nudge_out, selectors.EVENT_READ)
        self._registered: set[int] = set()

    # -- what others call ----------------------------------------------------------------------

    def start(self) -> int:
        """Work until told to stop; returns the exit code.

        In the main thread signals are told to the worker: TERM and the first INT ask for a warm
        stop, QUIT and the second INT for a cold one.
        """
        if threading.current_thread() is not threading.main_thread():
            return self._work()
        asked: dict[int, Callable[[], None]] = {
            signal.SIGTERM: self.stop,
            signal.SIGINT: self._interrupted,
            signal.SIGQUIT: lambda: self.stop(Stop.COLD),
        }
        with signals_to(asked):
            return self._work()

    def _interrupted(self) -> None:
        self.stop(Stop.COLD if self._interrupts else Stop.WARM)
        self._interrupts += 1

    def _work(self) -> int:
        signals.worker_init.send(sender=self)
        intake = self._connect()
        if intake is None:
            return 1
        self._intake = intake
        self._pool = self._make_pool(self._close_loop)
        self._drive = self._make_drive(intake)
        for how in self._stops_before:
            self._drive.ask_to_stop(how)
        try:
            return self._loop(intake)
        finally:
            self._close(intake)

    def _make_drive(self, intake: Intake) -> Drive:
        work = Work(self.app, self.hostname)
        monitors = EventSender(self.app, self.hostname)
        self._heart = Heart(monitors, self.plan.heartbeat_s)
        performer = Performer(
            intake=intake,
            pool=self._pool,
            store=self.app.ports.store,
            work=work,
            monitors=monitors,
            say=partial(say, self._log),
        )
        self._pool.start(self.concurrency, work)
        return Drive(
            self.app,
            core=WorkerCore(self.plan.options, self.app.traits),
            performer=performer,
            intake=intake,
            pool=self._pool,
            clock=self.app.ports.clock,
        )

    def stop(self, how: Stop = Stop.WARM) -> None:
        """Ask the worker to end; may be called from a signal handler or another thread."""
        self._asked_to_stop = True
        if self._drive is None:
            self._stops_before.append(how)
        else:
            self._drive.ask_to_stop(how)
        # The byte wakes the loop; when the buffer is full it is awake already.
        with suppress(BlockingIOError):
            self._nudge_in.send(b"!")

    # -- the loop ------------------------------------------------------------------------------

    def _loop(self, intake: Intake) -> int:
        drive, clock = self._drive, self.app.ports.clock
        assert drive is not None
        self._do(intake, partial(drive.tell, Connected()))
        self._announce_ready()
        while drive.exit_code is None and not self._gave_up_on_broker:
            self._wait(self._patience(intake, drive))
            self._do(intake, drive.turn)
            self._beat(drive, clock.read().elapsed_s)
        return drive.exit_code or int(self._gave_up_on_broker)

    def _do(self, intake: Intake, deed: Callable[[], object]) -> None:
        """Do something that needs the broker; where it is lost, get it back and go on."""
        try:
            deed()
        except OperationalError as error:
            self._recover(intake, error)

    def _beat(self, drive: Drive, now_s: float) -> None:
        due_s = self._heart.beat_at_s
        if due_s is not None and due_s <= now_s:
            core = drive.core
            self._heart.beat(now_s, active=len(core.active), processed=core.processed)

    def _patience(self, intake: Intake, drive: Drive) -> float:
        now_s = self.app.ports.clock.read().elapsed_s
        timers = (drive.core.wake_at, drive.renew_at_s, self._heart.beat_at_s)
        moments = [at - now_s for at in timers if at is not None]
        taking_s = intake.poll_s if drive.core.takes else None
        polls = [seconds for seconds in (self._pool.poll_s, taking_s) if seconds is not None]
        return max(0.0, min([IDLE_S, *moments, *polls]))

    def _wait(self, seconds: float) -> None:
        self._watch()
        self._selector.select(seconds)
        self._hear_nudge()

    def _hear_nudge(self) -> None:
        with suppress(BlockingIOError):
            self._nudge_out.recv(4096)

    def _watch(self) -> None:
        """Keep the selector on what intake and pool want watched now."""
        assert self._intake is not None
        assert self._drive is not None
        wanted = set(self._pool.watched)
        if self._drive.core.takes:
            wanted.update(self._intake.watched)
        if wanted == self._registered:
            return
        for fd in self._registered - wanted:
            self._selector.unregister(fd)
        for fd in wanted - self._registered:
            self._selector.register(fd, selectors.EVENT_READ)
        self._registered = wanted

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
        self._forget_watched()
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
        self._selector.select(pause_s)
        self._hear_nudge()

    def _forget_watched(self) -> None:
        for fd in self._registered:
            with suppress(KeyError, ValueError, OSError):
                self._selector.unregister(fd)
        self._registered = set()

    # -- the rest ------------------------------------------------------------------------------

    def _announce_ready(self) -> None:
        self._heart.online(self.app.ports.clock.read().elapsed_s)
        self._say(Level.INFO, "ready", hostname=self.hostname)
        signals.worker_ready.send(sender=self)

    def _close(self, intake: Intake) -> None:
        assert self._drive is not None
        self._heart.offline(processed=self._drive.core.processed)
        signals.worker_shutdown.send(sender=self)
        try:
            intake.close()
        except OperationalError as error:
            self._say(Level.ERROR, "not handed back", error=str(error))
        self._close_loop()

    def _close_loop(self) -> None:
        """Close what belongs to the loop: at its end, or in a child, which has no use for it."""
        self._selector.close()
        self._nudge_in.close()
        self._nudge_out.close()

    def _say(self, level: Level, what: str, **facts: Any) -> None:
        say(self._log, Say(level, what, facts))
