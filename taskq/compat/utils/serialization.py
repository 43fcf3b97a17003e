"""``celery.utils.serialization``: exceptions that travel, and values made fit for JSON."""

from __future__ import annotations

import base64
import datetime as dt
import numbers
import pickle
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import takewhile
from types import MappingProxyType
from typing import Any, Final

__all__ = [
    "UnpickleableExceptionWrapper",
    "b64decode",
    "b64encode",
    "create_exception_cls",
    "ensure_serializable",
    "find_pickleable_exception",
    "get_pickleable_etype",
    "get_pickleable_exception",
    "get_pickled_exception",
    "itermro",
    "jsonify",
    "raise_with_context",
    "strtobool",
    "subclass_exception",
]

# Where one stops: these would be found for any exception, and say nothing of it.
_ROOTS: Final = (Exception, BaseException, object)

TRUTH: Final[Mapping[str, bool]] = MappingProxyType(
    {
        **dict.fromkeys(("true", "yes", "1", "on"), True),
        **dict.fromkeys(("false", "no", "0", "off"), False),
    }
)


def subclass_exception(name: str, parent: type[BaseException], module: str) -> Any:
    """Make a class of exceptions."""
    return type(name, (parent,), {"__module__": module})


def create_exception_cls(name: str, module: str, parent: type[BaseException] | None = None) -> Any:
    """Make a class of exceptions, below ``Exception`` if nothing else is said."""
    return subclass_exception(name, parent or Exception, module)


def itermro(cls: type, stop: Iterable[type]) -> Iterator[type]:
    """Return the classes of an object up to one of ``stop``."""
    stops = set(stop)
    return takewhile(lambda each: each not in stops, cls.mro())


def find_pickleable_exception(
    exc: BaseException,
    loads: Callable[[Any], Any] = pickle.loads,
    dumps: Callable[[Any], Any] = pickle.dumps,
) -> BaseException | None:
    """Return an exception of the nearest class above that can be pickled; None if none can."""
    for kind in itermro(type(exc), _ROOTS):
        try:
            near: BaseException = kind(*getattr(exc, "args", ()))
            loads(dumps(near))
        except Exception:  # noqa: BLE001, S112 - a boundary: constructors and reducers of users
            continue
        return near
    return None


class UnpickleableExceptionWrapper(Exception):
    """Carries an exception that cannot be pickled: its class by name, its arguments, its text."""

    exc_module: str = ""
    exc_cls_name: str = ""
    exc_args: Any = None

    def __init__(
        self, exc_module: str, exc_cls_name: str, exc_args: Any, text: str | None = None
    ) -> None:
        safe = ensure_serializable(exc_args, pickle.dumps)
        self.exc_module, self.exc_cls_name, self.exc_args = exc_module, exc_cls_name, safe
        self.text = text
        super().__init__(exc_module, exc_cls_name, safe, text)

    def restore(self) -> BaseException:
        """Return an exception with that name and those arguments."""
        made: BaseException = create_exception_cls(self.exc_cls_name, self.exc_module)(
            *self.exc_args
        )
        return made

    @classmethod
    def from_exception(cls, exc: BaseException) -> UnpickleableExceptionWrapper:
        """Wrap an exception."""
        kind = type(exc)
        return cls(kind.__module__, kind.__name__, getattr(exc, "args", ()), repr(exc))

    def __str__(self) -> str:
        return self.text or ""


def get_pickleable_exception(exc: BaseException) -> BaseException:
    """Return the exception itself if it can be pickled, else what comes nearest."""
    try:
        pickle.loads(pickle.dumps(exc))  # noqa: S301 - what was written on the line itself
    except Exception:  # noqa: BLE001 - a boundary: reducers of users
        return find_pickleable_exception(exc) or UnpickleableExceptionWrapper.from_exception(exc)
    return exc


def get_pickleable_etype(
    cls: type,
    loads: Callable[[Any], Any] = pickle.loads,
    dumps: Callable[[Any], Any] = pickle.dumps,
) -> type:
    """Return the nearest class above that can be pickled."""
    for kind in itermro(cls, ()):
        try:
            loads(dumps(kind))
        except Exception:  # noqa: BLE001, S112 - a boundary, as above
            continue
        return kind
    return Exception


def get_pickled_exception(exc: BaseException) -> BaseException:
    """Return the original of an exception that may have been wrapped."""
    return exc.restore() if isinstance(exc, UnpickleableExceptionWrapper) else exc


def ensure_serializable(items: Iterable[Any], encoder: Callable[[Any], Any]) -> tuple[Any, ...]:
    """Return the items, in the place of each that cannot be encoded its repr."""

    def safe(item: Any) -> Any:
        try:
            encoder(item)
        except Exception:  # noqa: BLE001 - a boundary: encoders of users
            return repr(item)
        return item

    return tuple(safe(item) for item in items)


def b64encode(s: Any) -> str:
    """Encode bytes or text as text."""
    return base64.b64encode(s.encode() if isinstance(s, str) else s).decode()


def b64decode(s: Any) -> bytes:
    """Decode what ``b64encode`` made."""
    return base64.b64decode(s.encode() if isinstance(s, str) else s)


def strtobool(term: Any, table: Mapping[str, bool] | None = None) -> Any:
    """Turn words like ``yes`` and ``off`` into truth; anything but text stays."""
    if not isinstance(term, str):
        return term
    try:
        return (TRUTH if table is None else table)[term.lower()]
    except KeyError:
        raise TypeError(f"Cannot coerce {term!r} to type bool") from None


_PLAIN: Final = (numbers.Real, str)


def jsonify(  # noqa: C901, PLR0911 - a row for each kind of value
    obj: Any,
    builtin_types: tuple[type, ...] = _PLAIN,
    key: Any = None,
    keyfilter: Callable[[Any], object] | None = None,
    unknown_type_filter: Callable[[Any], Any] | None = None,
) -> Any:
    """Return a value made of what JSON has; times as text, to the millisecond."""

    def deeper(value: Any, name: Any = key) -> Any:
        return jsonify(value, builtin_types, name, keyfilter, unknown_type_filter)

    if hasattr(obj, "__jsonify__"):
        return deeper(obj.__jsonify__())
    match obj:
        case None:
            return None
        case _ if isinstance(obj, builtin_types):
            return obj
        case list() | tuple():
            return [deeper(each) for each in obj]
        case dict():
            wanted = keyfilter or (lambda _name: True)
            return {name: deeper(value, name) for name, value in obj.items() if wanted(name)}
        case dt.datetime() | dt.time():
            return obj.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        case dt.date():
            return obj.isoformat()
        case dt.timedelta():
            return str(obj)
        case _:
            pass
    if unknown_type_filter is None:
        raise ValueError(f"JSON has no form of a {type(obj).__name__}: {obj!r} (key: {key!r})")
    return unknown_type_filter(obj)


def raise_with_context(exc: BaseException) -> None:
    """Raise an exception from the one that is being handled, if there is one."""
    handled = sys.exc_info()[1]
    if handled is None or exc is handled:
        raise exc
    raise exc from handled
