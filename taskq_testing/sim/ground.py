"""What a world stands on: its servers, its time, and how a test lets it run.

Nothing runs until the test says so: ``run_until_quiet``, ``run_for``, ``run_until``, ``step``, or
by waiting for a result, which runs the world until the result is there.

Not owned: who is in it (``fleet``), how it is opened and closed (``world``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from taskq_testing.sim.asked_store import STORES
from taskq_testing.sim.awaited import Awaited
from taskq_testing.sim.broker import BrokerModel
from taskq_testing.sim.clock import Time
from taskq_testing.sim.hands import Mischief
from taskq_testing.sim.node import WorkerNode
from taskq_testing.sim.profiles import PROFILES
from taskq_testing.sim.randomness import Choices
from taskq_testing.sim.scheduler import Halt, Scheduler, Stuck
from taskq_testing.sim.trace import EVENTS, Record, Trace, Watch, clock_text
from taskq_testing.sim.whereabouts import whereabouts

# Virtual time that ``run_until_quiet`` allows unless told otherwise: longer than any sensible
# ETA, and far shorter than what an endless loop of retries would take.
QUIET_LIMIT_S: Final = 30 * 86400.0
# Steps that one call may take: about a minute of real time.
STEP_LIMIT: Final = 5_000_000
# How often a client may wait in a quiet world.  With ``on_interval`` it waits in slices, and does
# not say how long in all: after so many (days of virtual time) it is clear that it has no limit.
VAIN_WAITS: Final = 1_000_000


class NotQuiet(AssertionError):
    """The world did not become quiet within its limit."""

    def __init__(self, limit: str, busy: Sequence[str], last: str) -> None:
        super().__init__(limit, tuple(busy), last)
        self.limit, self.busy, self.last = limit, busy, last

    def __str__(self) -> str:
        listed = "\n".join(f"  {line}" for line in self.busy)
        return f"still busy after {self.limit}:\n{listed}\nlast events:\n{self.last}"


class Ground:
    """Servers, time, the workers that run."""

    def __init__(
        self,
        *,
        seed: int,
        start_s: float,
        broker: str,
        store: str,
        lease_s: float,
        choices: list[int] | None,
    ) -> None:
        if broker not in PROFILES:
            raise ValueError(f"no broker is modelled as {broker!r}; there are {list(PROFILES)}")
        if store not in STORES:
            raise ValueError(f"no store is modelled as {store!r}; there are {list(STORES)}")
        self.seed, self.start_s = seed, start_s
        self.trace = Trace()
        self._time = Time()
        made = Choices(seed, choices)
        self.trace.choices = made.made
        self._scheduler = Scheduler(self._time, made)
        self.broker = BrokerModel(PROFILES[broker], self._time.read, start_s, lease_s)
        self.store = STORES[store](self._time.read)
        self.workers: dict[str, WorkerNode] = {}
        self.mischief: dict[Mischief, None] = {}  # what happens in bodies
        self._vain_waits = 0

    @property
    def now_s(self) -> float:
        """Virtual seconds since the start."""
        return self._time.now_s

    @property
    def steps(self) -> int:
        """How many steps were made."""
        return self._scheduler.steps

    def step(self) -> bool:
        """One step: something runs up to its next switch point.  False when all is quiet."""
        if self.quiet:
            return False
        return self._scheduler.step()

    def run_for(self, seconds: float) -> None:
        """Let a span of virtual time pass."""
        self._scheduler.run_for(seconds)

    def run_until(self, condition: Callable[[], object], limit_s: float = QUIET_LIMIT_S) -> None:
        """Run until something is true."""
        end_s = self.now_s + limit_s
        for _ in range(STEP_LIMIT):
            if condition():
                return
            self._check_time(end_s, limit_s)
            if not self.step():
                raise Stuck([*self._scheduler.stuck(), "the test, for its condition"], self.now_s)
        raise self._not_quiet(f"{STEP_LIMIT} steps")

    def run_until_quiet(self, limit_s: float = QUIET_LIMIT_S) -> None:
        """Run until nothing more will happen by itself.

        Raises ``Stuck`` if somebody then waits for what will never come.
        """
        end_s, most = self.now_s + limit_s, self.steps + STEP_LIMIT
        while (halt := self._scheduler.run(end_s, most - self.steps)) is Halt.QUIET:
            if not self._somebody_will_restore():
                stuck = self._scheduler.stuck()
                if stuck:
                    raise Stuck(stuck, self.now_s)
                return
            self._check_time(end_s, limit_s)
            assert self._scheduler.step(), "a lease ends, and nobody is to see it"
        self._check_time(end_s, limit_s)
        assert halt is Halt.TIRED
        raise self._not_quiet(f"{STEP_LIMIT} steps")

    @property
    def quiet(self) -> bool:
        """Nothing will happen but housekeeping."""
        return self._scheduler.quiet and not self._somebody_will_restore()

    @property
    def at_rest(self) -> bool:
        """Nothing more happens at this moment of virtual time."""
        next_s = self._scheduler.next_at_s()
        return next_s is None or next_s > self.now_s

    def when(self, what: str, act: Callable[[Record], object], nth: int = 1, **facts: Any) -> None:
        """Do something at the nth event of a kind, before anything else happens."""
        self.watch(what, lambda record: record.matches(what, facts), act, nth)

    def watch(
        self,
        what: str,
        matches: Callable[[Record], bool],
        act: Callable[[Record], object],
        nth: int = 1,
    ) -> None:
        """Do something at the nth event of a kind that a function likes."""
        if what not in EVENTS:
            raise ValueError(f"no event is called {what!r}; there are {', '.join(EVENTS)}")
        self.trace.watch(Watch(what, matches, nth, lambda record: _ignore(act(record))))

    # -- inside ----

    def _somebody_will_restore(self) -> bool:
        """A lease of a dead worker will end, and a live one will see it."""
        return bool(self.workers) and self.broker.forgotten_lease_s() is not None

    def _wait_outside(self, awaited: Awaited) -> None:
        """The test waits for a result: run the world until there is news."""
        limit_s = awaited.timeout_s
        end_s = None if limit_s is None else self.now_s + limit_s
        self._vain_waits = self._vain_waits + 1 if self.quiet else 0
        for _ in range(STEP_LIMIT):
            if awaited.there:
                return
            next_s = None if self.quiet else self._scheduler.next_at_s()
            if next_s is None and (end_s is None or self._vain_waits > VAIN_WAITS):
                told = f"the test waits for {awaited}"
                where = [f"  {whereabouts(self, task_id)}" for task_id in awaited.some()]
                raise Stuck([*self._scheduler.stuck(), told, *where], self.now_s)
            if end_s is not None and (next_s is None or next_s > end_s):
                self._scheduler.run_until_s(end_s)
                return
            self._scheduler.step()
        raise self._not_quiet(f"{STEP_LIMIT} steps")

    def _check_time(self, end_s: float, limit_s: float) -> None:
        next_s = self._scheduler.next_at_s()
        if next_s is not None and next_s > end_s:
            raise self._not_quiet(f"{clock_text(limit_s)} of virtual time")

    def _not_quiet(self, limit: str) -> NotQuiet:
        busy = [
            f"{process.name} waits for {process.waits_for or 'its turn'}"
            for process in self._scheduler.processes
            if not process.idle
        ]
        return NotQuiet(limit, busy, self.trace.text(10))


def _ignore(_: object) -> None:
    """What an act returns means nothing."""
