"""What happens to messages on their way into a broker.  Part of the model of a broker.

An ``Editor`` is given each message that a sender hands over, and returns what arrives: the same,
another, two of them, or none for now.

Not owned: which message is meant, and what is made of it (``taskq_testing.faults``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from taskq.ports import Outgoing

Editor: TypeAlias = Callable[[Outgoing], Sequence[Outgoing]]


class Editors:
    """All that are at work, in the order in which they came."""

    def __init__(self) -> None:
        self._all: dict[Editor, None] = {}

    def __bool__(self) -> bool:
        return bool(self._all)

    def add(self, editor: Editor) -> None:
        """One more."""
        self._all[editor] = None

    def end(self, editor: Editor) -> None:
        """One less."""
        self._all.pop(editor, None)

    def edit(self, outgoing: Outgoing) -> Sequence[Outgoing]:
        """Return what arrives of a message."""
        arrived: Sequence[Outgoing] = (outgoing,)
        for editor in list(self._all):
            arrived = [made for one in arrived for made in editor(one)]
        return arrived
