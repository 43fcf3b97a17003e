"""Exceptions as plain data, and back.

A worker stores ``exception_data`` of what a body raised; who reads a result gets an exception back
with ``exception_from``.  No class is ever imported or looked for because data names it: the caller
hands in the function that finds classes, and what it does not find is a ``RemoteError`` under the
same name.  Nor is a constructor that somebody has written called with what data says: the class
stays, so that it can be caught, and what the constructor would have done is not done.  Nothing is
pickled here.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import date, datetime, time
from decimal import Decimal
from functools import lru_cache
from types import FunctionType
from typing import Any, Final, TypeAlias

from taskq import errors
from taskq.errors import RemoteError
from taskq.protocol.saferepr import safe_repr

__all__ = ["FindClass", "exception_data", "exception_from", "loaded_class"]

FindClass: TypeAlias = Callable[[str, str], Any]  # module, name -> class, or None

# The names that both projects have travel under the modules in which Celery's clients find them.
_OUR_MODULE: Final = "taskq.errors"
_WIRE_MODULE: Final = "celery.exceptions"
_CODEC_MODULE: Final = "kombu.exceptions"
# Where Celery's own workers have found some of them.
_POOL_MODULE: Final = "billiard.exceptions"
_CODEC_ERRORS: Final = frozenset({"ContentDisallowed", "DecodeError", "EncodeError"})
_OUR_OWN: Final = frozenset(
    {"BrokerLostError", "RemoteError", "TaskqError", "TaskqWarning", "UnknownSettingError"}
    | {"UnknownSettingWarning", "WrongSettingError"}
)
_FOREIGN_MODULES: Final = frozenset({_WIRE_MODULE, _CODEC_MODULE, _POOL_MODULE})
# Whose constructors may be called with what data says: they keep it, and do nothing else.
_TRUSTED_MODULES: Final = frozenset({"builtins", _OUR_MODULE})
_CONSTRUCTORS: Final = ("__init__", "__new__")
_DEEPEST: Final = 32  # nesting of one argument; deeper ones become their repr

_ATOMS: Final = (str, int, float, type(None), bytes, datetime, date, time, Decimal)


def exception_data(
    error: BaseException, can_encode: Callable[[Any], bool] | None = None
) -> dict[str, Any]:
    """Say what an exception is: ``exc_type``, ``exc_message`` (its args) and ``exc_module``.

    An argument for which ``can_encode`` is false becomes its repr.  Without that function the test
    is whether the argument is made of what JSON can say, times and decimals as the codec has them.
    """
    if isinstance(error, RemoteError) and len(error.args) == len(("module", "name", "text")):
        module, name, text = error.args
        return {"exc_type": name, "exc_message": [text], "exc_module": module}
    test = can_encode or is_plain
    kind = type(error)
    return {
        "exc_type": kind.__name__,
        "exc_message": [arg if test(arg) else safe_repr(arg) for arg in error.args],
        "exc_module": _wire_module(kind),
    }


def _wire_module(kind: type[BaseException]) -> str:
    if kind.__module__ != _OUR_MODULE or kind.__name__ in _OUR_OWN:
        return kind.__module__
    return _CODEC_MODULE if kind.__name__ in _CODEC_ERRORS else _WIRE_MODULE


def is_plain(value: Any, depth: int = 0) -> bool:
    """Whether a value is made of what the JSON codec can write, and not too deep."""
    if isinstance(value, _ATOMS):
        return True
    if depth >= _DEEPEST:
        return False
    if isinstance(value, list | tuple):
        return all(is_plain(item, depth + 1) for item in value)
    if isinstance(value, dict):
        return all(isinstance(key, str) for key in value) and all(
            is_plain(item, depth + 1) for item in value.values()
        )
    return False


# -- back ----------------------------------------------------------------------------------------


def loaded_class(module: str, name: str) -> Any:
    """Find a class in a module that this process has already imported; imports nothing."""
    return vars(sys.modules[module]).get(name) if module in sys.modules else None


def exception_from(data: Any, find_class: FindClass = loaded_class) -> BaseException:
    """Make an exception of what ``exception_data`` (or Celery) wrote.

    The class is used only if ``find_class`` returns one that derives from ``BaseException``; what
    cannot be made of it, or not be shown, is a ``RemoteError`` of its name.
    """
    if isinstance(data, BaseException):  # from a store that pickles
        return data
    if not isinstance(data, Mapping):
        return RemoteError("?", "Exception", safe_repr(data))
    module, name, args = _facts(data)
    found = find_class(module, name)
    if not (isinstance(found, type) and issubclass(found, BaseException)):
        return _stand_in(module, name, args)
    try:
        made = _made(found, args)
        str(made)  # it may miss what its constructor was to set
    except Exception:  # noqa: BLE001 - classes may refuse anything, and raise anything
        return _stand_in(module, name, args)
    return made


def _facts(data: Mapping[str, Any]) -> tuple[str, str, tuple[Any, ...]]:
    name = str(data.get("exc_type") or "Exception")
    module = str(data.get("exc_module") or "builtins")
    if module in _FOREIGN_MODULES and hasattr(errors, name):
        module = _OUR_MODULE
    message = data.get("exc_message")
    if isinstance(message, list | tuple):
        return module, name, tuple(message)
    return module, name, () if message is None else (message,)


def _made(kind: type[BaseException], args: tuple[Any, ...]) -> BaseException:
    if all(_defines(kind, name).__module__ in _TRUSTED_MODULES for name in _CONSTRUCTORS):
        with suppress(TypeError):  # its arguments were others
            return kind(*args)
    return _bare(kind, args)


def _defines(kind: type, name: str) -> type:
    """Return the class from which a class has an attribute."""
    return next(each for each in kind.__mro__ if name in vars(each))


def _bare(kind: type[BaseException], args: tuple[Any, ...]) -> BaseException:
    """Make an exception without a constructor of its own."""
    base = next(each for each in kind.__mro__ if each.__module__ == "builtins")
    made: BaseException = base.__new__(kind, *args)
    made.args = args
    vars(made).update(_likely_attributes(kind, args))
    return made


def _likely_attributes(kind: type, args: tuple[Any, ...]) -> Mapping[str, Any]:
    """Guess what its constructor would have kept: its parameters, under their names.

    Programs ask for them (``error.code``).  Nothing is called to find out.
    """
    function = vars(_defines(kind, "__init__"))["__init__"]
    if not isinstance(function, FunctionType):
        return {}
    names = function.__code__.co_varnames[1 : function.__code__.co_argcount]
    defaults = function.__defaults__ or ()
    if not len(names) - len(defaults) <= len(args) <= len(names):
        return {}
    missing = len(names) - len(args)
    return dict(zip(names, (*args, *defaults[len(defaults) - missing :]), strict=True))


def _stand_in(module: str, name: str, args: tuple[Any, ...]) -> RemoteError:
    text = args[0] if len(args) == 1 and isinstance(args[0], str) else safe_repr(args)[1:-1]
    return _made_stand_in(module, name, text)


def _made_stand_in(module: str, name: str, text: str) -> RemoteError:
    return _stand_in_class(module, name)(module, name, text)


def _reduced(error: RemoteError) -> tuple[Any, ...]:
    # The class is found nowhere by its name; pickle and copy make it anew.
    return _made_stand_in, error.args


@lru_cache(maxsize=256)  # the names come from outside: their number is bounded here
def _stand_in_class(module: str, name: str) -> type[RemoteError]:
    """Make a subclass that shows the name of what it stands for."""
    if not name.isidentifier():
        return RemoteError
    body = {"__module__": module, "__doc__": RemoteError.__doc__, "__reduce__": _reduced}
    return type(name, (RemoteError,), body)
