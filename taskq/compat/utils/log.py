"""``celery.utils.log``: what programs ask of logging beside the loggers themselves."""

from __future__ import annotations

import logging
import multiprocessing
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any, Final

from taskq.app.log_names import BASE

__all__ = [
    "LOG_LEVELS",
    "base_logger",
    "current_process",
    "current_process_index",
    "get_multiprocessing_logger",
    "in_sighandler",
    "iter_open_logger_fds",
    "logger_isa",
    "reset_multiprocessing_logger",
    "set_in_sighandler",
]

LOG_LEVELS: Final[dict[Any, Any]] = {
    **logging.getLevelNamesMapping(),
    **{number: name for name, number in logging.getLevelNamesMapping().items()},
    "FATAL": logging.FATAL,
    logging.FATAL: "FATAL",
}
base_logger: Final = logging.getLogger(BASE)

_in_handler: Final[ContextVar[bool]] = ContextVar("taskq_in_sighandler", default=False)


def set_in_sighandler(value: bool) -> None:
    """Say whether a handler of an OS signal runs here."""
    _in_handler.set(value)


class in_sighandler:  # noqa: N801 - Celery's name
    """Say for a while that a handler of an OS signal runs here."""

    def __enter__(self) -> None:
        self._token = _in_handler.set(True)

    def __exit__(self, *exc_info: object) -> None:
        _in_handler.reset(self._token)


def logger_isa(l: logging.Logger, p: logging.Logger, max: int = 1000) -> bool:  # noqa: A002, E741 - Celery's names
    """Whether a logger is another, or below it."""
    this: logging.Logger | None = l
    for _ in range(max):
        if this is p:
            return True
        if this is None:
            return False
        this = this.parent
    raise RuntimeError(f"the parents of logger {l.name!r} go around in a circle")


def iter_open_logger_fds() -> Iterator[Any]:
    """Return the files that loggers write to, each once."""
    seen = set()
    loggers: list[Any] = [*logging.Logger.manager.loggerDict.values(), logging.getLogger()]
    for logger in loggers:
        for handler in getattr(logger, "handlers", ()):
            stream = getattr(handler, "stream", None)
            if stream is not None and id(stream) not in seen:
                seen.add(id(stream))
                yield stream


def current_process() -> Any:
    """Return the process this is, as ``multiprocessing`` knows it."""
    return multiprocessing.current_process()


def current_process_index(base: int = 1) -> int | None:
    """Return the number of this process in its pool, counted from ``base``; None outside of one."""
    index = getattr(current_process(), "index", None)
    return None if index is None else index + base


def get_multiprocessing_logger() -> logging.Logger:
    """Return the logger of ``multiprocessing``."""
    return multiprocessing.get_logger()


def reset_multiprocessing_logger() -> None:
    """Take the handlers from the logger of ``multiprocessing``."""
    logger = multiprocessing.get_logger()
    for handler in list(logger.handlers):
        logger.removeHandler(handler)
