"""The app of a package: queues and routes of several kinds, a loader of its own, signals."""

import os

from celery import Celery
from celery.loaders.base import BaseLoader
from celery.signals import (
    after_task_publish,
    before_task_publish,
    task_failure,
    task_postrun,
    task_prerun,
    task_retry,
    task_success,
    worker_process_init,
    worker_ready,
)
from celery.utils.log import get_task_logger
from kombu import Exchange, Queue

logger = get_task_logger(__name__)


class Loader(BaseLoader):
    """Reads some settings itself, and counts what it is told."""

    def __init__(self, app, **kwargs):
        super().__init__(app, **kwargs)
        self.prepared = []

    def read_configuration(self, env="CELERY_CONFIG_MODULE"):
        return {"result_expires": 1800, "task_send_sent_event": True}

    def on_task_init(self, task_id, task):
        self.prepared.append(task.name)


def route_task(name, args, kwargs, options, task=None, **kw):
    if name == "shop.tasks.video":
        return {"queue": "media", "routing_key": "video"}
    return None


app = Celery(
    "shop",
    broker=os.environ["PROGRAM_BROKER"],
    backend=os.environ["PROGRAM_BACKEND"],
    include=["shop.tasks"],
    loader=Loader,
)
app.conf.task_default_queue = "default"
app.conf.task_queues = (
    Queue("default", Exchange("default"), routing_key="default"),
    Queue("media", Exchange("media"), routing_key="video"),
    Queue("feeds", Exchange("feeds", type="topic"), routing_key="feed.#"),
)
app.conf.task_routes = (
    route_task,
    {"shop.tasks.feed_*": {"queue": "feeds", "routing_key": "feed.import"}},
)

# What this process has been told of, in order.
told = []


@before_task_publish.connect
def before(sender=None, headers=None, **kwargs):
    if headers is not None and sender == "shop.tasks.whoami":
        headers["customer"] = "kim"


@after_task_publish.connect(sender="shop.tasks.whoami")
def after(sender=None, headers=None, body=None, **kwargs):
    told.append(("published", sender, headers["id"]))


@task_prerun.connect
def prerun(task_id=None, task=None, **kwargs):
    told.append(("prerun", task.name))


@task_postrun.connect
def postrun(task=None, state=None, **kwargs):
    told.append(("postrun", task.name, state))


@task_success.connect
def success(sender=None, result=None, **kwargs):
    told.append(("success", sender.name))


@task_failure.connect
def failure(sender=None, exception=None, **kwargs):
    told.append(("failure", sender.name, type(exception).__name__))


@task_retry.connect
def retry(sender=None, reason=None, **kwargs):
    told.append(("retry", sender.name))


@worker_process_init.connect
def child(**kwargs):
    told.append(("process",))


@worker_ready.connect
def ready(sender=None, **kwargs):
    logger.info("the shop is open on %s", sender.hostname)
