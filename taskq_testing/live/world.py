"""``LiveWorld``: what a test holds on a real transport; the calls are those of ``World``.

Workers are threads of this process (pool ``threads``), so bodies see the test's own objects as they
do in the simulation.  Time is real: what would take longer than ``MOST_REAL_S`` is not waited for.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from time import monotonic, sleep  # noqa: TID251 - here it is the real one
from types import TracebackType
from typing import Any, Final, NoReturn, Self

import pytest

from taskq.app.app import App
from taskq.ports import ResultRecord, ResultStore
from taskq_testing.asserting.workflows import WorkflowAssertions
from taskq_testing.draining import DRAINER, Drained
from taskq_testing.live.overhearing import Ledger, Waiting, overhear, put_around
from taskq_testing.live.transports import Transport
from taskq_testing.live.workers import PATIENCE_S, LiveWorker
from taskq_testing.sim.ground import NotQuiet
from taskq_testing.sim.trace import Trace
from taskq_testing.world import World

# The longest span that a test has to sit out in real time; for more it wants a virtual clock.
MOST_REAL_S: Final = 5.0
GLANCE_S: Final = 0.02
SLICE_S: Final = 0.2
# What a worker in a test needs none of.
WORKER_OPTIONS: Final = frozenset(
    {
        "prefetch_multiplier", "disable_prefetch", "optimization", "time_limit",
        "soft_time_limit", "task_events", "statedb",
    }
)  # fmt: skip


class LiveWorld(WorkflowAssertions):
    """Clients and workers of an app on a real broker."""

    def __init__(self, apps: Sequence[App], transport: Transport, *, seed: int = 0) -> None:
        self.apps, self.transport, self.seed = list(apps), transport, seed
        self.trace = Trace()
        self.workers: dict[str, LiveWorker] = {}
        self._stack = ExitStack()
        self._thread = threading.get_ident()
        self._opened = False
        self._waits_since: dict[tuple[str, ...], float] = {}  # for which results

    def open(self) -> Self:
        """Let the apps stand on the transport."""
        if self._opened:
            return self
        self._opened = True
        ports = [self._stack.enter_context(self.transport.under(app)) for app in self.apps]
        queues = [spec for app in self.apps for spec in app.router.queues.values()]
        self.ledger = Ledger(self.trace, ports[0].clock, queues)
        self.start_s = ports[0].clock.read().wall.timestamp()
        for each in ports:
            overhear(each.broker, self.ledger)
            self._watch(each.store)
        return self

    def close(self) -> None:
        """Stop the workers, and let the apps stand where they stood."""
        try:
            for name in list(self.workers):
                self.stop_worker(name)
        finally:
            self._stack.close()

    def __enter__(self) -> Self:
        return self.open()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("_") or not hasattr(World, name):
            raise AttributeError(f"a world has no {name!r}")
        self._not_here(f"World.{name} is of the simulated world")

    # -- workers -----------------------------------------------------------------------------------

    def start_worker(
        self,
        name: str,
        slots: int = 2,
        queues: Sequence[str] | None = None,
        *,
        app: App | None = None,
        **options: Any,
    ) -> LiveWorker:
        """Start a worker in threads; returns when it takes messages."""
        if name in self.workers:
            raise ValueError(f"a worker called {name!r} runs already; stop it first")
        for option in options:
            if option not in WORKER_OPTIONS:
                self._not_here(f"start_worker({option}=...) is of the simulated world")
        worker = LiveWorker(
            app or self.apps[0],
            self.ledger,
            concurrency=slots,
            pool="threads",
            hostname=f"celery@{name}",
            queues=list(queues or self._all_queues(app)),
            **options,
        )
        taken = sorted(spec.name for spec in worker.queues)
        self.ledger.say(name, "worker.start", slots=slots, queues=taken)
        worker.begin()
        self.workers[name] = worker
        return worker

    def stop_worker(self, name: str, how: str = "warm") -> None:
        """Stop a worker, and return when it has ended."""
        if how != "warm":
            self._not_here(f"stop_worker(how={how!r}) is of the simulated world")
        if name not in self.workers:
            raise ValueError(f"no worker called {name!r} runs; these do: {list(self.workers)}")
        self.ledger.say(name, "worker.stop", how=how)
        self.workers.pop(name).end()

    # -- time --------------------------------------------------------------------------------------

    @property
    def now_s(self) -> float:
        """Seconds since it was opened."""
        return self.ledger.now_s

    def run_for(self, seconds: float) -> None:
        """Let time pass."""
        if seconds > MOST_REAL_S:
            self._not_here(f"{seconds:g} s are to pass, and its time is real")
        sleep(seconds)

    def run_until(self, condition: Callable[[], object], limit_s: float = PATIENCE_S) -> None:
        """Wait until something is true."""
        end_s = monotonic() + min(limit_s, PATIENCE_S)
        while not condition():
            self._give_up_what_is_far(self._waiting())
            if monotonic() > end_s:
                raise self._not_quiet(f"{min(limit_s, PATIENCE_S):g} s")
            with self.ledger.changed:
                self.ledger.changed.wait(GLANCE_S)

    def run_until_quiet(self, limit_s: float = PATIENCE_S) -> None:
        """Wait until nothing more will happen by itself."""
        self.run_until(lambda: not self._waiting(), limit_s)

    def drain(
        self,
        *queues: str,
        due_by_s: float = 0.0,
        limit: int | None = None,
        workflow: Any = None,
    ) -> Drained:
        """Run what waits in some queues; a part of it can be had in the simulated world alone."""
        if due_by_s or limit is not None or workflow is not None:
            self._not_here("drain() of a part of a queue is of the simulated world")
        begin = len(self.trace)
        self.start_worker(DRAINER, 1, list(queues) or None)
        try:
            self.run_until(lambda: all(map(self._is_later, self._waiting())))
        finally:
            self.stop_worker(DRAINER)
        return Drained([run for run in self.executed() if run.index >= begin])

    # -- inside ------------------------------------------------------------------------------------

    def _all_queues(self, app: App | None) -> list[str]:
        """Named one by one: an app remembers which queues its last worker was to take from."""
        return list((app or self.apps[0]).router.queues)

    def _waiting(self) -> list[Waiting]:
        """What a worker of ours will still do."""
        taken = {spec.name for worker in self.workers.values() for spec in worker.queues}
        return self.ledger.waiting(taken)

    def _wall_s(self) -> float:
        return self.start_s + self.now_s

    def _is_later(self, waiting: Waiting) -> bool:
        return waiting.due_s is not None and waiting.due_s > self._wall_s()

    def _give_up_what_is_far(self, waiting: Sequence[Waiting]) -> None:
        """Nobody sits out three days."""
        spans = [(each.due_s or 0.0) - self._wall_s() for each in waiting]
        if spans and min(spans) > MOST_REAL_S:
            first = waiting[spans.index(min(spans))]
            self._not_here(f"{first.task!r} is due in {min(spans):.0f} s, and its time is real")

    def _watch(self, store: ResultStore) -> None:
        """Let the test's own waiting end where it would be in vain."""
        wait = store.wait

        def wait_a_little(
            task_ids: Sequence[str], timeout_s: float | None
        ) -> Sequence[ResultRecord]:
            if threading.get_ident() != self._thread:
                return wait(task_ids, timeout_s)
            now_s, before = monotonic(), store.load(task_ids)
            since_s = self._waits_since.setdefault(tuple(task_ids), now_s)
            end_s = since_s + PATIENCE_S if timeout_s is None else now_s + timeout_s
            while True:
                self._give_up_what_is_far(self._waiting())
                hints = wait(task_ids, min(SLICE_S, max(end_s - monotonic(), 0.0)))
                if hints or store.load(task_ids) != before:
                    return hints
                if monotonic() >= end_s:
                    if timeout_s is None:
                        raise self._not_quiet(f"{PATIENCE_S:g} s of waiting for a result")
                    return hints

        put_around(store, wait=wait_a_little)

    def _not_quiet(self, limit: str) -> NotQuiet:
        busy = [f"{each.task}[{each.id}] in {each.queue!r}" for each in self.ledger.waiting()]
        return NotQuiet(limit, busy or ["nothing waits in a queue"], self.trace.text(10))

    def _not_here(self, why: str) -> NoReturn:
        pytest.skip(f"not on this transport ({self.transport.name}): {why}")
