"""What is to be called when a result is there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = ["OnReady"]


class OnReady:
    """What is to be called when a result is there."""

    def __init__(self) -> None:
        self._callbacks: list[tuple[Callable[..., Any], Callable[..., Any] | None]] = []
        self._fired: tuple[Any, ...] | None = None

    def then(
        self, callback: Callable[..., Any], on_error: Callable[..., Any] | None = None
    ) -> None:
        """Call it, now if it is there already."""
        if self._fired is not None:
            callback(*self._fired)
        else:
            self._callbacks.append((callback, on_error))

    def __call__(self, *args: Any) -> None:
        """It is there: call what was promised."""
        if self._fired is not None:
            return
        self._fired = args
        callbacks, self._callbacks = self._callbacks, []
        for callback, on_error in callbacks:
            try:
                callback(*args)
            except Exception as error:
                if on_error is None:
                    raise
                on_error(error)
