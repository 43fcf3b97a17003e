"""What a check found."""

from __future__ import annotations

from dataclasses import dataclass

from taskq_testing.sim.trace import Record


@dataclass(frozen=True, slots=True)
class Finding:
    """One broken promise, and the records that show it."""

    check: str
    sentence: str
    records: tuple[Record, ...] = ()

    def __str__(self) -> str:
        shown = "".join(f"\n  {record}" for record in self.records)
        return f"{self.check}: {self.sentence}{shown}"
