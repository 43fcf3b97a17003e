"""The log of a worker beside a test: it changes nothing for good, and loses nothing of children.

Owned here: putting loggers and streams back, and the way by which records of forked children
reach the handlers of the test's process (pytest's ``caplog``).  Not owned: what is logged.
"""

from __future__ import annotations

import logging
import os
import pickle
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from logging.handlers import QueueHandler, QueueListener
from typing import Any, Final

from taskq.app.log import Logging
from taskq.app.log_files import LogPlan
from taskq.app.log_names import BASE, TASK
from taskq.app.log_streams import LoggingProxy

__all__ = ["Records", "children_heard", "log_here", "logging_kept", "set_up"]

# More than a record needs whose message is a long traceback; what is longer is not sent.
MOST_BYTES: Final = 128 * 1024
_NAMES: Final = (None, BASE, TASK)


@contextmanager
def logging_kept() -> Iterator[None]:
    """Put back, after the block, handlers, levels, streams and what children are told to log.

    The test runner changes its own handlers and streams meanwhile, so only ours are taken away.
    """
    loggers = [logging.getLogger(name) for name in _NAMES]
    before = [(each, each.level, each.propagate) for each in loggers]
    streams, was_set_up = (sys.stdout, sys.stderr), Logging.already_setup
    handlers_before = len(Logging.handlers)
    plan = LogPlan.from_environment(os.environ)
    try:
        yield
    finally:
        for logger, handler in Logging.handlers[handlers_before:]:
            logger.removeHandler(handler)
            handler.close()
        del Logging.handlers[handlers_before:]
        for logger, level, propagate in before:
            logger.setLevel(level)
            logger.propagate = propagate
        if isinstance(sys.stdout, LoggingProxy):
            sys.stdout = streams[0]
        if isinstance(sys.stderr, LoggingProxy):
            sys.stderr = streams[1]
        Logging.already_setup = was_set_up
        LogPlan.restore(plan, os.environ)


def set_up(app: Any, loglevel: str | int, logfile: str | None) -> None:
    """Set up the app's logging, and leave the test runner's handlers where they are."""
    root = logging.getLogger()
    handlers = list(root.handlers)
    if logfile:  # a logger that has a handler gets no other
        root.handlers.clear()
    app.log.setup(loglevel=loglevel, logfile=logfile)
    root.handlers.extend(each for each in handlers if each not in root.handlers)


class Records:
    """A queue of log records from forked children to their parent.

    Each record is one datagram, so a child that is killed leaves neither half a record nor a lock.
    """

    def __init__(self) -> None:
        self._out, self._in = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._in.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2 * MOST_BYTES)

    def put_nowait(self, record: logging.LogRecord | None) -> None:
        """Send one; None ends the listening."""
        self._in.send(pickle.dumps(record))

    def get(self, block: bool = True) -> Any:
        """Wait for one."""
        assert block, "whoever listens waits"
        return pickle.loads(self._out.recv(2 * MOST_BYTES))  # noqa: S301 - of our own children

    def close(self) -> None:
        """Let go of both ends."""
        self._in.close()
        self._out.close()


class _Handing(logging.Handler):
    """Hands a record to the logger of its name, here."""

    def emit(self, record: logging.LogRecord) -> None:
        logging.getLogger(record.name).handle(record)


def log_here(records: Records, handler: type[QueueHandler]) -> None:
    """In a child: send to the parent what would go to the handlers that were inherited."""
    logging.getLogger().handlers[:] = [handler(records)]


@contextmanager
def children_heard(records: Records) -> Iterator[None]:
    """Log here, while the block lasts, what children send."""
    listener = QueueListener(records, _Handing())
    listener.start()
    try:
        yield
    finally:
        listener.stop()
        records.close()
