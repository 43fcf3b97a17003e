"""Result stores of a world, as a table; and the one that cannot count.

``AskedStoreModel`` is what files and databases are: everybody may read a result, and no step of it
counts the members of a chord.  Who waits for a result is told of it, as elsewhere: how often a real
one is asked meanwhile is no matter of a world.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final, NoReturn

from taskq.ports import ChordPart
from taskq_testing.sim.store import StoreEnd, StoreModel


class AskedStoreModel(StoreModel):
    """The server, without counts."""


class AskedStoreEnd(StoreEnd):
    """The ``ResultStore`` port of one node."""

    @property
    def address(self) -> str | None:
        """Nowhere that a broker could share."""
        return None

    @property
    def asks_for_chords(self) -> bool:
        """Chords end by asking."""
        return True

    @property
    def counts_chords(self) -> bool:
        """The calls below do not work."""
        return False

    def open_chord(
        self,
        group_id: str,
        size: int,  # noqa: ARG002 - the port's
        expires_s: float | None,  # noqa: ARG002 - the port's
        body: bytes | None = None,  # noqa: ARG002 - the port's
    ) -> None:
        """Refuse."""
        self._refuse(group_id)

    def count_chord(self, part: ChordPart) -> NoReturn:
        """Refuse."""
        self._refuse(part.group_id)

    def chord_parts(self, group_id: str) -> Sequence[bytes]:
        """Refuse."""
        self._refuse(group_id)

    def close_chord(self, group_id: str, owner: str) -> bool:  # noqa: ARG002 - the port's
        """Refuse."""
        self._refuse(group_id)

    def end_chord(self, group_id: str) -> None:
        """Refuse."""
        self._refuse(group_id)

    def _refuse(self, group_id: str) -> NoReturn:
        raise NotImplementedError(
            f"counting the chord {group_id}: this store counts nothing; a result_backend of kind"
            " 'counting' does"
        )


STORES: Final[Mapping[str, type[StoreModel]]] = MappingProxyType(
    {"counting": StoreModel, "asked": AskedStoreModel}
)
