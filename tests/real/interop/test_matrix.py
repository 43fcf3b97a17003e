"""Every kind of call, canvas and command, from clients of both libraries to workers of both.

``matrix_cases.py`` has the table.  Each case goes to Celery's worker, to taskq's, and to both in
turn, so that each step of a chain and each member of a chord is with the other library than the
one before.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from taskq_testing.servers import RabbitMQServer
from tests.real.environments import once_a_session, python_with
from tests.real.workers import WorkerProcess, worker

HERE = Path(__file__).parent
# With each serializer and compression that taskq has here.
PACKAGES = ("celery[redis]==5.7.0", "hiredis", "msgpack", "PyYAML", "brotli", "backports.zstd")
GIVEN_BY = "TASKQ_CELERY_ALL_PYTHON"
READY_S = 60
PATIENCE_S = 400


@pytest.fixture(scope="session")
def commands(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """How a Python program that imports celery is run with each library."""

    def make(folder: Path) -> None:
        python_with(folder, *PACKAGES, given_by=GIVEN_BY)

    given = os.environ.get(GIVEN_BY)
    python = given or str(once_a_session(tmp_path_factory, "celery-all", make) / "bin" / "python")
    return {"celery": [python], "taskq": [sys.executable, "-m", "taskq.compat.celery"]}


@pytest.fixture(
    scope="module",
    params=["redis", "redis, results pickled", "rabbitmq with redis", "rabbitmq with rpc"],
)
def place(request: pytest.FixtureRequest) -> Iterator[dict[str, str]]:
    """Where broker, results and ledger are, for the whole module."""
    server = request.getfixturevalue("redis_server")
    broker = store = server.url
    if request.param.startswith("rabbitmq"):
        rabbit = request.getfixturevalue("rabbitmq_server")
        broker = rabbit.new_vhost() if isinstance(rabbit, RabbitMQServer) else rabbit.url
    if request.param.endswith("rpc"):
        store = "rpc://"
    server.empty()
    yield {
        "MATRIX_BROKER": broker,
        "MATRIX_STORE": store,
        "MATRIX_LEDGER": server.url,
        "MATRIX_RESULTS": "pickle" if request.param.endswith("pickled") else "json",
        # Where tests run as root, both refuse workers that read pickles.
        "C_FORCE_ROOT": "1",
    }
    server.empty()


@pytest.fixture(scope="module")
def fleet(
    place: dict[str, str], commands: dict[str, list[str]], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[list[WorkerProcess]]:
    """A worker of each library; each has its own queue, the shared one, and a broadcast."""
    folder = tmp_path_factory.mktemp("matrix")
    with ExitStack() as stack:
        yield [
            stack.enter_context(
                worker(
                    folder,
                    *("-n", f"{library}@here", "-c", "3", "-E"),
                    *("-Q", f"shared,{library},everybody"),
                    app="matrix",
                    cwd=HERE,
                    env={**place, "MATRIX_WORKER": "1"},
                    command=[*command, "-m", "celery"],
                )
            )
            for library, command in commands.items()
        ]


@pytest.mark.parametrize("client", ["celery", "taskq"])
def test_everything_crosses(
    client: str,
    place: dict[str, str],
    commands: dict[str, list[str]],
    fleet: list[WorkerProcess],
) -> None:
    """All cases of the table hold, on all queues; both workers answer and are heard."""
    done = subprocess.run(
        [*commands[client], "matrix_client.py"],
        cwd=HERE,
        env={**os.environ, **place},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )

    assert done.returncode == 0, done.stderr + "".join(each.text[-4000:] for each in fleet)
    failed = json.loads(done.stdout.splitlines()[-1])
    assert not failed, "\n\n".join(f"{case}:\n{why}" for case, why in failed.items())
