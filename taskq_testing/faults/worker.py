"""Faults of workers and their processes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from taskq_testing.faults.lasting import heal_after, station
from taskq_testing.faults.table import FOR, NODE, PLACE, Fault, Parameter
from taskq_testing.sim.trace import Record
from taskq_testing.sim.world import SimWorld


def _kill(world: SimWorld, given: Mapping[str, Any]) -> None:
    world.kill(given["node"])


def _kill_process(world: SimWorld, given: Mapping[str, Any]) -> None:
    world.kill_process_of(given["task"])


def _kill_child(world: SimWorld, given: Mapping[str, Any]) -> None:
    world.kill_child(given["node"])


def _out_of_memory(world: SimWorld, given: Mapping[str, Any]) -> None:
    name, left = given["node"], int(given["times"])
    station(world, name)

    def act(record: Record) -> None:
        world.kill_process_of(record.facts["id"])

    for nth in range(1, left + 1):
        world.when("task.start", act, nth=nth, node=name)


def _stop(world: SimWorld, given: Mapping[str, Any]) -> None:
    world.stop_worker(given["node"], given["how"])


def _signal(world: SimWorld, given: Mapping[str, Any]) -> None:
    world.signal(given["node"], given["signal"])


def _start(world: SimWorld, given: Mapping[str, Any]) -> None:
    world.start_worker(given["node"], int(given["slots"]))


def _pause(world: SimWorld, given: Mapping[str, Any]) -> None:
    station(world, given["node"])
    world.freeze(given["node"], given["for"])


def _hang(world: SimWorld, given: Mapping[str, Any]) -> None:
    world.freeze_child(given["node"], given["for"])


def _slow(world: SimWorld, given: Mapping[str, Any]) -> None:
    hands = station(world, given["node"]).hands
    hands.step_s = float(given["by"])

    def heal() -> None:
        hands.step_s = 0.0

    heal_after(world, given["for"], "worker.slow", heal)


def _restart_loop(world: SimWorld, given: Mapping[str, Any]) -> None:
    name, every_s = given["node"], float(given["every"])

    def again() -> None:
        world.kill(name)
        world.restart_worker(name)

    for turn in range(int(given["times"])):
        world.at(world.now_s + turn * every_s, again)


def _fork_fail(world: SimWorld, given: Mapping[str, Any]) -> None:
    node = world.workers.get(given["node"])
    if node is None:
        raise ValueError(f"no worker called {given['node']!r} runs")
    node.pool.forks_again_at_s = world.now_s + float(given["for"])


FAULTS: Final = (
    Fault("worker.kill", "the whole machine dies, as by kill -9 of all", (NODE,), _kill),
    Fault(
        "worker.kill_process",
        "the child process that runs a task dies",
        (Parameter("task", "task"),),
        _kill_process,
    ),
    Fault("worker.kill_child", "a child process dies, a busy one if there is one", (NODE,),
          _kill_child),
    Fault(
        "worker.oom",
        "bodies that begin take all memory: their process is killed",
        (NODE, Parameter("times", "number", 1)),
        _out_of_memory,
    ),
    Fault(
        "worker.stop",
        "a worker is asked to end",
        (NODE, Parameter("how", "word", "warm")),
        _stop,
    ),
    Fault(
        "worker.signal",
        "a worker gets a signal of the operating system",
        (NODE, Parameter("signal", "word", "TERM")),
        _signal,
    ),
    Fault(
        "worker.start",
        "a worker begins (again)",
        (NODE, Parameter("slots", "number", 2)),
        _start,
    ),
    Fault("worker.pause", "everything on a machine stands still, as after SIGSTOP", (PLACE, FOR),
          _pause),
    Fault("worker.hang", "one child process stands still, a busy one if there is one", (NODE, FOR),
          _hang),
    Fault(
        "worker.slow",
        "each step of a machine takes longer",
        (PLACE, Parameter("by", "duration", 0.1), FOR),
        _slow,
    ),
    Fault(
        "worker.restart_loop",
        "a worker dies and is begun again, several times",
        (NODE, Parameter("times", "number", 3), Parameter("every", "duration", 10.0)),
        _restart_loop,
    ),
    Fault("worker.fork_fail", "no new child process can be made", (NODE, FOR), _fork_fail),
)  # fmt: skip
