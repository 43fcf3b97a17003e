"""Who is in a world: the machines, the workers on them, and what happens to them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextvars import Context, copy_context
from datetime import tzinfo
from functools import partial
from signal import Signals
from typing import Any, Final, Protocol
from weakref import ref

from taskq.app.app import App
from taskq.core.inputs import Stop
from taskq.ports import Codec
from taskq_testing.sim.broker import InboxEnd
from taskq_testing.sim.ground import Ground
from taskq_testing.sim.node import WorkerNode, WorkerSpec
from taskq_testing.sim.patches import Patches
from taskq_testing.sim.pool import SimPool
from taskq_testing.sim.station import Seat, Station

CLIENT: Final = "client"


class Outfit(Protocol):
    """What a world is told of workers, by somebody who knows settings and signals."""

    def specify(
        self,
        app: App,
        hostname: str,
        slots: int,
        queues: Sequence[str] | None,
        options: Mapping[str, Any],
    ) -> WorkerSpec:
        """Turn settings and options of the command line into what a worker is told."""

    def signals(self, node: WorkerNode) -> Mapping[int, Callable[[], None]]:
        """Return what each signal of the operating system does to a worker."""


class Fleet(Ground):
    """The machines of a world."""

    def __init__(
        self,
        apps: App | Iterable[App],
        *,
        codec: Codec,
        outfit: Outfit,
        seed: int,
        start_s: float,
        broker: str,
        store: str,
        choices: list[int] | None,
        zone: tzinfo | None,
    ) -> None:
        self.apps: list[Any] = [apps] if isinstance(apps, App) else list(apps)
        super().__init__(
            seed=seed,
            start_s=start_s,
            broker=broker,
            store=store,
            lease_s=float(self.apps[0].conf.taskq_lease_s),
            choices=choices,
        )
        self._codec, self._outfit, self._zone = codec, outfit, zone
        self.stations: dict[str, Station] = {}
        self.restarts: dict[object, Callable[[], object]] = {}  # how each worker begins anew
        self.begun: dict[str, Callable[[], object]] = {}  # how one was last begun on a machine
        self._patches = Patches(self._scheduler, seed)
        self._base: Context = copy_context()
        self._client = Seat(self._station(CLIENT), codec)

    # -- workers -----------------------------------------------------------------------------------

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
        hostname = f"celery@{name}"
        spec = context.run(self._outfit.specify, app, hostname, slots, queues, options)
        node = context.run(self._node, app, spec, station, seat)
        self.workers[name] = node
        self._patches.cover(getattr(task, "run", None) for task in app.tasks.values())
        station.hands.say("worker.start", slots=spec.slots, queues=[q.name for q in spec.queues])
        again = partial(self.start_worker, name, slots, queues, app=app, **options)
        self.begun[name] = again
        # What a process holds is never freed once it was killed: so it must not hold the world.
        run = partial(_run_worker, self.workers, name, node, _Again(self, again))
        self._scheduler.spawn(name, run, place=station, context=context, owner=node)
        return node

    def restart_worker(self, name: str) -> None:
        """Begin a worker again on a machine, as it was begun there last."""
        if name not in self.begun:
            raise ValueError(f"no worker was ever started on {name!r}; these were: {[*self.begun]}")
        self.begun[name]()

    def stop_worker(self, name: str, how: str = "warm") -> None:
        """Ask a worker to end: ``warm``, ``soft``, ``cold`` or ``immediate``."""
        node = self._worker(name)
        self.stations[name].hands.say("worker.stop", how=how)
        node.stop(Stop[how.upper()])

    def signal(self, name: str, signal: str) -> None:
        """Send a worker a signal of the operating system, such as ``TERM`` or ``QUIT``."""
        node = self._worker(name)
        number = Signals[f"SIG{signal.removeprefix('SIG')}"]
        known = node.on_signal or self._outfit.signals(node)
        node.on_signal = known
        if number not in known:
            raise ValueError(
                f"a worker does nothing special on {number.name}; it acts on"
                f" {', '.join(Signals(each).name for each in known)}"
            )
        self.stations[name].hands.say("worker.signal", signal=number.name)
        known[number]()

    # -- what happens to them ----------------------------------------------------------------------

    def kill(self, name: str) -> None:
        """A machine dies: everything of its worker vanishes, as with ``kill -9`` of all of it."""
        node = self._worker(name)
        del self.workers[name]
        self.stations[name].hands.say("fault.kill")
        node.vanish()
        for inbox in self.ears(name):
            inbox.vanish()
        self._scheduler.drop_all(node)
        self._scheduler.leave_if_gone()

    def kill_process_of(self, task_id: str) -> None:
        """The child process that runs a task's body dies; its worker notices."""
        for name, node in self.workers.items():
            slot = node.pool.slot_of(task_id)
            if slot is not None:
                self._kill_slot(name, slot, task_id)
                return
        raise ValueError(f"no body of task {task_id} runs now")

    def kill_child(self, name: str) -> None:
        """A child process of a worker dies: one that runs a body, if there is one."""
        node = self._worker(name)
        number = node.pool.busiest()
        if number is None:
            raise ValueError(f"worker {name!r} has no child process now")
        running = node.pool.slots[number].running
        self._kill_slot(name, number, None if running is None else running.headers.get("id"))

    def freeze(self, name: str, for_s: float) -> None:
        """Everything on a machine stands still for a while, as after SIGSTOP; its clock goes on."""
        self.stations[name].hands.say("fault.freeze", for_s=for_s)
        self._scheduler.freeze(self.stations[name], self.now_s + for_s)

    def freeze_child(self, name: str, for_s: float) -> None:
        """One child process of a worker stands still: one that runs a body, if there is one."""
        node = self._worker(name)
        number = node.pool.busiest()
        if number is None:
            raise ValueError(f"worker {name!r} has no child process now")
        self.stations[name].hands.say("fault.freeze", for_s=for_s, slot=number)
        self._scheduler.freeze(node.pool.slots[number], self.now_s + for_s)

    def cut(self, name: str, for_s: float, reason: str = "connection reset") -> None:
        """A node loses its connection to the broker, and finds it again after a while."""
        station = self.stations[name]
        station.hands.say("fault.broker_loss", for_s=for_s)
        station.hands.link.cut, station.hands.link.reason = True, reason
        self._break_off(name)

        def heal() -> None:
            station.hands.link.cut = False

        self._spawn(f"{name}'s link heals", heal, for_s)

    def reset(self, name: str, reason: str = "connection reset") -> None:
        """A node loses its connections to the broker, and can make new ones at once."""
        station = self.stations[name]
        station.hands.say("fault.broker_loss", for_s=0.0)
        station.hands.link.reason = reason
        self._break_off(name)

    def forget_connection(self, name: str) -> None:
        """The broker takes a worker for dead, which learns of it when it calls next."""
        intake = self._worker(name).intake
        if intake is not None:
            intake.vanish_quietly()

    def cut_store(self, name: str, for_s: float, reason: str = "connection reset") -> None:
        """A node loses its connection to the result store, and finds it again after a while."""
        if self.broker.profile.atomic_commit:
            raise ValueError(
                f"on {self.broker.profile.name} the store is the broker; cut {name!r} from that"
            )
        station = self.stations[name]
        station.hands.say("fault.store_loss", for_s=for_s)
        station.hands.store_link.cut, station.hands.store_link.reason = True, reason

        def heal() -> None:
            station.hands.store_link.cut = False

        self._spawn(f"{name}'s way to the store heals", heal, for_s)

    def add_node(self, name: str) -> None:
        """Make a machine on which nothing runs yet, so that its clock can be set."""
        if name not in self.stations:
            self._station(name)

    def jump_clock(self, name: str, seconds: float) -> None:
        """Set a node's wall clock forward or back."""
        self.stations[name].hands.say("fault.clock_jump", by_s=seconds)
        self.stations[name].clock.jump(seconds)

    def at(self, seconds: float, act: Callable[[], object]) -> None:
        """Do something at a moment, counted from the start of the world."""
        self._spawn(f"act at {seconds:g}s", act, seconds - self.now_s)

    def sleep_here(self, seconds: float) -> None:
        """Let time pass for the process that runs; everything else goes on."""
        self._scheduler.sleep(seconds)

    # -- inside ------------------------------------------------------------------------------------

    def _kill_slot(self, name: str, slot: int, task_id: str | None) -> None:
        node = self.workers[name]
        if not node.spec.pool.processes:
            raise ValueError(
                f"worker {name!r} runs bodies in its own process ({node.spec.pool.name}); kill it"
            )
        self.stations[name].hands.say("fault.kill_process", id=task_id, slot=slot)
        node.pool.kill(slot, "signal 9 (SIGKILL)")

    def _break_off(self, name: str) -> None:
        node = self.workers.get(name)
        if node is not None and node.intake is not None:
            node.intake.break_off()
        for inbox in self.ears(name):
            inbox.break_off()

    def ears(self, name: str) -> list[InboxEnd]:
        """What a node listens with: for commands, replies, events."""
        hands = self.stations[name].hands
        listening = [taker for taker in self.broker.takers if isinstance(taker, InboxEnd)]
        return [inbox for inbox in listening if inbox.of(hands)]

    def _station(self, name: str) -> Station:
        station = Station(
            name,
            seed=self.seed,
            start_s=self.start_s,
            scheduler=self._scheduler,
            trace=self.trace,
            broker=self.broker,
            store=self.store,
            mischief=self.mischief,
            wait_outside=self._wait_outside,
            zone=self._zone,
        )
        self.stations[name] = station
        return station

    def _seat(self, station: Station, pid: int | None = None) -> Seat:
        return Seat(station, self._codec, station.hands.new_pid() if pid is None else pid)

    def _node(self, app: App, spec: WorkerSpec, station: Station, seat: Seat) -> WorkerNode:
        ports = seat.ports(app)

        def pool(wake: Callable[[], None]) -> SimPool:
            return SimPool(
                station.hands,
                self._scheduler,
                place=station,
                context=child,
                wake=wake,
                kind=spec.pool,
                max_tasks=spec.max_tasks_per_child,
                start_s=spec.child_start_s,
            )

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
            kept=station.files,
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


class _Again:
    """Begins a worker anew, as long as its world is there."""

    def __init__(self, world: Fleet, begin: Callable[[], object]) -> None:
        self._world = ref(world)
        # The method is bound to the world, so only the world may keep it.
        self._key = object()
        world.restarts[self._key] = begin

    def __call__(self, *, wanted: bool) -> None:
        world = self._world()
        if world is None:
            return
        begin = world.restarts.pop(self._key)
        if wanted:
            begin()


def _run_worker(workers: dict[str, WorkerNode], name: str, node: WorkerNode, again: _Again) -> None:
    node.run()
    workers.pop(name, None)
    again(wanted=node.wants_restart)


def _child_context(station: Station, codec: Codec, base: Context, pid: int) -> Context:
    return Seat(station, codec, pid).context(base)


def _ignore(_: object) -> None:
    """What an act returns means nothing."""
