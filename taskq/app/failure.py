"""Exceptions on their way through a result store, and as handlers of tasks get them.

With a serializer that keeps no objects an exception travels as the name of its class and its
arguments.  A reader never imports a module because of what a store says: a class that is not
loaded here comes back as a ``RemoteError`` of that name.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable, Mapping
from functools import lru_cache
from types import TracebackType
from typing import Any, Final

from taskq import errors
from taskq.errors import RemoteError

__all__ = ["ExceptionInfo", "exception_from_dict", "exception_to_dict", "traceback_text"]

# Where the classes of ``taskq.errors`` stand for those who read Celery's results, and write them.
_WIRE_MODULE: Final = "celery.exceptions"
_POOL_MODULE: Final = "billiard.exceptions"
_POOL_ERRORS: Final = frozenset(
    {"SoftTimeLimitExceeded", "Terminated", "TimeLimitExceeded", "WorkerLostError"}
)
_OURS: Final = frozenset({_WIRE_MODULE, _POOL_MODULE, errors.__name__, "billiard.einfo"})
_OPERATIONAL: Final = frozenset({"EncodeError", "DecodeError", "ContentDisallowed"})

# A traceback is stored with each failure; beyond this only its two ends are of use.
TRACEBACK_LIMIT_CHARACTERS: Final = 64 * 1024


class ExceptionInfo:
    """What the handlers of a task get of a failure: the exception, and its traceback as text."""

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


def exception_to_dict(error: BaseException, is_encodable: Callable[[Any], bool]) -> dict[str, Any]:
    """Say which exception it is; arguments that cannot be encoded go as their repr."""
    kind = type(error)
    arguments = list(error.args)
    if not is_encodable(arguments):
        arguments = [each if is_encodable(each) else _repr(each) for each in arguments]
    return {
        "exc_type": kind.__qualname__,
        "exc_message": arguments,
        "exc_module": _module_on_the_wire(kind),
    }


def _repr(value: Any) -> str:
    try:
        return repr(value)
    except Exception as error:  # noqa: BLE001 - the repr of a user's object may do anything
        return f"<{type(value).__name__} whose repr raised {type(error).__name__}>"


def _module_on_the_wire(kind: type[BaseException]) -> str:
    if kind.__module__ != errors.__name__:
        return kind.__module__
    if kind.__name__ in _POOL_ERRORS:
        return _POOL_MODULE
    return "kombu.exceptions" if kind.__name__ in _OPERATIONAL else _WIRE_MODULE


def exception_from_dict(value: Any) -> BaseException:
    """Make the exception again that ``exception_to_dict`` described."""
    if isinstance(value, BaseException):
        return value
    if not isinstance(value, Mapping) or "exc_type" not in value:
        return RemoteError("", "Exception", str(value))
    name, module = str(value["exc_type"]), value.get("exc_module")
    message = value.get("exc_message", value.get("exc"))
    arguments = tuple(message) if isinstance(message, list | tuple) else (message,)
    kind = _find_class(name, module)
    if kind is None:
        text = ", ".join(map(repr, arguments))
        return _remote_class(name, module or "")(module or "", name, text)
    return _build(kind, arguments)


def _find_class(name: str, module: str | None) -> type[BaseException] | None:
    """Return a loaded exception class; None where there is none."""
    if module is None:
        module = _WIRE_MODULE if hasattr(errors, name) else "builtins"
    found: Any = errors if module in _OURS else sys.modules.get(module)
    if module == "kombu.exceptions" and name in _OPERATIONAL:
        found = errors
    for part in name.split("."):
        found = getattr(found, part, None)
    return found if isinstance(found, type) and issubclass(found, BaseException) else None


def _build(kind: type[BaseException], arguments: tuple[Any, ...]) -> BaseException:
    try:
        return kind(*arguments)
    except Exception:  # noqa: BLE001 - a user's constructor; the class is worth more than it
        bare: BaseException = kind.__new__(kind)
        bare.args = arguments
        return bare


@lru_cache(maxsize=256)
def _remote_class(name: str, module: str) -> type[RemoteError]:
    """Return a class of the sender's name, so that logs and ``type(error).__name__`` read right."""
    return type(name.rpartition(".")[2], (RemoteError,), {"__module__": module or __name__})
