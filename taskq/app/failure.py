"""Failures as handlers of tasks get them: the exception, and its traceback as text."""

from __future__ import annotations

import traceback
from types import TracebackType
from typing import Any, Final

__all__ = ["ExceptionInfo", "traceback_text"]

# A traceback is stored with each failure; beyond this only its two ends are of use.
TRACEBACK_LIMIT_CHARACTERS: Final = 64 * 1024


class ExceptionInfo:
    """What ``on_failure`` and the signal ``task_failure`` call ``einfo``."""

    def __init__(
        self, exception: BaseException, text: str | None = None, internal: bool = False
    ) -> None:
        self.type: type[BaseException] = type(exception)
        self.exception = exception
        self.tb: TracebackType | None = exception.__traceback__
        self.internal = internal
        self.traceback: str = traceback_text(exception) if text is None else text

    def __str__(self) -> str:
        return self.traceback

    def __repr__(self) -> str:
        return f"<ExceptionInfo: {self.exception!r}>"

    @property
    def exc_info(self) -> tuple[type[BaseException], BaseException, TracebackType | None]:
        """The three values that Python knows an exception by."""
        return self.type, self.exception, self.tb

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.exception, self.traceback, self.internal)


def traceback_text(error: BaseException) -> str:
    """Write down an exception and its causes; the middle of a very long text is left out."""
    text = "".join(traceback.format_exception(error))
    if len(text) <= TRACEBACK_LIMIT_CHARACTERS:
        return text
    half = TRACEBACK_LIMIT_CHARACTERS // 2
    return f"{text[:half]}\n... {len(text) - 2 * half} characters left out ...\n{text[-half:]}"
