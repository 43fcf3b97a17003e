"""``celery.utils.deprecated``: says that something will go away."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable as Function
from typing import Any, Final

from taskq.errors import CDeprecationWarning, CPendingDeprecationWarning

__all__ = ["Callable", "Property", "warn"]

# The caller of the function that is deprecated.
_CALLER: Final = 2


def warn(
    description: str | None = None,
    deprecation: str | None = None,
    removal: str | None = None,
    alternative: str | None = None,
    stacklevel: int = _CALLER,
) -> None:
    """Warn: with a ``deprecation`` version it is planned, without one it is so."""
    going = f" and removal in version v{removal}" if removal else ""
    instead = f" {alternative}" if alternative else ""
    if deprecation is not None:
        text = (
            f"{description} is scheduled for deprecation in version {deprecation}{going}.{instead}"
        )
        warnings.warn(CPendingDeprecationWarning(text), stacklevel=stacklevel + 1)
        return
    later = f" and is scheduled for removal in version v{removal}" if removal else ""
    text = f"{description} is deprecated{later}.{instead}"
    warnings.warn(CDeprecationWarning(text), stacklevel=stacklevel + 1)


def Callable(  # noqa: N802 - Celery's name
    deprecation: str | None = None,
    removal: str | None = None,
    alternative: str | None = None,
    description: str | None = None,
) -> Any:
    """Mark a function as one that will go away."""

    def decorate(fun: Function[..., Any]) -> Function[..., Any]:
        @functools.wraps(fun)
        def call(*args: Any, **kwargs: Any) -> Any:
            instead = f"Use {alternative} instead." if alternative else None
            name = description or f"{fun.__module__}.{fun.__qualname__}"
            warn(name, deprecation, removal, instead, stacklevel=_CALLER + 1)
            return fun(*args, **kwargs)

        return call

    return decorate


def Property(  # noqa: N802 - Celery's name
    deprecation: str | None = None,
    removal: str | None = None,
    alternative: str | None = None,
    description: str | None = None,
) -> Any:
    """Mark a property as one that will go away."""

    def decorate(fun: Function[[Any], Any]) -> property:
        mark = Callable(deprecation, removal, alternative, description)
        return property(mark(fun), doc=fun.__doc__)

    return decorate
