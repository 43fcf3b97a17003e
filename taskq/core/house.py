"""What the rooms of one worker have in common: what is here, and what time it is.

``worker.py`` makes it and gives it to each room.  Owned here: the tables that several rooms read
and write, and the few steps that all of them take.  Not owned: when such a step is taken.
"""

from __future__ import annotations

from collections import defaultdict, deque
from types import MappingProxyType
from typing import Final

from taskq.core.delivery import Doom, Entry, Event, Stage
from taskq.core.effects import Conclude, Effect
from taskq.core.held import Held
from taskq.core.inputs import Stop
from taskq.core.options import WorkerOptions
from taskq.core.pace import Pace
from taskq.core.rates import Rates
from taskq.core.revoked import Revocations
from taskq.core.slots import Slot
from taskq.core.telling import Teller
from taskq.ports import EndingKind, Reading, Settlement, Verdict

EXPIRED: Final = Doom(EndingKind.REVOKED, "expired", MappingProxyType({"expired": True}))
REVOKED: Final = Doom(EndingKind.REVOKED, "revoked")
WAITING: Final = frozenset({Stage.HELD, Stage.READY})
# Ways to stop that let end what has begun.
LETS_RUN: Final = frozenset({Stop.WARM, Stop.SOFT})
# What goes back to the broker at a stop has this reason.
STOPPED: Final = "the worker stopped"


class House:
    """The tables of one worker.  Mutable, and seen by the core alone."""

    def __init__(self, options: WorkerOptions) -> None:
        self.options = options
        self.teller = Teller(options)
        self.pace = Pace(options.dispatch_budget_s)
        self.entries: dict[int, Entry] = {}
        self.held = Held()
        self.ready: deque[int] = deque()
        self.revocations = Revocations(options.most_revocations)
        self.rates = Rates(kept=options.rate_limits)
        self.slots: dict[int, Slot] = {}
        self.orphans: set[int] = set()  # run on, though the broker has given them to others
        self.totals: defaultdict[str, int] = defaultdict(int)  # task -> how many bodies are over
        self.parks = False  # the broker keeps what is not due yet
        self.stopping: Stop | None = None
        self.now = Reading(0.0, 0.0)

    # -- looking ---------------------------------------------------------------------------

    def expired(self, entry: Entry) -> bool:
        """Whether it came too late."""
        return entry.expires_s is not None and entry.expires_s <= self.now.wall_s

    def revoked(self, entry: Entry) -> bool:
        """Whether it must not begin."""
        revocations = self.revocations
        return not revocations.is_empty and revocations.matches(entry.job.headers, self.now)

    def keeps(self, entry: Entry) -> bool:
        """Whether what no slot has begun is run here, and not given back to the broker."""
        if self.stopping is None:
            return True
        # Claimed: nobody else would get it.
        return entry.claimed and self.stopping in LETS_RUN

    def waits(self, token: int) -> bool:
        """Whether it is here, and waits for a slot."""
        entry = self.entries.get(token)
        return entry is not None and entry.stage is Stage.READY

    def is_open(self, token: int) -> bool:
        """Whether it is in a slot, and the broker still counts it."""
        entry = self.entries.get(token)
        return entry is not None and entry.stage is Stage.RUNNING and not entry.claimed

    # -- steps -----------------------------------------------------------------------------

    def conclude(self, entry: Entry, doom: Doom, effects: list[Effect]) -> None:
        """Have its ending made, without (any more of) its body."""
        entry.move(Event.CONCLUDED)
        entry.doom = doom
        effects.append(Conclude(entry.job, doom.kind, doom.reason, doom.detail))

    def hand_back(self, entry: Entry, reason: str, *, attempted: bool = False) -> Settlement:
        """Forget it: the broker gives it to somebody else."""
        token = entry.job.token
        entry.move(Event.HANDED_BACK)
        del self.entries[token]
        return Settlement(token, Verdict.REQUEUE, reason, attempted=attempted)

    def lose(self, token: int, entry: Entry) -> None:
        """The broker has given it to somebody else."""
        entry.move(Event.CONNECTION_LOST)
        if entry.stage is Stage.SETTLED:
            del self.entries[token]
        else:
            self.orphans.add(token)

    def forget(self, token: int) -> None:
        """It is over."""
        del self.entries[token]
        self.orphans.discard(token)

    def tidy(self) -> None:
        """Some that waited wait no longer: take them out of the lines."""
        self.ready = deque(token for token in self.ready if self.waits(token))
        self.rates.keep(self.waits)
