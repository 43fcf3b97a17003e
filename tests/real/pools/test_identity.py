"""Who a child of the pool says it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.compat.test_introduction import run_program
from tests.real.workers import worker


@pytest.mark.parametrize("pool", ["prefork", "threads", "solo", "asyncio"])
def test_what_a_body_sends_names_its_own_process(pool: str, redis_url: str, tmp_path: Path) -> None:
    """The origin of a message that a body sends is the process that the body runs in."""
    program = tmp_path / "whoami.py"
    program.write_text(
        """
import os
from taskq import TaskQ

app = TaskQ("whoami", broker=os.environ["URL"], backend=os.environ["URL"])


@app.task(bind=True)
def origin(self):
    return self.request.origin


@app.task
def ask():
    return os.getpid(), origin.delay().id


def client():
    pid, child = ask.delay().get(timeout=20)
    assert origin.AsyncResult(child).get(timeout=20).startswith(f"gen{pid}@")
"""
    )
    env = {"URL": redis_url}

    with worker(tmp_path, "-c", "2", "-P", pool, app="whoami", env=env, cwd=tmp_path):
        run_program("import whoami; whoami.client()", env, cwd=tmp_path)
