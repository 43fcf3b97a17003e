"""Tasks of several kinds."""

from celery import Task, shared_task
from celery.exceptions import Ignore, Reject
from celery.utils.log import get_task_logger
from celery.worker.request import Request

from .celery import app, told

logger = get_task_logger(__name__)


class DebugRequest(Request):
    """A request that notes what its worker tells it."""

    def on_failure(self, exc_info, send_failed_event=True, return_ok=False):
        super().on_failure(exc_info, send_failed_event=send_failed_event, return_ok=return_ok)
        logger.warning("the request of %s saw a failure", self.task.name)


class CountingTask(Task):
    """A class with something that is made once for each process, and with handlers."""

    Request = DebugRequest
    _counter = None

    @property
    def counter(self):
        if self._counter is None:
            self._counter = []
        return self._counter

    def before_start(self, task_id, args, kwargs):
        self.counter.append("before")

    def on_success(self, retval, task_id, args, kwargs):
        self.counter.append("success")

    def on_failure(self, exc, task_id, args, kwargs, einfo):
        logger.warning("handler of %s: %r", self.name, exc)


@app.task(base=CountingTask, bind=True)
def count(self, n):
    if n < 0:
        raise ValueError(n)
    return [*self.counter, n]


class Greeter(app.Task):
    """A class-based task, registered by hand."""

    name = "shop.greet"
    greeting = "hello"

    def run(self, who):
        return f"{self.greeting} {who}"


greet = app.register_task(Greeter())


@app.task(bind=True)
def whoami(self):
    return {
        "id": self.request.id,
        "hostname": self.request.hostname,
        "customer": getattr(self.request, "customer", None) or self.request.headers.get("customer"),
        "queue": self.request.delivery_info["routing_key"],
    }


@app.task(bind=True)
def video(self, name):
    return self.request.delivery_info["routing_key"]


@app.task(bind=True)
def feed_import(self, name):
    return self.request.delivery_info["routing_key"]


@app.task(bind=True, max_retries=3, default_retry_delay=0.05)
def flaky(self, times):
    if self.request.retries < times:
        raise self.retry(exc=ConnectionError(self.request.retries))
    return self.request.retries


@app.task(autoretry_for=(OSError,), retry_backoff=False, default_retry_delay=0.05, max_retries=1)
def unlucky():
    raise OSError("no luck")


@shared_task
def shared(x, y=1):
    return x * y


@app.task
def ignored():
    raise Ignore


@app.task(acks_late=True)
def rejected():
    raise Reject("no", requeue=False)


@app.task
def what_was_told():
    return [list(each) for each in told], list(app.loader.prepared)
