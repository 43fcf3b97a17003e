"""How long a chord of 1,000 members that do nothing takes, beside Celery, on one Redis.

``python -m tests.bench.chords``: two prefork processes of each library, one after the other,
on an empty server of its own.  ``TASKQ_CELERY_PYTHON`` names a Python that has Celery.  The time
goes from the call of the chord to the result of its body, in the client; best and middle of some
rounds.  Nothing is tested here: the numbers are for people, and for docs/performance.md.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from taskq_testing.servers import RedisServer
from tests.real.workers import worker

HERE = Path(__file__).parent
ROUNDS = 5


def measure(library: str, python: str, url: str, members: int) -> dict[str, list[float]]:
    """Run worker and client of one library."""
    env = {"BENCH_LIBRARY": library, "BENCH_REDIS": url}
    with (
        tempfile.TemporaryDirectory() as folder,
        worker(
            Path(folder),
            *("-c", "2", "-l", "WARNING"),
            app="chords_program",
            env=env,
            cwd=HERE,
            ready=False,
            command=(python, "-m", library),
        ),
    ):
        said = subprocess.run(
            [python, "chords_program.py", str(members), str(ROUNDS)],
            cwd=HERE,
            env={**os.environ, **env},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # what Celery says as its client ends is long
            check=True,
            timeout=600,
        )
    measured: dict[str, list[float]] = json.loads(said.stdout)
    return measured


def main() -> None:
    """Measure both, and show how they compare."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--members", type=int, default=1000)
    parser.add_argument("--only", choices=["taskq", "celery"])
    options = parser.parse_args()
    pythons = {"celery": os.environ.get("TASKQ_CELERY_PYTHON", ""), "taskq": sys.executable}
    middles: dict[str, float] = {}
    for library, python in pythons.items():
        if options.only not in {None, library}:
            continue
        server = RedisServer()
        server.start()
        try:
            measured = measure(library, python, server.url, options.members)
        finally:
            server.dispose()
        middles[library] = statistics.median(measured["whole"])
        for name, times in measured.items():
            best, middle = min(times) * 1000, statistics.median(times) * 1000
            print(f"{library:8} {name:6} best {best:8.1f} ms   middle {middle:8.1f} ms")
    if len(middles) == len(pythons):
        print(f"taskq takes {middles['taskq'] / middles['celery']:.3f} of Celery's time")


if __name__ == "__main__":
    main()
