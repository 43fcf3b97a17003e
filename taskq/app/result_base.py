"""What handles of one result and of several have in common."""

from __future__ import annotations

import sys
from typing import Any

from taskq.app import control_message

__all__ = ["ResultBase"]


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
        wait: bool = False,  # noqa: ARG002 - replies are asked for through app.control
        timeout: float | None = None,  # noqa: ARG002 - the same
    ) -> None:
        """Ask all workers not to run it; with ``terminate`` also to end what runs it."""
        addressed = self._addressed()
        if addressed:
            control_message.revoke(self.app, addressed, terminate, signal, link=connection)

    @property
    def supports_native_join(self) -> bool:
        """Whether several results can be waited for at once: here always."""
        return True
