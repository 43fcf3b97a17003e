"""An app whose task logs and prints, and that may have logging of its own."""

import logging
import os

from taskq import TaskQ, signals
from taskq.app.log import get_task_logger

app = TaskQ("talks", broker=os.environ["OPS_BROKER"])
app.conf.task_ignore_result = True
logger = get_task_logger(__name__)


def mine():
    handler = logging.FileHandler(os.environ["OPS_LOG"])
    handler.setFormatter(logging.Formatter("MINE %(message)s"))
    return handler


if os.environ.get("OPS_LOGGING") == "takes over":

    @signals.setup_logging.connect
    def take_over(**_):
        logging.basicConfig(handlers=[mine()], level=logging.INFO)


if os.environ.get("OPS_LOGGING") == "adds":

    @signals.after_setup_logger.connect
    def add(logger, **_):
        logger.addHandler(mine())


@app.task
def talk():
    logger.info("it was said")
    print("it was said aloud")
