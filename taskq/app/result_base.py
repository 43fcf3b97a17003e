"""What handles of one result and of several have in common."""

from __future__ import annotations

import sys
from typing import Any

__all__ = ["ResultBase"]


def asking(*, wait: bool, timeout: float | None) -> dict[str, Any]:
    """Return what a command is told by who waits for replies, or does not."""
    return {"reply": wait} if timeout is None else {"reply": wait, "timeout": timeout}


class ResultBase:
    """What all handles are."""

    app: Any
    parent: Any = None

    @property
    def _kind(self) -> type[Any]:
        """The class that other processes know: one that an app has derived stands in no module."""
        kind: type[Any] = next(
            each
            for each in type(self).__mro__
            if getattr(sys.modules.get(each.__module__), each.__name__, None) is each
        )
        return kind

    def _addressed(self) -> str | list[str]:
        """Return the ids of the tasks that stand behind it."""
        raise NotImplementedError

    def revoke(
        self,
        connection: Any = None,
        terminate: bool = False,
        signal: str | None = None,
        wait: bool = False,
        timeout: float | None = None,
    ) -> None:
        """Let no worker run it; with ``terminate`` also end what runs it.

        With ``wait`` it returns when the workers have answered, or the timeout is over.
        """
        addressed = self._addressed()
        if addressed:
            self.app.control.revoke(
                addressed,
                terminate=terminate,
                signal=signal,
                connection=connection,
                **asking(wait=wait, timeout=timeout),
            )

    @property
    def supports_native_join(self) -> bool:
        """Whether several results can be waited for at once: here always."""
        return True
