"""What stores have in common that cannot count chords, or keep nothing at all.

``CountsNoChords`` is inherited by every store whose server has no step that counts a member once
and tells the last one; ``KeepsNoGroups`` by the store that is none (``disabled``) and by the one
that answers by message (``rpc``).  Each call says what was wanted to ``refuse``, which raises what
tells how to get it.
"""

# ruff: noqa: ARG002 - the signatures are the port's

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import NoReturn

from taskq.ports import ChordPart


class CountsNoChords(ABC):
    """The part of ``ports.ResultStore`` that is about chords, refused."""

    @property
    def address(self) -> str | None:
        """None: it is at no place that a broker could share."""
        return None

    @staticmethod
    @abstractmethod
    def refuse(wanted: str) -> NoReturn:
        """Raise an error that says what to configure for it."""

    @property
    def counts_chords(self) -> bool:
        """The calls below do not work."""
        return False

    def open_chord(
        self, group_id: str, size: int, expires_s: float | None, body: bytes | None = None
    ) -> None:
        """Refuse."""
        self._refuse_chord(group_id)

    def count_chord(self, part: ChordPart) -> NoReturn:
        """Refuse."""
        self._refuse_chord(part.group_id)

    def chord_parts(self, group_id: str) -> Sequence[bytes]:
        """Refuse."""
        self._refuse_chord(group_id)

    def chord_body(self, group_id: str) -> bytes | None:
        """Refuse."""
        self._refuse_chord(group_id)

    def close_chord(self, group_id: str, owner: str) -> bool:
        """Refuse."""
        self._refuse_chord(group_id)

    def end_chord(self, group_id: str) -> None:
        """Refuse."""
        self._refuse_chord(group_id)

    def _refuse_chord(self, group_id: str) -> NoReturn:
        self.refuse(f"counting the chord {group_id}")


class KeepsNoGroups(CountsNoChords):
    """The half of ``ports.ResultStore`` that is about groups and chords, refused."""

    keeps_nothing = True

    @property
    def key_prefix(self) -> str:
        """There are no keys."""
        return ""

    def save_group(self, group_id: str, payload: bytes, expires_s: float | None) -> None:
        """Refuse."""
        self.refuse(f"saving the group {group_id}")

    def load_group(self, group_id: str) -> bytes | None:
        """Refuse."""
        self.refuse(f"restoring the group {group_id}")

    def forget_group(self, group_id: str) -> None:
        """Refuse."""
        self.refuse(f"forgetting the group {group_id}")
