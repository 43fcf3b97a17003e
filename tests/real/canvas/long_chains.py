"""The app of these tests: steps write into a ledger, and may let a test do something after them."""

import os
import time
from pathlib import Path

LIBRARY = os.environ.get("CHAINS_LIBRARY", "taskq")
if LIBRARY == "celery":
    from celery import Celery
else:
    from taskq import TaskQ as Celery
    from taskq import signals

app = Celery("long_chains", broker=os.environ["CHAINS_BROKER"], backend=os.environ["CHAINS_STORE"])
app.conf.update(
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
    task_acks_late=True,
    task_track_started=False,
)
if LIBRARY != "celery":
    app.conf.taskq_chain_window = int(os.environ.get("CHAINS_WINDOW", "16"))
    app.conf.taskq_lease_s = 5.0

LEDGER = Path(os.environ["CHAINS_LEDGER"])
PATIENCE_S = 60


def note(line):
    """Append one line, in one write, to a file that survives every kill."""
    handle = os.open(LEDGER, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(handle, f"{line}\n".encode())
    finally:
        os.close(handle)


@app.task(name="chains.add")
def add(x, y):
    return x + y


@app.task(name="chains.early", acks_late=False)
def early(x, y):
    return x + y


@app.task(name="chains.noted")
def noted(x):
    note(f"{x} {LIBRARY}")
    return x + 1


@app.task(name="chains.cut")
def cut(x):
    """Return, and let the broker be cut before anybody hears of it: see ``after`` below."""
    note(x)
    return x + 1


def after(sender=None, retval=None, **_said):
    """The body has ended; the test answers when it has cut the wires."""
    if sender.name != cut.name:
        return
    asks, answers = LEDGER.with_name(f"cut-{retval}"), LEDGER.with_name(f"done-{retval}")
    if answers.exists():
        return  # it runs once more
    asks.touch()
    deadline = time.monotonic() + PATIENCE_S
    while not answers.exists() and time.monotonic() < deadline:
        time.sleep(0.005)


if LIBRARY != "celery":
    signals.task_postrun.connect(after, weak=False)
