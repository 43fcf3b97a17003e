"""The app of these tests: what its bodies do goes into a ledger that no broker can lose."""

import ctypes
import json
import os
import signal
import socket
import threading
import time
from pathlib import Path

from taskq import TaskQ
from taskq.errors import SoftTimeLimitExceeded

LEDGER = Path(os.environ["FAILING_LEDGER"])

app = TaskQ("failing", broker=os.environ["FAILING_BROKER"], backend=os.environ["FAILING_BACKEND"])
app.conf.update(
    broker_connection_retry_on_startup=True,
    worker_redirect_stdouts=False,
    **json.loads(os.environ["FAILING_SETTINGS"]),
)


def note(what, name):
    """Append one line, in one write, to a file that survives every kill."""
    line = f"{what} {name} {time.monotonic()} {os.getpid()}\n"
    handle = os.open(LEDGER, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(handle, line.encode())
    finally:
        os.close(handle)


def noted(what, name=None):
    """How often it stands in the ledger."""
    rows = (line.split() for line in LEDGER.read_text().splitlines())
    return sum(row[0] == what and name in {None, row[1]} for row in rows)


@app.task
def work(name, pause=0.0):
    note("start", name)
    time.sleep(pause)
    note("end", name)


@app.task(acks_late=True)
def late(name, pause=0.0):
    note("start", name)
    time.sleep(pause)
    note("end", name)


@app.task
def echo(value):
    return value


# -- what ends the process it runs in ----------------------------------------------------------


@app.task(bind=True, acks_late=True)
def dies(self, name, times):
    """End the process as often as told, as the system does when memory is short."""
    note("start", name)
    if noted("start", name) <= times:
        os.kill(os.getpid(), signal.SIGKILL)
    return bool(self.request.delivery_info["redelivered"])


@app.task(acks_late=True)
def large(name, data):
    note("start", name)
    return len(data)


# -- what cannot travel ------------------------------------------------------------------------


class NeedsMore(Exception):
    """Cannot be made again from its ``args``."""

    def __init__(self, code, *, reason):
        super().__init__(f"{code}: {reason}")
        self.code, self.reason = code, reason


class HasALock(Exception):
    """Carries what nothing can serialize."""

    def __init__(self, text):
        super().__init__(text)
        self.lock = threading.Lock()


def local_error():
    class Local(Exception):
        pass

    return Local("nobody can import me")


ERRORS = {
    "NeedsMore": lambda: NeedsMore(3, reason="why"),
    "HasALock": lambda: HasALock("locked"),
    "Local": local_error,
    "ValueError": lambda: ValueError("a function", lambda: None),
}


@app.task
def fails(which):
    error = ERRORS[which]()
    raise error


# -- what takes long ---------------------------------------------------------------------------


@app.task(acks_late=True)
def keeps_the_interpreter(name, seconds):
    """Wait in C without letting go of the lock that all threads of a process need."""
    note("start", name)
    ctypes.PyDLL(None).usleep(int(seconds * 1e6))
    note("end", name)
    return os.getpid()


@app.task(acks_late=True)
def outlasts(name, count):
    """End when so many others have."""
    note("start", name)
    while noted("end") < count:
        time.sleep(0.02)
    note("end", name)


@app.task(rate_limit="10/s")
def seldom(name):
    note("start", name)


@app.task
def meets(name, other):
    """End when another one runs at the same time."""
    note("start", name)
    while not noted("start", other):
        time.sleep(0.02)
    note("end", name)


# -- what never ends ---------------------------------------------------------------------------


def for_ever(body, hears):
    """Do it again and again; it may hear of its soft limit."""
    while True:
        try:
            body()
        except SoftTimeLimitExceeded:
            if hears:
                raise


def loop():
    while True:
        pass


@app.task
def loops(hears=False):
    for_ever(loop, hears)


@app.task
async def holds_the_loop(hears=False):
    for_ever(loop, hears)


@app.task
def blocks(hears=False):
    """Wait in C for what never comes."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        for_ever(lambda: theirs.recv(1), hears)
