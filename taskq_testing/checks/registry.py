"""The standing promises, as a table: a name, a sentence, a function over what happened.

Read by scenario runs, by ``taskq-sim`` and by tests.  A check returns what broke it, with the
records that show it; it changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, TypeAlias

from taskq_testing.checks import liveness, safety
from taskq_testing.checks.finding import Finding
from taskq_testing.sim.world import SimWorld

CheckFunction: TypeAlias = Callable[[SimWorld], Iterable[Finding]]


@dataclass(frozen=True, slots=True)
class Check:
    """One promise."""

    name: str
    sentence: str
    find: CheckFunction
    at_rest: bool = False  # it asks whether all is over; while something goes on it says nothing


CHECKS: Final[Mapping[str, Check]] = MappingProxyType(
    {
        check.name: check
        for check in (
            Check("nothing-lost", "every accepted message is accounted for", safety.nothing_lost),
            Check(
                "duplicates-bounded",
                "a body begins again only after the broker had reason to redeliver",
                safety.duplicates_bounded,
            ),
            Check("claimed-once", "with early acks a body never begins twice", safety.claimed_once),
            Check("eta-not-early", "no body begins before its ETA", safety.eta_not_early),
            Check(
                "revoked-stays",
                "what a worker knows to be revoked does not begin there",
                safety.revoked_stays,
            ),
            Check("final-stays", "a final result never becomes less final", safety.final_stays),
            Check("chord-body-once", "a chord's body is released once", safety.chord_released_once),
            Check(
                "fenced",
                "who lost the lease of a message stores no end of its task",
                safety.fenced,
            ),
            Check(
                "given-up-aloud",
                "what a worker gives up stands in its log, with the task's id",
                safety.given_up_aloud,
            ),
            Check("call-in-time", "no call takes longer than its limit", safety.call_in_time),
            Check(
                "chord-ends",
                "at the end every chord whose members are all counted has ended",
                liveness.chords_ended,
                at_rest=True,
            ),
            Check(
                "nothing-left",
                "at the end no queue of replies and no wait for a result is left without its owner",
                liveness.nothing_left,
                at_rest=True,
            ),
            Check(
                "drained",
                "at the end nothing waits, runs or is out",
                liveness.drained,
                at_rest=True,
            ),
        )
    }
)


def standing() -> list[str]:
    """Those that hold at every moment, also of a world that is left in the middle."""
    return [check.name for check in CHECKS.values() if not check.at_rest]


def run_checks(world: SimWorld, names: Sequence[str] | None = None) -> list[Finding]:
    """Run all checks, or those named."""
    chosen = CHECKS.values() if names is None else [CHECKS[name] for name in names]
    return [finding for check in chosen for finding in check.find(world)]
