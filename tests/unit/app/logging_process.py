"""A process whose logging nobody has set up, put back afterwards."""

from __future__ import annotations

import logging
import multiprocessing
import os
import sys
from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from taskq.app.log import Logging
from taskq.conf import Settings


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Iterator[Logging]:
    """``app.log`` in such a process."""
    monkeypatch.setattr(os, "environ", os.environ.copy())
    loggers = [logging.getLogger(name) for name in (None, "taskq", "taskq.task")]
    before = [(logger, logger.handlers[:], logger.level, logger.propagate) for logger in loggers]
    streams, already = (sys.stdout, sys.stderr), Logging.already_setup
    handlers_made, Logging.handlers = Logging.handlers, []
    process = multiprocessing.current_process()
    name = process.name
    Logging.already_setup = False
    yield Logging(SimpleNamespace(conf=Settings()))
    Logging.already_setup, Logging.handlers = already, handlers_made
    process.name = name
    sys.stdout, sys.stderr = streams
    for logger, handlers, level, propagate in before:
        for handler in set(logger.handlers) - set(handlers):
            handler.close()
        logger.handlers[:] = handlers
        logger.setLevel(level)
        logger.propagate = propagate
