"""The app of the operator's tests: bodies write into a ledger that no broker can lose."""

import os
import time

from taskq import TaskQ

app = TaskQ("ops", broker=os.environ["OPS_BROKER"], backend=os.environ.get("OPS_BACKEND"))
app.conf.update(
    broker_connection_retry_on_startup=True,
    task_ignore_result=not os.environ.get("OPS_BACKEND"),
    taskq_lease_s=float(os.environ.get("OPS_LEASE", "2")),
)


def note(line):
    """Append one line, in one write, to a file that survives every kill."""
    handle = os.open(os.environ["OPS_LEDGER"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(handle, f"{line}\n".encode())
    finally:
        os.close(handle)


@app.task
def early(number, pause=0.0):
    note(f"start {number}")
    time.sleep(pause)
    note(f"end {number}")


@app.task(acks_late=True)
def late(number, pause=0.0):
    note(f"start {number}")
    time.sleep(pause)
    note(f"end {number}")
