"""Runs as text: a line for each, and what there is to say of one that failed."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field

from taskq_testing.scenario.run import Outcome
from taskq_testing.sim.trace import clock_text

LAST_EVENTS = 30


@dataclass(slots=True)
class Tally:
    """Many runs of one file.  Of those that held it keeps numbers only."""

    name: str
    runs: int = 0
    tasks: int = 0
    sim_s: float = 0.0
    real_s: float = 0.0
    last_seed: int = 0
    broken: list[Outcome] = field(default_factory=list)

    def add(self, outcome: Outcome) -> None:
        """Count one run."""
        self.runs += 1
        self.tasks += outcome.tasks
        self.sim_s += outcome.sim_s
        self.last_seed = outcome.seed
        if not outcome.passed:
            self.broken.append(outcome)


def tally_line(file: str, tally: Tally) -> str:
    """Say of one file whether it holds, over one seed or many."""
    mark = "FAIL" if tally.broken else "ok"
    seeds = f"seed {tally.last_seed}" if tally.runs == 1 else f"{tally.runs} seeds"
    return (
        f"{mark:<4}  {tally.name}\n"
        f"      {file}: {seeds}, {tally.tasks} bodies, {clock_text(tally.sim_s)} of virtual time "
        f"in {tally.real_s * 1000:.0f} ms"
    )


def failure_text(outcome: Outcome) -> str:
    """Say what was broken, with its events, and how to repeat it."""
    findings = "\n".join(_indent(str(finding)) for finding in outcome.findings)
    return (
        f"broken, with seed {outcome.seed}:\n{findings}\n"
        f"last events:\n{_indent(outcome.trace.text(LAST_EVENTS))}\n"
        f"repeat with: {repeat_command(outcome)}"
    )


def repeat_command(outcome: Outcome) -> str:
    """The command that makes this run again."""
    return f"taskq-sim replay {shlex.quote(outcome.scenario.file)} --seed {outcome.seed} -v"


def _indent(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.splitlines())
