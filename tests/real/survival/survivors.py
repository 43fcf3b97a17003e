"""The app of these tests: bodies write into a ledger that no broker can lose."""

import os
import time

from taskq import TaskQ

app = TaskQ("survivors", broker=os.environ["SURVIVORS_BROKER"])
app.conf.update(
    broker_connection_retry_on_startup=True,
    result_backend=os.environ.get("SURVIVORS_BACKEND"),
    task_ignore_result=not os.environ.get("SURVIVORS_BACKEND"),
    taskq_lease_s=1.0,
    worker_redirect_stdouts=False,
)


def note(line):
    """Append one line, in one write, to a file that survives every kill."""
    handle = os.open(os.environ["SURVIVORS_LEDGER"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(handle, f"{line}\n".encode())
    finally:
        os.close(handle)


@app.task(acks_late=True)
def late(number, pause=0.0):
    note(f"start {number}")
    time.sleep(pause)
    note(f"end {number}")


@app.task
def early(number, pause=0.0):
    note(f"start {number}")
    time.sleep(pause)
    note(f"end {number}")
