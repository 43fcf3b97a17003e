"""Tasks that are sent when the transaction of Django that sends them is committed."""

from __future__ import annotations

from functools import partial
from typing import Any

from taskq.app.task import Task

__all__ = ["DjangoTask"]


class DjangoTask(Task[..., Any]):
    """A task with ``delay_on_commit``: a worker must not look for rows that are not there yet."""

    abstract = True

    def delay_on_commit(self, *args: Any, **kwargs: Any) -> None:
        """Send it once the transaction is committed; at once where there is none.

        There is no result to return: nothing has been sent.
        """
        _on_commit(partial(self.delay, *args, **kwargs))

    def apply_async_on_commit(self, *args: Any, **kwargs: Any) -> None:
        """Do the same with options."""
        _on_commit(partial(self.apply_async, *args, **kwargs))


def _on_commit(send: Any) -> None:
    from django.db import transaction  # type: ignore[import-untyped]  # noqa: PLC0415 - Django is there where this is called

    transaction.on_commit(send)
