"""``python tests/bench/chains.py``: chains through real workers, taskq's and Celery's in turn.

Each round starts, for each of them, a Redis server of its own and a worker with two processes,
sends a chain of no-op steps several times, and waits for the last result.  Wall time says what a
user waits, and on a busy machine little else; CPU is that of the whole worker tree; bytes are what
all programs sent to the server.  Celery runs by ``TASKQ_CELERY_PYTHON``, if that is set.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import click
import redis

from taskq_testing.servers import RedisServer

PROGRAM = """
import os, sys, time
if os.environ["BENCH_LIBRARY"] == "celery":
    from celery import Celery, chain
else:
    from taskq import TaskQ as Celery, chain

app = Celery("steps", broker=os.environ["BENCH_REDIS"], backend=os.environ["BENCH_REDIS"])
app.conf.broker_connection_retry_on_startup = True
if os.environ["BENCH_LIBRARY"] != "celery":
    app.conf.taskq_chain_window = int(os.environ["BENCH_WINDOW"])

@app.task(name="inc")
def inc(n):
    return n + 1

def once(length):
    started = time.perf_counter()
    result = chain(inc.s(0), *[inc.s() for _ in range(length - 1)])()
    assert result.get(timeout=600) == length
    return time.perf_counter() - started

if __name__ == "__main__":
    length, times = map(int, sys.argv[1:])
    once(3)
    print(*[once(length) for _ in range(times)])
"""


@dataclass(frozen=True, slots=True)
class Timing:
    """What one round took."""

    seconds: list[float]
    cpu_s: float
    bytes_sent: int


@contextmanager
def worker(python: str, module: str, env: dict[str, str], folder: Path) -> Iterator[int]:
    """Run a worker; yields its pid."""
    line = [python, "-m", module, "-A", "steps", "worker", "-c", "2", "-l", "WARNING"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(line, cwd=folder, env=env, stdout=log, stderr=log)
    try:
        yield process.pid
    finally:
        process.terminate()
        process.wait(60)


def cpu_s(pid: int) -> float:
    """User and system time of a process and its children, as long as they live."""
    found = 0.0
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split()
    for each in (str(pid), *children):
        fields = Path(f"/proc/{each}/stat").read_text("ascii").rpartition(")")[2].split()
        found += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return found


def measure(library: str, length: int, times: int, window: int) -> Timing:
    """Measure one library on a server of its own."""
    python = os.environ["TASKQ_CELERY_PYTHON"] if library == "celery" else sys.executable
    server = RedisServer()
    server.start_somewhere()
    try:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            (folder / "steps.py").write_text(PROGRAM, "utf-8")
            said = {
                "BENCH_LIBRARY": library,
                "BENCH_REDIS": server.url,
                "BENCH_WINDOW": str(window),
            }
            env = {**os.environ, **said}
            client = [python, "steps.py", str(length), str(times)]
            with (
                worker(python, library, env, folder) as pid,
                redis.Redis.from_url(server.url) as look,
            ):
                # Starting is not measured: a chain of three runs first.
                subprocess.run([*client[:2], "3", "1"], cwd=folder, env=env, check=True,
                               stdout=subprocess.DEVNULL)  # fmt: skip
                before = cpu_s(pid), int(look.info("stats")["total_net_input_bytes"])
                ran = subprocess.run(client, cwd=folder, env=env, check=True, capture_output=True)
                after = cpu_s(pid), int(look.info("stats")["total_net_input_bytes"])
            seconds = [float(each) for each in ran.stdout.split()]
            return Timing(seconds, after[0] - before[0], after[1] - before[1])
    finally:
        server.stop()


@click.command("chains")
@click.option("--length", default=100, show_default=True, help="Steps of a chain.")
@click.option("--times", default=10, show_default=True, help="Chains in a round.")
@click.option("--rounds", default=3, show_default=True)
@click.option("--window", default=16, show_default=True, help="taskq_chain_window")
def main(length: int, times: int, rounds: int, window: int) -> None:
    """Measure chains, each library in each round."""
    libraries = ["celery", "taskq"] if "TASKQ_CELERY_PYTHON" in os.environ else ["taskq"]
    found: dict[str, list[Timing]] = {library: [] for library in libraries}
    started = time.monotonic()
    for _ in range(rounds):
        for library in libraries:
            found[library].append(measure(library, length, times, window))
    for library, timings in found.items():
        median_s = statistics.median(s for timing in timings for s in timing.seconds)
        best_s = min(s for timing in timings for s in timing.seconds)
        steps = length * times * rounds
        cpu_us = sum(timing.cpu_s for timing in timings) / steps * 1e6
        sent = sum(timing.bytes_sent for timing in timings) / steps
        click.echo(
            f"{library:<8} chain of {length}: median {median_s * 1000:.0f} ms, best "
            f"{best_s * 1000:.0f} ms; for each step {cpu_us:.0f} us CPU, {sent:.0f} bytes"
        )
    click.echo(f"{time.monotonic() - started:.0f} s in all, load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main(prog_name="python tests/bench/chains.py")
