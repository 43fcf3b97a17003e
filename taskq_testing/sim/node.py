"""One simulated worker: drives ``WorkerCore`` by the same hands as production.

Where ``taskq.runtime.worker`` waits on file descriptors, this one waits in the scheduler.  Turn
and effects are those of ``taskq.app.drive`` and ``taskq.app.perform``.  Each call of a port is a
switch point: there another node may come between, and there this one may die.

Owned here: one loop in one process of the scheduler, the connection that is lost and found again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from taskq import signals
from taskq.app.app import App
from taskq.app.cluster import Presence
from taskq.app.drive import Drive
from taskq.app.events import EventSender
from taskq.app.perform import Performer
from taskq.core.effects import Level, Say
from taskq.core.inputs import Input, Revoked, Stop, StopAsked
from taskq.core.options import WorkerOptions
from taskq.errors import OperationalError
from taskq.ports import Clock, QueueSpec, ResultStore, Revocation
from taskq_testing.sim.broker import BrokerEnd, InboxEnd, IntakeEnd
from taskq_testing.sim.hands import Hands
from taskq_testing.sim.pool import PREFORK, PoolKind, SimPool
from taskq_testing.sim.scheduler import Process, Scheduler
from taskq_testing.sim.told import ToldCore, ToldWork

# Pauses between attempts to connect, as the real worker makes them.
BACKOFF_STEP_S: Final = 0.5
BACKOFF_MAX_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class Persistence:
    """How long it goes on trying to connect, as the settings say it of a real one."""

    at_start: bool = True
    later: bool = True
    most: int | None = 100  # attempts; None or 0: any number

    def gives_up(self, attempt: int) -> bool:
        """Whether so many were enough."""
        return self.most is not None and 0 < self.most < attempt


@dataclass(frozen=True, slots=True)
class WorkerSpec:
    """What a worker is told."""

    presence: Presence
    options: WorkerOptions
    pool: PoolKind = PREFORK
    max_tasks_per_child: int | None = None
    child_start_s: float = 0.0  # how long a child takes until it is ready
    state_file: str | None = None  # keeps revocations between two lives
    environment: Mapping[str, str] = field(default_factory=dict)
    persistence: Persistence = field(default_factory=Persistence)

    @property
    def hostname(self) -> str:
        """The name of the node."""
        return self.presence.hostname

    @property
    def queues(self) -> tuple[QueueSpec, ...]:
        """What it takes from."""
        return self.presence.queues

    @property
    def slots(self) -> int:
        """How many it begins with."""
        return self.presence.concurrency


class WorkerNode:
    """One worker process, the parent of its pool."""

    def __init__(
        self,
        app: App,
        spec: WorkerSpec,
        *,
        hands: Hands,
        scheduler: Scheduler,
        clock: Clock,
        broker: BrokerEnd,
        store: ResultStore,
        pool: Callable[[Callable[[], None]], SimPool],
        kept: dict[str, tuple[Revocation, ...]],
    ) -> None:
        self.spec = spec
        self._kept = kept  # what files of its machine keep
        self._app, self._hands, self._scheduler = app, hands, scheduler
        self._clock, self._broker, self._store = clock, broker, store
        self.core = ToldCore(spec.options, app.traits, hands)
        self.work = ToldWork(app, spec.hostname, hands)
        self.pool = pool(self.wake)
        self.intake: IntakeEnd | None = None
        self.process: Process | None = None  # the scheduler's, once it is known
        self._drive: Drive | None = None
        self._asked_before: list[Input] = []  # before it had a broker
        self._news = False
        self._asked_to_stop = False
        self._gave_up = False
        self.on_signal: Mapping[int, Callable[[], None]] = {}  # once somebody has sent one
        self.wants_restart = False  # whoever started it begins it anew when it has ended

    # -- what the world calls ------------------------------------------------------------------

    def stop(self, how: Stop = Stop.WARM, *, exit_code: int = 0, signal_name: str = "") -> None:
        """Ask it to end."""
        self._asked_to_stop = True
        signals.worker_shutting_down.send(
            sender=self.spec.hostname, sig=signal_name, how=how.name.capitalize(),
            exitcode=exit_code,
        )  # fmt: skip
        self.ask(StopAsked(how, exit_code))

    def restart(self) -> None:
        """Ask it to end warm; the world then begins it anew."""
        self.wants_restart = True
        self.stop(signal_name="SIGHUP")

    def ask(self, asked: Input) -> None:
        """Tell the core at the next turn."""
        if self._drive is None:
            self._asked_before.append(asked)
        else:
            self._drive.ask(asked)
        self.wake()

    def wake(self) -> None:
        """Something may have happened."""
        self._news = True
        if self.process is not None:
            self._scheduler.wake(self.process)

    def vanish(self) -> None:
        """Die: nothing of it goes on."""
        self.pool.vanish()
        if self.process is not None:
            self._scheduler.drop(self.process)
        if self.intake is not None:
            self.intake.vanish()

    # -- the loop ------------------------------------------------------------------------------

    def run(self) -> None:
        """Work until told to stop."""
        self.process = self._scheduler.current
        intake = self._connect()
        code = 1 if intake is None else self._work(intake)
        self._hands.say("worker.exit", code=code)

    def _work(self, intake: IntakeEnd) -> int:
        self.intake, intake.wake, self._news = intake, self.wake, True
        drive = self._drive = self._make_drive(intake)
        for asked in self._asked_before:
            drive.ask(asked)
        self.pool.start(self.spec.slots, self.work)
        self._remember(drive)
        self._do(intake, drive.connected)
        while drive.exit_code is None and not self._gave_up:
            self._wait(drive)
            self._do(intake, lambda: self._turn(drive))
            self._keep_state(drive)
        drive.close()
        intake.close()
        return drive.exit_code or int(self._gave_up)

    def _make_drive(self, intake: IntakeEnd) -> Drive:
        performer = Performer(
            broker=self._app.ports.broker,
            intake=intake,
            pool=self.pool,
            store=self._store,
            work=self.work,
            monitors=EventSender(self._app, self.spec.hostname),
            say=self._say,
        )
        return Drive(
            self._app,
            core=self.core,
            performer=performer,
            intake=intake,
            pool=self.pool,
            clock=self._clock,
            presence=self.spec.presence,
        )

    def _turn(self, drive: Drive) -> None:
        self._news = drive.turn() or self._news

    def _wait(self, drive: Drive) -> None:
        self._sit_out()
        if self._news:
            self._news = False
            return
        self._listen(drive)
        alarm_s, chores_s = self._alarm_s(drive), self._chores_s(drive)
        if alarm_s is not None and (chores_s is None or alarm_s <= chores_s):
            self._scheduler.wait("the next ETA", alarm_s, idle=True)
        else:
            # What is housekeeping keeps nobody awake, unless something waits for its time as well.
            self._scheduler.wait("work", chores_s, idle=True, alarm=alarm_s is not None)
        self._news = False

    def _sit_out(self) -> None:
        """A pool in the worker's own thread holds it up."""
        while self.pool.holds_up:
            self._scheduler.wait("the body in its own thread", idle=True)

    def _listen(self, drive: Drive) -> None:
        for inbox in drive.inboxes:
            assert isinstance(inbox, InboxEnd)
            inbox.wakes[self.wake] = None

    def _alarm_s(self, drive: Drive) -> float | None:
        """When something waits for its time: in the core, or parked where this worker takes."""
        due_at_s = self.intake.due_at_s if self.intake is not None and drive.core.takes else None
        return _first(drive.core.wake_at, due_at_s)

    def _chores_s(self, drive: Drive) -> float | None:
        """When leases want to be renewed, or others to be told that it is there."""
        social_s = None if drive.liaison is None else drive.liaison.wake_at_s
        return _first(drive.renew_at_s, social_s)

    # -- what outlives it ----------------------------------------------------------------------

    def _remember(self, drive: Drive) -> None:
        if self.spec.state_file is not None and (kept := self._kept.get(self.spec.state_file)):
            drive.tell(Revoked(kept))

    def _keep_state(self, drive: Drive) -> None:
        if self.spec.state_file is not None:
            self._kept[self.spec.state_file] = drive.core.revocations

    # -- the connection ------------------------------------------------------------------------

    def _connect(self) -> IntakeEnd | None:
        attempt = 0
        while True:
            try:
                intake = self._broker.consume(
                    self.spec.queues, self.spec.hostname, unattended=self.spec.pool.blocks
                )
            except OperationalError:
                attempt += 1
                how = self.spec.persistence
                if not how.at_start or how.gives_up(attempt):
                    return None
                self._pause_after(attempt)
                if self._asked_to_stop:
                    return None
            else:
                assert isinstance(intake, IntakeEnd)
                return intake

    def _do(self, intake: IntakeEnd, deed: Callable[[], None]) -> None:
        """Do something that needs the broker; where it is lost, get it back and go on."""
        try:
            deed()
        except OperationalError as error:
            self._recover(intake, error)

    def _recover(self, intake: IntakeEnd, error: OperationalError) -> None:
        assert self._drive is not None
        self._hands.say("worker.disconnect", reason=str(error))
        attempt = 0
        while True:
            try:
                intake.reconnect()
                self._hands.say("worker.connect")
                self._drive.resume()
            except OperationalError:
                attempt += 1
                how = self.spec.persistence
                if not how.later or self._asked_to_stop or how.gives_up(attempt):
                    self._gave_up = True
                    self.pool.stop(at_once=True)
                    return
                self._pause_after(attempt)
            else:
                self._news = True
                return

    def _pause_after(self, attempt: int) -> None:
        """A stop that is asked for meanwhile ends the pause."""
        pause_s = min(attempt * BACKOFF_STEP_S, BACKOFF_MAX_S)
        until_s = self._scheduler.time.now_s + pause_s
        while not self._asked_to_stop and self._scheduler.time.now_s < until_s:
            self._scheduler.wait("the broker", until_s)

    def _say(self, effect: Say) -> None:
        if effect.level > Level.DEBUG:
            self._hands.say(
                "worker.say", line=effect.what, level=effect.level.name, **_shown(effect)
            )


# What a record shows as it is; the rest as its repr.
_PLAIN: Final = (str, int, float, bytes, type(None))
# Facts of a line in the log that are long, or that a record names itself.
_OWN: Final = frozenset({"line", "level", "traceback", "what", "node"})


def _first(*moments: float | None) -> float | None:
    return min((at_s for at_s in moments if at_s is not None), default=None)


def _shown(effect: Say) -> dict[str, Any]:
    return {
        name: value if isinstance(value, _PLAIN) else repr(value)
        for name, value in effect.facts.items()
        if name not in _OWN
    }
