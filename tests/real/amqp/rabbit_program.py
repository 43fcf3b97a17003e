"""The app of the tests with whole workers: bodies write into a ledger that no broker can lose."""

from __future__ import annotations

import os
import signal
import time

from taskq import TaskQ

app = TaskQ("rabbit_program", broker=os.environ["RABBIT_BROKER"])
app.conf.update(
    broker_connection_retry_on_startup=True,
    task_ignore_result=True,
    taskq_delivery_limit=4,
    worker_redirect_stdouts=False,
)


def note(line: str) -> None:
    """Append one line, in one write, to a file that survives every kill."""
    handle = os.open(os.environ["RABBIT_LEDGER"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(handle, f"{line}\n".encode())
    finally:
        os.close(handle)


@app.task(acks_late=True)
def poison() -> None:
    note("start poison")
    os.kill(os.getpid(), signal.SIGKILL)  # in a pool of its own process: the whole worker


@app.task(acks_late=True)
def late(name: str, pause: float = 0.0) -> None:
    note(f"start {name}")
    time.sleep(pause)
    note(f"end {name}")


@app.task
def early(name: str, pause: float = 0.0) -> None:
    note(f"start {name}")
    time.sleep(pause)
    note(f"end {name} {time.time()}")
