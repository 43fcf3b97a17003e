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
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from taskq import signals
from taskq.app.app import App
from taskq.app.events import EventSender
from taskq.app.log import get_logger, say
from taskq.app.upgrade import upgrade
from taskq.app.work import Work
from taskq.core.effects import Level, Say
from taskq.core.inputs import (
    Buried,
    Connected,
    Delivered,
    Disconnected,
    Happened,
    Input,
    LeaseLost,
    Stop,
    StopAsked,
    Woke,
)
from taskq.core.options import WorkerOptions
from taskq.core.worker import WorkerCore
from taskq.errors import OperationalError
from taskq.ports import Delivery, Intake, Malformed, Pool, PoolEvent, QueueSpec
from taskq.runtime.heart import Heart
from taskq.runtime.perform import Performer
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
        on_ready: Callable[[], None] | None = None,
    ) -> None:
        self.app, self.plan = app, plan
        self.hostname, self.concurrency = plan.hostname, plan.concurrency
        self.pool_name, self.queues = plan.pool_name, plan.queues
        self._make_pool = make_pool
        self._on_ready = on_ready
        self._log: Final = get_logger("taskq.worker")
        self._stops: list[Stop] = []
        self._interrupts = 0
        self._nudge_out, self._nudge_in = socket.socketpair()
        for end in (self._nudge_out, self._nudge_in):
            end.setblocking(False)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._nudge_out, selectors.EVENT_READ)
        self._registered: dict[int, int] = {}

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
        core = WorkerCore(self.plan.options, self.app.traits)
        self._intake = self._connect()
        if self._intake is None:
            return 1
        self._pool = self._make_pool(self._close_loop)
        work = Work(self.app, self.hostname)
        monitors = EventSender(self.app, self.hostname)
        self._heart = Heart(monitors, self.plan.heartbeat_s)
        self._performer = Performer(
            intake=self._intake,
            pool=self._pool,
            store=self.app.ports.store,
            work=work,
            monitors=monitors,
            log=self._log,
        )
        self._core = core
        self._pool.start(self.concurrency, work)
        self._input(Connected())
        self._announce_ready()
        try:
            return self._loop()
        finally:
            self._close()

    def stop(self, how: Stop = Stop.WARM) -> None:
        """Ask the worker to end; may be called from a signal handler or another thread."""
        self._stops.append(how)
        # The byte wakes the loop; when the buffer is full it is awake already.
        with suppress(BlockingIOError):
            self._nudge_in.send(b"!")

    # -- the loop ------------------------------------------------------------------------------

    def _loop(self) -> int:
        core, performer, pool = self._core, self._performer, self._pool
        clock, intake = self.app.ports.clock, self._intake
        assert intake is not None
        renew_at: float | None = clock.read().elapsed_s
        while performer.exit_code is None:
            self._wait(self._patience(renew_at))
            while self._stops:
                self._input(StopAsked(self._stops.pop(0)))
            events = pool.collect()
            if events:
                self._input(Happened(tuple(events)))
            now = clock.read()
            if core.wake_at is not None and core.wake_at <= now.elapsed_s:
                self._input(Woke())
            self._beat(now.elapsed_s)
            if performer.exit_code is not None:
                break
            try:
                if renew_at is not None and renew_at <= now.elapsed_s:
                    again_s = intake.renew()
                    renew_at = None if again_s is None else now.elapsed_s + again_s
                    self._bury(intake)
                deliveries = intake.receive() if core.takes else ()
            except OperationalError as error:
                self._recover(error)
                continue
            if lost := intake.lost_tags():
                self._input(LeaseLost(tuple(lost)))
            if deliveries:
                self._input(Delivered(tuple(map(self._upgraded, deliveries))))
        return performer.exit_code or 0

    def _beat(self, now_s: float) -> None:
        due_s = self._heart.beat_at_s
        if due_s is not None and due_s <= now_s:
            core = self._core
            self._heart.beat(now_s, active=len(core.active), processed=core.processed)

    def _bury(self, intake: Intake) -> None:
        if lost := intake.lost_claims():
            self._input(Buried(tuple(lost)))

    def _input(self, happened: Input) -> None:
        """Tell the core, and carry out what it asks, and what follows from that."""
        try:
            self._feed(happened)
        except OperationalError as error:
            self._recover(error)

    def _feed(self, happened: Input) -> None:
        todo: list[Input] = [happened]
        while todo:
            effects = self._core.handle(todo.pop(0), self.app.ports.clock.read())
            concluded: Sequence[PoolEvent] = self._performer.perform(effects)
            if concluded:
                todo.append(Happened(tuple(concluded)))

    def _upgraded(self, delivery: Delivery | Malformed) -> Delivery | Malformed:
        if isinstance(delivery, Malformed) or "task" in delivery.message.headers:
            return delivery  # all but those of protocol 1
        conf, codec = self.app.conf, self.app.ports.codec
        accept = codec.accepted(conf.accept_content)
        return upgrade(delivery, codec, accept, conf.taskq_max_body_bytes)

    def _patience(self, renew_at: float | None) -> float:
        assert self._intake is not None
        now_s = self.app.ports.clock.read().elapsed_s
        timers = (self._core.wake_at, renew_at, self._heart.beat_at_s)
        moments = [at - now_s for at in timers if at is not None]
        polls = [s for s in (self._pool.poll_s, self._taking_poll_s()) if s is not None]
        return max(0.0, min([IDLE_S, *moments, *polls]))

    def _taking_poll_s(self) -> float | None:
        assert self._intake is not None
        return self._intake.poll_s if self._core.takes else None

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
        wanted: dict[int, int] = {}
        if self._core.takes:
            wanted = dict.fromkeys(self._intake.watched, selectors.EVENT_READ)
        for fd in self._pool.watched:
            wanted[fd] = selectors.EVENT_READ
        for fd in getattr(self._pool, "wants_write", ()):
            wanted[fd] = wanted.get(fd, 0) | selectors.EVENT_WRITE
        if wanted == self._registered:
            return
        for fd in self._registered.keys() - wanted.keys():
            self._selector.unregister(fd)
        for fd, events in wanted.items():
            if fd not in self._registered:
                self._selector.register(fd, events)
            elif self._registered[fd] != events:
                self._selector.modify(fd, events)
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
                if self._stops:
                    return None

    def _recover(self, error: OperationalError) -> None:
        """The broker (or the store) is lost: get it back, then go on where it broke off."""
        self._say(Level.ERROR, "broker lost", error=str(error))
        self._forget_watched()
        assert self._intake is not None
        attempt = 0
        while True:
            try:
                self._intake.reconnect()
                self._resume()
            except OperationalError as again:
                attempt += 1
                if not self.plan.reconnecting.later or self._gave_up(attempt) or self._stops:
                    self._give_up(again)
                    return
                self._pause_after(attempt, again)
            else:
                return

    def _resume(self) -> None:
        assert self._intake is not None
        kept = self._intake.keeps_deliveries
        not_run = () if kept else self._performer.forsake()
        self._feed(Disconnected(kept, not_run))
        self._feed(Connected())

    def _give_up(self, error: OperationalError) -> None:
        self._say(Level.CRITICAL, "no broker", error=str(error))
        self._performer.exit_code = 1
        self._pool.stop(at_once=True)

    def _gave_up(self, attempt: int) -> bool:
        most = self.plan.reconnecting.max_attempts
        return bool(most) and most is not None and attempt > most

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
        self._registered = {}

    # -- the rest ------------------------------------------------------------------------------

    def _announce_ready(self) -> None:
        self._heart.online(self.app.ports.clock.read().elapsed_s)
        self._say(Level.INFO, "ready", hostname=self.hostname)
        signals.worker_ready.send(sender=self)
        if self._on_ready is not None:
            self._on_ready()

    def _close(self) -> None:
        assert self._intake is not None
        self._heart.offline(processed=self._core.processed)
        signals.worker_shutdown.send(sender=self)
        try:
            self._intake.close()
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
