"""An app that writes down every signal: which, in which process, from whom, with what."""

import json
import os
import signal
import time

from taskq import Task, TaskQ, signals

URL = os.environ["OPS_BROKER"]
app = TaskQ("heard", broker=URL, backend=os.environ.get("OPS_BACKEND", "rpc://"))
PARENT = os.getpid()


def kind_of(value):
    """Say what a value is, as far as a test wants to know."""
    return (
        value if isinstance(value, str | int | float | bool | type(None)) else type(value).__name__
    )


def listen(name):
    def receive(signal=None, sender=None, **arguments):
        told = {key: kind_of(value) for key, value in arguments.items()}
        place = "parent" if os.getpid() == PARENT else "child"
        row = {"signal": name, "place": place, "sender": kind_of(sender), "told": told}
        if name.startswith("task_") and hasattr(sender, "name"):
            row["sender"] = sender.name
        handle = os.open(os.environ["OPS_LEDGER"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        os.write(handle, (json.dumps(row) + "\n").encode())
        os.close(handle)

    return receive


for name, heard in signals.ALL.items():
    # A receiver of this one would take logging over.
    if name != "setup_logging":
        heard.connect(listen(name), weak=False)


@app.task
def works(number):
    return number


@app.task
def fails():
    raise KeyError("x")


@app.task(bind=True, max_retries=1, default_retry_delay=0)
def tries_again(self):
    if not self.request.retries:
        raise self.retry(countdown=0)


class BreaksBesideItsBody(Task):
    def on_success(self, retval, task_id, args, kwargs):
        raise RuntimeError("no failure of the task")


@app.task(base=BreaksBesideItsBody)
def breaks_beside_its_body():
    pass


@app.task(time_limit=1)
def takes_too_long():
    time.sleep(60)


@app.task
def dies():
    os.kill(os.getpid(), signal.SIGKILL)


@app.task
def sleeps():
    time.sleep(60)
