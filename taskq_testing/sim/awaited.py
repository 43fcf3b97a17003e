"""What somebody waits for at one end of a port.

The test itself runs the world until it is there; a simulated process waits in the scheduler.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol


class Awaited(Protocol):
    """Something that may come."""

    @property
    def wakes(self) -> dict[Callable[[], None], None]:
        """Called, each of them, when there is news."""

    @property
    def timeout_s(self) -> float | None:
        """How long to wait; None: for ever."""

    @property
    def there(self) -> bool:
        """There is news of it."""

    def some(self) -> Sequence[str]:
        """A few ids of the tasks that it is about, for people."""


class Waiting(Protocol):
    """Lets a node wait."""

    def __call__(self, awaited: Awaited, /) -> None:
        """Return when it is there, or its time is over."""
