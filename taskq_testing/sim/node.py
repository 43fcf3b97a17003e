"""One simulated worker: drives ``WorkerCore``, the same that production drives.

The twin of ``taskq.runtime.worker`` and ``taskq.runtime.perform``: it reads the models of broker
and pool and the virtual clock, feeds the core, and has one method for each effect.  It decides
nothing.  Each call of a port is a switch point: there another node may come between, and there
this one may die.

Owned here: one loop in one process of the scheduler, the connection that is lost and found again.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from taskq.app.app import App
from taskq.app.events import EventSender
from taskq.app.upgrade import upgrade
from taskq.app.work import Work
from taskq.core.effects import (
    Commit,
    Conclude,
    Effect,
    Emit,
    Exit,
    Finish,
    Kill,
    Level,
    Recall,
    Run,
    Say,
    SetPrefetch,
    Settle,
    StopPool,
)
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
from taskq.ports import (
    Clock,
    Completion,
    Delivery,
    Malformed,
    PoolEvent,
    QueueSpec,
    ResultStore,
    Verdict,
)
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
        self.work = Work(app, spec.hostname)
        self.pool = pool(self.wake)
        self.intake: IntakeEnd | None = None
        self.exit_code: int | None = None
        self.process: Process | None = None  # the scheduler's, once it is known
        self._stops: deque[Stop] = deque()
        self._pending: deque[Effect] = deque()
        self._concluded: list[PoolEvent] = []
        self._renew_at_s: float | None = 0.0
        self._news = False
        self._methods: dict[type[Any], Callable[[Any], None]] = {
            SetPrefetch: self._set_prefetch,
            Settle: self._settle,
            Run: self._run,
            Recall: self._recall,
            Conclude: self._conclude,
            Commit: self._commit,
            Kill: self._kill,
            Say: self._say,
            Emit: self._emit,
            StopPool: self._stop_pool,
            Exit: self._exit,
        }

    # -- what the world calls ------------------------------------------------------------------

    def stop(self, how: Stop) -> None:
        """Ask it to end."""
        self._stops.append(how)
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
        self._connect()
        self.pool.start(self.spec.slots, self.work)
        self._input(Connected())
        while self.exit_code is None:
            self._wait()
            self._turn()
        assert self.intake is not None
        self.intake.close()
        self._hands.say("worker.exit", code=self.exit_code)

    def _turn(self) -> None:
        while self._stops:
            self._input(StopAsked(self._stops.popleft()))
        events = self.pool.collect()
        if events:
            self._input(Happened(tuple(events)))
        wake_at_s = self.core.wake_at
        if wake_at_s is not None and wake_at_s <= self._hands.now_s():
            self._input(Woke())
        if self.exit_code is None:
            self._take()

    def _take(self) -> None:
        assert self.intake is not None
        try:
            self._renew(self.intake)
            deliveries = self.intake.receive() if self.core.takes else ()
        except OperationalError as error:
            self._recover(error)
            return
        if lost := self.intake.lost_tags():
            self._input(LeaseLost(tuple(lost)))
        if deliveries:
            self._news = True
            self._input(Delivered(tuple(map(self._upgraded, deliveries))))

    def _upgraded(self, delivery: Delivery | Malformed) -> Delivery | Malformed:
        if isinstance(delivery, Malformed) or "task" in delivery.message.headers:
            return delivery  # all but those of protocol 1
        conf, codec = self._app.conf, self._app.ports.codec
        accept = codec.accepted(conf.accept_content)
        return upgrade(delivery, codec, accept, conf.taskq_max_body_bytes)

    def _renew(self, intake: IntakeEnd) -> None:
        now_s = self._hands.now_s()
        if self._renew_at_s is not None and self._renew_at_s <= now_s:
            again_s = intake.renew()
            self._renew_at_s = None if again_s is None else now_s + again_s
            if lost := intake.lost_claims():
                self._input(Buried(tuple(lost)))

    def _wait(self) -> None:
        if self._news:
            self._news = False
            return
        wake_at_s, renew_at_s = self.core.wake_at, self._renew_at_s
        if wake_at_s is not None and (renew_at_s is None or wake_at_s <= renew_at_s):
            self._scheduler.wait("the next ETA", wake_at_s, idle=True)
        else:
            # Renewing a lease is housekeeping, unless a message waits for its time meanwhile.
            self._scheduler.wait("work", renew_at_s, idle=True, alarm=wake_at_s is not None)
        self._news = False

    def _input(self, happened: Input) -> None:
        """Tell the core, and carry out what it asks, and what follows from that."""
        try:
            self._feed(happened)
        except OperationalError as error:
            self._recover(error)

    def _feed(self, happened: Input) -> None:
        todo: deque[Input] = deque([happened])
        while todo:
            effects = self.core.handle(todo.popleft(), self._clock.read())
            concluded = self._perform(effects)
            if concluded:
                todo.append(Happened(tuple(concluded)))

    def _perform(self, effects: list[Effect]) -> list[PoolEvent]:
        pending = self._pending
        pending.extend(effects)
        while pending:
            effect = pending[0]
            self._methods[type(effect)](effect)
            pending.popleft()
        concluded, self._concluded = self._concluded, []
        return concluded

    # -- the connection ------------------------------------------------------------------------

    def _connect(self) -> None:
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

    def _recover(self, error: OperationalError) -> None:
        """Get the broker back, then go on where it broke off."""
        assert self.intake is not None
        self._hands.say("worker.disconnect", reason=str(error))
        attempt = 0
        while True:
            try:
                kept = self.intake.keeps_deliveries
                self.intake.reconnect()
                self._hands.say("worker.connect")
                self._resume(keeps_deliveries=kept)
            except OperationalError:
                attempt += 1
                self._scheduler.sleep(min(attempt * BACKOFF_STEP_S, BACKOFF_MAX_S))
            else:
                self._news = True
                return

    def _resume(self, *, keeps_deliveries: bool) -> None:
        not_run = () if keeps_deliveries else self._forsake()
        self._feed(Disconnected(keeps_deliveries, not_run))
        self._feed(Connected())

    def _forsake(self) -> tuple[int, ...]:
        """Drop what is pending of deliveries that the broker took back."""
        not_run: list[int] = []
        kept: deque[Effect] = deque()
        for effect in self._pending:
            if isinstance(effect, Run):
                not_run.extend(job.token for job in effect.jobs)
            elif not isinstance(effect, Settle | SetPrefetch):
                kept.append(effect)
        self._pending = kept
        return tuple(not_run)

    # -- one method for each effect ------------------------------------------------------------

    def _set_prefetch(self, effect: SetPrefetch) -> None:
        assert self.intake is not None
        self.intake.set_prefetch(effect.count)

    def _settle(self, effect: Settle) -> None:
        assert self.intake is not None
        self.intake.settle(effect.settlements)

    def _run(self, effect: Run) -> None:
        self.pool.submit(effect.slot, effect.jobs)

    def _recall(self, effect: Recall) -> None:
        self.pool.recall(effect.slot)

    def _conclude(self, effect: Conclude) -> None:
        headers = effect.job.headers
        self._hands.say(
            "task.conclude", id=headers.get("id"), task=headers.get("task"),
            retries=headers.get("retries", 0), how=effect.kind.value, reason=effect.reason,
        )  # fmt: skip
        self._concluded.append(
            self.work.conclude(effect.job, effect.kind, effect.reason, effect.detail)
        )

    def _commit(self, effect: Commit) -> None:
        assert self.intake is not None
        completions = [self._completion(finish) for finish in effect.finished]
        self.intake.commit(completions, self._store)

    def _completion(self, finish: Finish) -> Completion:
        ending, settlement = finish.ending, finish.settlement
        if ending.chord is None:
            return Completion(ending.follow_ups, ending.result, settlement)
        goes_back = settlement is not None and settlement.verdict is Verdict.REQUEUE
        if not goes_back:
            self._finish_chord_member(finish)
        return Completion(settlement=settlement)

    def _finish_chord_member(self, finish: Finish) -> None:
        assert self.intake is not None
        ending = finish.ending
        assert ending.chord is not None
        self.intake.commit([Completion(ending.follow_ups, ending.result)], self._store)
        progress = [self._store.count_chord(part) for part in ending.chord.each][-1]
        if progress.size is not None and progress.done >= progress.size:
            self.work.finish_chord(finish.job, ending.chord)

    def _kill(self, effect: Kill) -> None:
        self.pool.terminate(effect.slot, effect.signal)

    def _say(self, effect: Say) -> None:
        if effect.level > Level.DEBUG:
            self._hands.say(
                "worker.say", line=effect.what, level=effect.level.name, **_shown(effect)
            )

    def _emit(self, effect: Emit) -> None:
        EventSender(self._app, self.spec.hostname).send([(effect.event, effect.fields)])

    def _stop_pool(self, effect: StopPool) -> None:
        self.pool.stop(at_once=effect.at_once)

    def _exit(self, effect: Exit) -> None:
        self.exit_code = effect.code


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
