"""One simulated worker: drives ``WorkerCore`` by the same hands as production.

Where ``taskq.runtime.worker`` waits on file descriptors, this one waits in the scheduler.  Turn
and effects are those of ``taskq.app.drive`` and ``taskq.app.perform``.  Each call of a port is a
switch point: there another node may come between, and there this one may die.

Owned here: one loop in one process of the scheduler, the connection that is lost and found again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from taskq.app.app import App
from taskq.app.drive import Drive
from taskq.app.events import EventSender
from taskq.app.perform import Performer
from taskq.app.work import Work
from taskq.core.effects import Level, Say
from taskq.core.inputs import Connected, Stop
from taskq.core.options import WorkerOptions
from taskq.core.worker import WorkerCore
from taskq.errors import OperationalError
from taskq.ports import Clock, Ending, EndingKind, Job, QueueSpec, ResultStore
from taskq_testing.sim.broker import BrokerEnd, IntakeEnd
from taskq_testing.sim.hands import Hands
from taskq_testing.sim.pool import SimPool
from taskq_testing.sim.scheduler import Process, Scheduler

# Pauses between attempts to connect, as the real worker makes them.
BACKOFF_STEP_S: Final = 0.5
BACKOFF_MAX_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class WorkerSpec:
    """What a worker is told."""

    hostname: str
    slots: int
    queues: tuple[QueueSpec, ...]
    options: WorkerOptions


class ToldWork(Work):
    """The real ``Work``, with a record in the trace of what ends without its body."""

    def __init__(self, app: App, node: str, hands: Hands) -> None:
        super().__init__(app, node)
        self._hands = hands

    def conclude(
        self, job: Job, kind: EndingKind, reason: str, detail: Mapping[str, Any]
    ) -> Ending:
        """Make the ending, and say so."""
        headers = job.headers
        self._hands.say(
            "task.conclude", id=headers.get("id"), task=headers.get("task"),
            retries=headers.get("retries", 0), how=kind.value, reason=reason,
        )  # fmt: skip
        return super().conclude(job, kind, reason, detail)


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
    ) -> None:
        self.spec = spec
        self._app, self._hands, self._scheduler = app, hands, scheduler
        self._clock, self._broker, self._store = clock, broker, store
        self.core = WorkerCore(spec.options, app.traits)
        self.work = ToldWork(app, spec.hostname, hands)
        self.pool = pool(self.wake)
        self.intake: IntakeEnd | None = None
        self.process: Process | None = None  # the scheduler's, once it is known
        self._drive: Drive | None = None
        self._stops_before: list[Stop] = []  # asked for before it had a broker
        self._news = False

    # -- what the world calls ------------------------------------------------------------------

    def stop(self, how: Stop) -> None:
        """Ask it to end."""
        if self._drive is None:
            self._stops_before.append(how)
        else:
            self._drive.ask_to_stop(how)
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
        drive = self._drive = self._make_drive(intake)
        for how in self._stops_before:
            drive.ask_to_stop(how)
        self.pool.start(self.spec.slots, self.work)
        self._do(intake, lambda: drive.tell(Connected()))
        while drive.exit_code is None:
            self._wait(drive)
            self._do(intake, lambda: self._turn(drive))
        intake.close()
        self._hands.say("worker.exit", code=drive.exit_code)

    def _make_drive(self, intake: IntakeEnd) -> Drive:
        performer = Performer(
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
        )

    def _turn(self, drive: Drive) -> None:
        self._news = drive.turn() or self._news

    def _wait(self, drive: Drive) -> None:
        if self._news:
            self._news = False
            return
        wake_at_s, renew_at_s = self.core.wake_at, drive.renew_at_s
        if wake_at_s is not None and (renew_at_s is None or wake_at_s <= renew_at_s):
            self._scheduler.wait("the next ETA", wake_at_s, idle=True)
        else:
            # Renewing a lease is housekeeping, unless a message waits for its time meanwhile.
            self._scheduler.wait("work", renew_at_s, idle=True, alarm=wake_at_s is not None)
        self._news = False

    # -- the connection ------------------------------------------------------------------------

    def _connect(self) -> IntakeEnd:
        attempt = 0
        while self.intake is None:
            try:
                intake = self._broker.consume(self.spec.queues, self.spec.hostname)
                assert isinstance(intake, IntakeEnd)
                self.intake = intake
            except OperationalError:
                attempt += 1
                self._scheduler.sleep(min(attempt * BACKOFF_STEP_S, BACKOFF_MAX_S))
        self.intake.wake = self.wake
        self._news = True
        return self.intake

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
                self._scheduler.sleep(min(attempt * BACKOFF_STEP_S, BACKOFF_MAX_S))
            else:
                self._news = True
                return

    def _say(self, effect: Say) -> None:
        if effect.level > Level.DEBUG:
            self._hands.say(
                "worker.say", line=effect.what, level=effect.level.name, **_shown(effect)
            )


# What a record shows as it is; the rest as its repr.
_PLAIN: Final = (str, int, float, bytes, type(None))
# Facts of a line in the log that are long, or that a record names itself.
_OWN: Final = frozenset({"line", "level", "traceback", "what", "node"})


def _shown(effect: Say) -> dict[str, Any]:
    return {
        name: value if isinstance(value, _PLAIN) else repr(value)
        for name, value in effect.facts.items()
        if name not in _OWN
    }
