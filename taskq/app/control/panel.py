"""The table of commands: which there are, what they are called with, and who carries them out.

A command is a function of the worker's ``State`` and of arguments by name; it returns its reply.
Ours stand in ``commands/``; a module of an app adds its own by ``control_command`` and
``inspect_command``::

    @inspect_command(args=[("name", str)], signature="<name>")
    def is_known(state, name):
        return {"ok": name in state.app.tasks}

The command line lists what it finds here, so a command that stands here is one there as well.
"""

from __future__ import annotations

from collections import UserDict
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Final, NamedTuple, TypeAlias, TypeVar

__all__ = [
    "NO_REPLY",
    "CommandInfo",
    "Panel",
    "control_command",
    "inspect_command",
    "nok",
    "ok",
    "refused",
]

Function: TypeAlias = Callable[..., Any]
F = TypeVar("F", bound=Function)

CONTROL: Final = "control"
INSPECT: Final = "inspect"
# What a command returns that is not to be answered, though whoever asked would like it.
NO_REPLY: Final = object()
# How long a client waits for the reply of a command that says nothing else.
TIMEOUT_S: Final = 1.0


class CommandInfo(NamedTuple):
    """What is known of a command; the first eight names are Celery's."""

    alias: str | None
    type: str  # control or inspect
    visible: bool
    default_timeout: float
    help: str | None
    signature: str | None  # of its arguments, for people
    args: Sequence[tuple[str, Callable[[str], Any]]] | None  # name and type of each
    variadic: str | None  # the argument that takes all further words
    name: str = ""


class Panel(UserDict[str, Function]):
    """Name to function, and name to what is known of it."""

    data: ClassVar[dict[str, Function]] = {}  # type: ignore[misc]  # one table for all
    meta: ClassVar[dict[str, CommandInfo]] = {}

    @classmethod
    def register(cls, *args: Any, **kwargs: Any) -> Any:
        """Add a command; a decorator, with options or without."""
        return cls._register(**kwargs)(*args) if args else cls._register(**kwargs)

    @classmethod
    def _register(  # noqa: PLR0917 - one for each thing that is known
        cls,
        name: str | None = None,
        alias: str | None = None,
        type: str = CONTROL,  # noqa: A002 - Celery's name
        visible: bool = True,
        default_timeout: float = TIMEOUT_S,
        help: str | None = None,  # noqa: A002 - Celery's name
        signature: str | None = None,
        args: Sequence[tuple[str, Callable[[str], Any]]] | None = None,
        variadic: str | None = None,
    ) -> Callable[[F], F]:
        def add(function: F) -> F:
            known_as = name or function.__name__
            text = help or (function.__doc__ or "").strip().partition("\n")[0]
            info = CommandInfo(
                alias,
                type,
                visible,
                default_timeout,
                text,
                signature,
                args,
                variadic,
                known_as,
            )
            for each in (known_as, alias):
                if each:
                    cls.data[each], cls.meta[each] = function, info
            return function

        return add


def control_command(**kwargs: Any) -> Callable[[F], F]:
    """Make of a function a command that does something at each worker."""
    return Panel._register(type=CONTROL, **kwargs)  # noqa: SLF001 - the same module


def inspect_command(**kwargs: Any) -> Callable[[F], F]:
    """Make of a function a question that each worker answers."""
    return Panel._register(type=INSPECT, **kwargs)  # noqa: SLF001 - the same module


def ok(value: Any) -> dict[str, Any]:
    """Return the reply of a command that was carried out."""
    return {"ok": value}


def nok(value: Any) -> dict[str, Any]:
    """Return the reply of a command that was not."""
    return {"error": value}


def refused(text: str) -> dict[str, Any]:
    """Return the reply of a command that makes no sense here, as Celery words it."""
    return nok(repr(ValueError(text)))
