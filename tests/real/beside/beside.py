"""The app of these tests: steps, requests and tasks of its own, which write into a ledger."""

import os
import time

from kombu import Consumer, Exchange, Queue

from taskq import Task, TaskQ
from taskq.contrib.abortable import AbortableTask
from taskq.worker import bootsteps, pidbox
from taskq.worker.request import Request

app = TaskQ("beside", broker=os.environ["BESIDE_BROKER"], backend=os.environ["BESIDE_BACKEND"])
app.conf.update(
    broker_connection_retry_on_startup=True,
    task_default_queue=os.environ.get("BESIDE_QUEUE", "beside"),
    taskq_lease_s=2.0,
)
notices = Queue("notices", Exchange("notices"), "notice")


def note(*words):
    """Append one line, in one write, to a file that survives every kill."""
    handle = os.open(os.environ["BESIDE_LEDGER"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(handle, (" ".join(map(str, words)) + "\n").encode())
    finally:
        os.close(handle)


class OfWorker(bootsteps.StartStopStep):
    """Notes what a worker tells it."""

    requires = ("celery.worker.components:Pool",)

    def create(self, worker):
        note("worker create")

    def start(self, worker):
        note("worker start", worker.pool.num_processes)

    def close(self, worker):
        note("worker close")

    def stop(self, worker):
        note("worker stop")

    def terminate(self, worker):
        note("worker terminate")


class Notices(bootsteps.ConsumerStep):
    """Takes messages of its own."""

    def get_consumers(self, channel):
        note("notices begin")
        return [Consumer(channel, queues=[notices], callbacks=[self.on_notice], accept=["json"])]

    def on_notice(self, body, message):
        note("notice", body["number"])
        message.ack()

    def stop(self, c):
        note("notices stop")
        super().stop(c)

    def shutdown(self, c):
        note("notices shutdown")
        super().shutdown(c)


class Commands(bootsteps.StartStopStep):
    """Hears commands in the place of the worker."""

    def __init__(self, c, **kwargs):
        super().__init__(c, **kwargs)
        kind = getattr(pidbox, os.environ["BESIDE_PIDBOX"])

        class Noting(kind):
            def on_message(self, body, message):
                note("command", body["method"])
                super().on_message(body, message)

        self.box = Noting(c)

    def start(self, c):
        self.box.start(c)

    def stop(self, c):
        self.box.stop(c)

    def shutdown(self, c):
        self.box.shutdown(c)


if os.environ.get("BESIDE_PIDBOX"):
    app.conf.worker_enable_remote_control = False
    app.steps["consumer"].add(Commands)

if os.environ.get("BESIDE_STEPS"):
    app.steps["worker"].add(OfWorker)
    app.steps["consumer"].add(Notices)


class Noted(Request):
    """Notes what becomes of a task."""

    def execute_using_pool(self, pool, **kwargs):
        note("execute", self.name, self.args)
        return super().execute_using_pool(pool, **kwargs)

    def on_accepted(self, pid, time_accepted):
        super().on_accepted(pid, time_accepted)
        note("accepted", self.name)

    def on_timeout(self, soft, timeout):
        super().on_timeout(soft, timeout)
        note("timeout", self.name, soft, timeout)

    def on_success(self, failed__retval__runtime, **kwargs):
        super().on_success(failed__retval__runtime, **kwargs)
        note("success", self.name, failed__retval__runtime[1])

    def on_failure(self, exc_info, send_failed_event=True, return_ok=False):
        super().on_failure(exc_info, send_failed_event=send_failed_event, return_ok=return_ok)
        note("failure", self.name, type(exc_info.exception).__name__)


class NotedTask(Task):
    Request = Noted


@app.task(base=NotedTask)
def good(x):
    return x * 2


@app.task(base=NotedTask)
def bad():
    raise ValueError("bad")


@app.task(base=NotedTask, time_limit=1)
def slow():
    time.sleep(300)


class Dropping(Task):
    """A strategy of its own: odd numbers are settled without a body, even ones go the usual way."""

    def Strategy(self, task, app, consumer):  # noqa: N802 - Celery's name
        from taskq.worker.strategy import default

        usual = default(task, app, consumer)

        def handle(message, body, ack, reject, callbacks, **kwargs):
            if message.payload[0][0] % 2:
                note("dropped", message.payload[0][0])
                ack()
            else:
                usual(message, body, ack, reject, callbacks, **kwargs)

        return handle


@app.task(base=Dropping)
def sieve(number):
    note("sieved", number)


@app.task(base=AbortableTask, bind=True)
def endless(self):
    note("endless begins")
    while not self.is_aborted():
        time.sleep(0.05)
    return "gave up"


@app.task
def plain(x):
    return x
