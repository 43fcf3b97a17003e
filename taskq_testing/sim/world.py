"""A simulated world: a broker, a result store, workers and clients, in one thread.

While a world is active (``with World(app) as world:``) the app stands on simulated ports; the test
itself is the node ``client``.  Nothing runs until the test lets it: ``run_until_quiet``,
``run_for``, ``run_until``, ``step``, or by waiting for a result, which runs the world until the
result is there.

Owned here: the stations, what the test can ask for.  Not owned: what runs next (``scheduler``),
how a worker works (``node``), what bodies see (``patches``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextvars import Context, Token, copy_context
from datetime import datetime
from functools import partial
from types import TracebackType
from typing import Any, Final, Self

from taskq import current
from taskq.app.app import App
from taskq.core.inputs import Stop
from taskq.ports import Codec, Ports
from taskq_testing.sim.broker import BrokerModel
from taskq_testing.sim.clock import Time, instant
from taskq_testing.sim.node import WorkerNode, WorkerSpec
from taskq_testing.sim.patches import Patches
from taskq_testing.sim.pool import SimPool
from taskq_testing.sim.profiles import PROFILES
from taskq_testing.sim.randomness import Choices
from taskq_testing.sim.scheduler import Halt, Scheduler, Stuck
from taskq_testing.sim.station import Seat, Station
from taskq_testing.sim.store import Awaited, StoreModel
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
CLIENT: Final = "client"


class NotQuiet(AssertionError):
    """The world did not become quiet within its limit."""

    def __init__(self, limit: str, busy: Sequence[str], last: str) -> None:
        super().__init__(limit, tuple(busy), last)
        self.limit, self.busy, self.last = limit, busy, last

    def __str__(self) -> str:
        listed = "\n".join(f"  {line}" for line in self.busy)
        return f"still busy after {self.limit}:\n{listed}\nlast events:\n{self.last}"


class SimWorld:
    """One simulated world."""

    def __init__(
        self,
        apps: App | Iterable[App],
        *,
        codec: Codec,
        specify: Callable[..., WorkerSpec],
        seed: int = 0,
        start: str | datetime | float = "2030-01-01T00:00:00Z",
        broker: str = "redis",
        choices: list[int] | None = None,
    ) -> None:
        self.apps: list[Any] = [apps] if isinstance(apps, App) else list(apps)
        self.seed = seed
        self.trace = Trace()
        self._codec, self._specify = codec, specify
        self.start_s = instant(start)
        self._time = Time()
        made = Choices(seed, choices)
        self.trace.choices = made.made
        self._scheduler = Scheduler(self._time, made)
        if broker not in PROFILES:
            raise ValueError(f"no broker is modelled as {broker!r}; there are {list(PROFILES)}")
        self.broker = BrokerModel(PROFILES[broker], self._time.read)
        self.store = StoreModel(self._time.read)
        self.stations: dict[str, Station] = {}
        self.workers: dict[str, WorkerNode] = {}
        self._vain_waits = 0
        self._patches = Patches(self._scheduler, seed)
        self._base: Context = copy_context()
        self._token: Token[Any] | None = None  # while it is active
        self._closed = False
        self._client = Seat(self._station(CLIENT), codec)

    # -- beginning and end -------------------------------------------------------------------------

    def open(self) -> Self:
        """Make it the active world: its apps stand on its ports, and bodies see its time."""
        if self._closed:
            raise RuntimeError("this world is closed; what happened in it stays so: make another")
        if self._token is None:
            self._patches.apply()
            self._base = copy_context()
            self._token = current.ports_here.set(self._client.ports)
        return self

    def __enter__(self) -> Self:
        # A world that a fixture has opened may be used in a `with` all the same.
        return self.open()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """The power goes off: whatever still runs is dropped where it is."""
        self._closed = True
        if self._token is None:
            return
        for node in self.workers.values():
            node.pool.close_loops()
        for process in self._scheduler.processes:
            if process.idle or not process.started:
                self._scheduler.unwind(process)
            else:
                self._scheduler.drop(process)
        for station in self.stations.values():
            station.let_go()
        self._scheduler.let_go()
        self.broker.let_go()
        current.ports_here.reset(self._token)
        self._token = None
        self._patches.remove()

    # -- nodes -------------------------------------------------------------------------------------

    def start_worker(
        self,
        name: str,
        slots: int = 2,
        queues: Sequence[str] | None = None,
        *,
        app: App | None = None,
        **options: Any,
    ) -> WorkerNode:
        """Start a worker on a machine of that name; its options are those of the command line."""
        if name in self.workers:
            raise ValueError(f"a worker called {name!r} runs already; stop or kill it first")
        app = app or self.apps[0]
        station = self.stations.get(name) or self._station(name)
        seat = self._seat(station)
        context = seat.context(self._base)
        spec = context.run(self._specify, app, f"celery@{name}", slots, queues, options)
        node = context.run(self._node, app, spec, station, seat)
        self.workers[name] = node
        self._patches.cover(getattr(task, "run", None) for task in app.tasks.values())
        station.hands.say("worker.start", slots=slots, queues=[q.name for q in spec.queues])
        # What a process holds is never freed once it was killed: so it must not hold the world.
        run = partial(_run_worker, self.workers, name, node)
        self._scheduler.spawn(name, run, place=station, context=context, owner=node)
        return node

    def stop_worker(self, name: str, how: str = "warm") -> None:
        """Ask a worker to end: ``warm`` lets what runs end, ``cold`` gives it back."""
        node = self._worker(name)
        self.stations[name].hands.say("worker.stop", how=how)
        node.stop(Stop[how.upper()])

    def kill(self, name: str) -> None:
        """A machine dies: everything of its worker vanishes, as with ``kill -9`` of all of it."""
        node = self._worker(name)
        del self.workers[name]
        self.stations[name].hands.say("fault.kill")
        node.vanish()
        self._scheduler.drop_all(node)
        self._scheduler.leave_if_gone()

    def kill_process_of(self, task_id: str) -> None:
        """The child process that runs a task's body dies; its worker notices."""
        for name, node in self.workers.items():
            slot = node.pool.slot_of(task_id)
            if slot is not None:
                self.stations[name].hands.say("fault.kill_process", id=task_id, slot=slot)
                node.pool.kill(slot, "signal 9 (SIGKILL)")
                return
        raise ValueError(f"no body of task {task_id} runs now")

    def cut(self, name: str, for_s: float, reason: str = "connection reset") -> None:
        """A node loses its connection to the broker, and finds it again after a while."""
        station = self.stations[name]
        station.hands.say("fault.broker_loss", for_s=for_s)
        station.hands.link.cut, station.hands.link.reason = True, reason
        node = self.workers.get(name)
        if node is not None and node.intake is not None:
            node.intake.break_off()

        def heal() -> None:
            station.hands.link.cut = False

        self._spawn(f"{name}'s link heals", heal, for_s)

    def add_node(self, name: str) -> None:
        """Make a machine on which nothing runs yet, so that its clock can be set."""
        if name not in self.stations:
            self._station(name)

    def jump_clock(self, name: str, seconds: float) -> None:
        """Set a node's wall clock forward or back."""
        self.stations[name].hands.say("fault.clock_jump", by_s=seconds)
        self.stations[name].clock.jump(seconds)

    # -- running -----------------------------------------------------------------------------------

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

    def at(self, seconds: float, act: Callable[[], object]) -> None:
        """Do something at a moment, counted from the start of the world."""
        self._spawn(f"act at {seconds:g}s", act, seconds - self.now_s)

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

    def ports(self, name: str) -> Ports:
        """The ports of a node of the world."""
        return self._seat(self.stations[name]).ports(None)

    def describe_choices(self) -> list[int]:
        """The run as a list of choices; ``World(..., choices=...)`` makes it again."""
        return list(self.trace.choices)

    # -- inside ------------------------------------------------------------------------------------

    def _station(self, name: str) -> Station:
        station = Station(
            name,
            seed=self.seed,
            start_s=self.start_s,
            scheduler=self._scheduler,
            trace=self.trace,
            broker=self.broker,
            store=self.store,
            wait_outside=self._wait_outside,
        )
        self.stations[name] = station
        return station

    def _seat(self, station: Station, pid: int | None = None) -> Seat:
        return Seat(station, self._codec, station.hands.new_pid() if pid is None else pid)

    def _node(self, app: App, spec: WorkerSpec, station: Station, seat: Seat) -> WorkerNode:
        ports = seat.ports(app)

        def pool(wake: Callable[[], None]) -> SimPool:
            return SimPool(station.hands, self._scheduler, place=station, context=child, wake=wake)

        child = partial(_child_context, station, self._codec, self._base)
        return WorkerNode(
            app,
            spec,
            hands=station.hands,
            scheduler=self._scheduler,
            clock=ports.clock,
            broker=station.broker,
            store=ports.store,
            pool=pool,
        )

    def _worker(self, name: str) -> WorkerNode:
        node = self.workers.get(name)
        if node is None:
            raise ValueError(f"no worker called {name!r} runs; these do: {list(self.workers)}")
        return node

    def _spawn(self, name: str, act: Callable[[], object], delay_s: float) -> None:
        self._scheduler.spawn(
            name,
            lambda: _ignore(act()),
            place=self.stations[CLIENT],
            context=self._client.context(self._base),
            delay_s=delay_s,
        )

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


def _run_worker(workers: dict[str, WorkerNode], name: str, node: WorkerNode) -> None:
    node.run()
    workers.pop(name, None)


def _child_context(station: Station, codec: Codec, base: Context, pid: int) -> Context:
    return Seat(station, codec, pid).context(base)


def _ignore(_: object) -> None:
    """What an act returns means nothing."""
