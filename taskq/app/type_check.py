"""Checks the arguments of a call before it is sent.

A function with the same parameters and no body is made once for each task; calling it raises
Python's own ``TypeError``.  ``inspect.Signature.bind`` would do the same 30 times slower, on the
path of every message.
"""

from __future__ import annotations

import inspect
import keyword
from collections.abc import Callable
from typing import Any

__all__ = ["header_of"]


def header_of(fun: Callable[..., Any], bound: bool = False) -> Callable[..., object]:
    """Return a function that takes what ``fun`` takes, and does nothing.

    Of a bound task's function the first parameter is left out.
    """
    try:
        signature = inspect.signature(fun)
    except (TypeError, ValueError):  # a builtin that does not tell its parameters
        return _takes_anything
    parameters = list(signature.parameters.values())
    first_is_self = parameters and parameters[0].kind in (
        inspect.Parameter.POSITIONAL_ONLY,
        inspect.Parameter.POSITIONAL_OR_KEYWORD,
    )
    if bound and first_is_self:
        parameters = parameters[1:]
    return _compile(getattr(fun, "__name__", "task"), parameters)


def _takes_anything(*_args: Any, **_kwargs: Any) -> None:
    """Stand in for a function whose parameters are not known."""


def _compile(name: str, parameters: list[inspect.Parameter]) -> Callable[..., object]:
    plain = [
        parameter.replace(
            annotation=inspect.Parameter.empty,
            default=inspect.Parameter.empty if parameter.default is parameter.empty else _Default(),
        )
        for parameter in parameters
    ]
    if not name.isidentifier() or keyword.iskeyword(name):
        name = "task"
    scope: dict[str, Any] = {}
    source = f"def {name}{inspect.Signature(plain)}: pass"
    # Only identifiers that the interpreter has accepted as parameters go into the source.
    exec(source, scope)  # noqa: S102 - see above
    made: Callable[..., object] = scope[name]
    return made


class _Default:
    """Prints as a default that any source can hold."""

    def __repr__(self) -> str:
        return "None"
