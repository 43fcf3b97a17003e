# ruff: noqa: PLR0917 - handlers have the parameters that Celery gives them
"""Tasks for workers and clients of both libraries; with taskq, ``celery`` is the alias."""

import os
import threading
import time

import celery
import redis
from celery import Celery, Task
from celery.contrib.abortable import AbortableTask
from celery.exceptions import Ignore, Reject, SoftTimeLimitExceeded
from kombu import Exchange, Queue
from kombu.common import Broadcast

LIBRARY = "taskq" if "taskq" in celery.__version__ else "celery"
BROKER, STORE = os.environ["MATRIX_BROKER"], os.environ["MATRIX_STORE"]

app = Celery("matrix", broker=BROKER, backend=STORE)
app.conf.update(
    broker_connection_retry_on_startup=True,
    accept_content=["json", "pickle", "yaml", "msgpack"],
    result_accept_content=["json", "pickle", "yaml", "msgpack"],
    result_serializer=os.environ.get("MATRIX_RESULTS", "json"),
    result_extended=True,
    worker_prefetch_multiplier=4,
    worker_send_task_events=True,
    task_send_sent_event=True,
    task_queue_max_priority=9,
    task_default_queue="shared",
    # Where a worker is not told which queues are its own, as in a client, these are known.
    task_queues=[
        *(Queue(name, Exchange(name), name) for name in ("shared", "celery", "taskq")),
        Broadcast("everybody"),
    ],
)


class Sold(Exception):
    """An error of the program's own."""

    def __init__(self, thing, count):
        super().__init__(thing, count)
        self.thing, self.count = thing, count


if os.environ.get("MATRIX_WORKER"):

    class OnlyInWorkers(Exception):
        """Clients have no such class."""


def ledger():
    """Where tasks write what they did."""
    return redis.Redis.from_url(os.environ["MATRIX_LEDGER"], decode_responses=True)


def note(key, *words):
    with ledger() as server:
        server.rpush(f"ledger:{key}", "|".join(str(word) for word in words))


@app.task(name="m.add")
def add(x, y=0):
    return x + y


@app.task(name="m.same")
def same(*args, **kwargs):
    return [list(args), kwargs]


@app.task(name="m.total")
def total(numbers):
    return sum(numbers)


@app.task(name="m.who")
def who(*_):
    return LIBRARY


@app.task(name="m.typed")
def typed(value):
    """Say what arrived."""
    return [type(value).__name__, str(value)]


@app.task(name="m.fail")
def fail(kind, *args):
    if kind == "Sold":
        raise Sold(*args)
    if kind == "locked":
        error = ValueError("locked")
        error.lock = threading.Lock()
        raise error
    if kind == "only in workers":
        raise OnlyInWorkers(*args)
    if kind == "chained":
        try:
            raise KeyError("inner")
        except KeyError as inner:
            raise RuntimeError("outer") from inner
    raise {"ValueError": ValueError, "KeyError": KeyError}[kind](*args)


@app.task(name="m.unspeakable")
def unspeakable():
    """Return what no serializer can write."""
    return threading.Lock()


@app.task(name="m.again", bind=True, max_retries=5)
def again(self, value, most=2, countdown=0.05):
    if self.request.retries < most:
        raise self.retry(countdown=countdown)
    return [value, self.request.retries]


@app.task(name="m.gives_up", bind=True, max_retries=1)
def gives_up(self):
    try:
        raise Sold("tea", 3)
    except Sold as error:
        raise self.retry(exc=error, countdown=0.05) from error


@app.task(name="m.auto", autoretry_for=(OSError,), retry_backoff=0.01, max_retries=3, bind=True)
def auto(self, value):
    if self.request.retries < 2:
        raise OSError("not yet")
    return value


@app.task(name="m.nap", track_started=True)
def nap(seconds, key=None):
    if key:
        note(key, "began", LIBRARY)
    time.sleep(seconds)
    if key:
        note(key, "ended", LIBRARY)
    return seconds


@app.task(name="m.late", acks_late=True, track_started=True)
def late(seconds, key):
    note(key, "began", LIBRARY)
    time.sleep(seconds)
    note(key, "ended", LIBRARY)
    return LIBRARY


@app.task(name="m.noted")
def noted(*words):
    note(words[-1], *words[:-1])
    return list(words[:-1])


@app.task(name="m.told")
def told(task_id):
    """An errback of the old style: it takes an id."""
    note(task_id, "told", task_id)


@app.task(name="m.heard")
def heard(request, exc, traceback, key):
    """An errback of the new style: it is called where the task failed."""
    note(key, "heard", request.id, type(exc).__name__, *getattr(exc, "args", ()))


@app.task(name="m.becomes", bind=True)
def becomes(self, *args):
    *given, sig = args
    raise self.replace(app.signature(sig).clone(tuple(given)))


@app.task(name="m.grows", bind=True)
def grows(self, number, queue):
    self.add_to_chord(add.s(number, 1000).set(queue=queue))
    return number


@app.task(name="m.stamps", bind=True)
def stamps(self, *_):
    return dict(self.request.stamps or {})


@app.task(name="m.seen", bind=True)
def seen(self, *args, **kwargs):
    """What a body can learn of its message."""
    asked = self.request
    return {
        "id": asked.id,
        "root_id": asked.root_id,
        "parent_id": asked.parent_id,
        "group": asked.group,
        "correlation_id": asked.correlation_id,
        "args": list(asked.args),
        "kwargs": asked.kwargs,
        "retries": asked.retries,
        "eta": asked.eta,
        "expires": asked.expires,
        "timelimit": list(asked.timelimit or (None, None)),
        "priority": asked.delivery_info["priority"],
        "routing_key": asked.delivery_info["routing_key"],
        "redelivered": bool(asked.delivery_info["redelivered"]),
        "ignore_result": asked.ignore_result,
        "shadow": asked.shadow,
        "argsrepr": asked.argsrepr,
        "customer": (asked.headers or {}).get("customer"),
        "library": LIBRARY,
    }


@app.task(name="m.sends", bind=True)
def sends(self, queue):
    """Send another task, and say its ids."""
    child = seen.apply_async(queue=queue)
    return [self.request.id, self.request.root_id, child.id]


@app.task(name="m.rejects", bind=True, acks_late=True)
def rejects(self, key, requeue):
    with ledger() as server:
        count = server.rpush(f"ledger:{key}", LIBRARY)
    if count == 1 or not requeue:
        raise Reject("not mine", requeue=requeue)
    return bool(self.request.delivery_info["redelivered"])


@app.task(name="m.ignores", bind=True)
def ignores(self):
    self.update_state(state="MINE", meta={"left": 1})
    raise Ignore


@app.task(name="m.progress", bind=True)
def progress(self, key):
    self.update_state(state="PROGRESS", meta={"done": 3})
    note(key, "told")
    until = time.monotonic() + 60
    with ledger() as server:
        while not server.exists(f"ledger:{key}:go") and time.monotonic() < until:
            time.sleep(0.05)
    return "done"


@app.task(name="m.silent", ignore_result=True)
def silent(key):
    note(key, LIBRARY)
    return "nobody reads this"


@app.task(name="m.soft", soft_time_limit=0.5, time_limit=30)
def soft():
    try:
        time.sleep(20)
    except SoftTimeLimitExceeded:
        return "cleaned up"


@app.task(name="m.too_long", soft_time_limit=0.5)
def too_long():
    time.sleep(20)


@app.task(name="m.hard", time_limit=1)
def hard():
    time.sleep(20)


@app.task(name="m.abortable", bind=True, base=AbortableTask)
def abortable(self, key):
    note(key, "began")
    until = time.monotonic() + 60
    while not self.is_aborted():
        if time.monotonic() > until:
            return "never asked"
        time.sleep(0.05)
    return "gave up"


@app.task(name="m.everywhere")
def everywhere(key):
    note(key, LIBRARY)


@app.task(name="m.restores")
def restores(group_id):
    """Restore a group that a client has saved, and say what is in it."""
    found = app.GroupResult.restore(group_id)
    return [each.id for each in found.results]


@app.task(name="m.reads")
def reads(task_id):
    """Read what another worker has stored."""
    found = app.AsyncResult(task_id)
    return [found.state, repr(found.result), found.name, found.queue]


class Counting(Task):
    """Says what its handlers are told."""

    def on_success(self, retval, task_id, args, kwargs):
        note(args[0], "on_success", task_id, retval)

    def on_failure(self, exc, task_id, args, kwargs, einfo):
        note(args[0], "on_failure", task_id, type(exc).__name__, "ValueError" in str(einfo))

    def on_retry(self, exc, task_id, args, kwargs, einfo):
        note(args[0], "on_retry", task_id)

    def after_return(self, status, retval, task_id, args, kwargs, einfo):
        note(args[0], "after_return", status)


@app.task(name="m.counted", base=Counting, bind=True)
def counted(self, key, fails):
    if self.request.retries < 1:
        raise self.retry(countdown=0)
    if fails:
        raise ValueError(key)
    return 7
