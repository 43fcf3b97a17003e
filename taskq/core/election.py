"""Elections: workers agree on one of them, which then does something.

Whoever is asked to, stands for election by an event with its logical clock; all hear all of
them.  The lowest clock wins, and then the first name: so who has heard the same agrees.  An
election is over when all members that are known have stood, or after a while with those that have.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any, Final

from taskq.ports import Reading

# How long an election stays open for those that are known to be there and say nothing.
OPEN_S: Final = 5.0
# How many are remembered; the oldest go.
MOST_ELECTIONS: Final = 100


@dataclass(frozen=True, slots=True)
class Candidate:
    """A worker that stands for election."""

    clock: int
    fullname: str  # node name and pid
    hostname: str
    topic: str
    action: Any

    @property
    def rank(self) -> tuple[int, str]:
        """The lowest wins."""
        return self.clock, self.fullname


@dataclass(frozen=True, slots=True)
class Elected:
    """How an election ended."""

    election_id: str
    winner: Candidate


@dataclass(slots=True)
class _Election:
    until_s: float
    candidates: dict[str, Candidate] = field(default_factory=dict)
    over: bool = False


class Elections:
    """What one worker knows of elections."""

    def __init__(self) -> None:
        self._elections: dict[str, _Election] = {}

    @property
    def wake_at_s(self) -> float | None:
        """When the next one is over, on the clock that never goes back."""
        return min((one.until_s for one in self._elections.values() if not one.over), default=None)

    def stands(self, election_id: str, candidate: Candidate, now: Reading) -> None:
        """Somebody stands for election."""
        election = self._elections.get(election_id)
        if election is None:
            election = self._elections[election_id] = _Election(now.elapsed_s + OPEN_S)
            if len(self._elections) > MOST_ELECTIONS:
                del self._elections[next(iter(self._elections))]
        election.candidates.setdefault(candidate.fullname, candidate)

    def decided(self, members: Collection[str], now: Reading, *, settled: bool) -> list[Elected]:
        """Return the elections that are over now, each once.

        ``settled``: this worker has been there for long enough to know all members.
        """
        found: list[Elected] = []
        for election_id, election in self._elections.items():
            if election.over:
                continue
            stood = {one.hostname for one in election.candidates.values()}
            if now.elapsed_s >= election.until_s or (settled and stood.issuperset(members)):
                election.over = True
                winner = min(election.candidates.values(), key=lambda one: one.rank)
                found.append(Elected(election_id, winner))
        return found
