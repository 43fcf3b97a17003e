"""The app of these tests: bodies of chords write into a ledger that no broker can lose."""

import os
import time

from taskq import TaskQ

REDIS = os.environ["CHORDS_REDIS"]
STORE = os.environ.get("CHORDS_STORE", REDIS)
app = TaskQ("chords", broker=os.environ.get("CHORDS_BROKER", REDIS), backend=STORE)
app.conf.update(
    broker_connection_retry_on_startup=True,
    task_acks_late=True,
    taskq_lease_s=1.0,
)


def note(line):
    """Append one line, in one write, to a file that survives every kill."""
    handle = os.open(os.environ["CHORDS_LEDGER"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(handle, f"{line}\n".encode())
    finally:
        os.close(handle)


@app.task
def member(number, pause):
    time.sleep(pause)
    return number


@app.task
def noted(number, pause):
    note(f"began {number}")
    time.sleep(pause)
    return number


@app.task(bind=True)
def body(self, numbers, name):
    again = "again" if self.request.delivery_info["redelivered"] else "first"
    note(f"{name} {os.environ['CHORDS_WORKER']} {again}")
    return sum(numbers)
