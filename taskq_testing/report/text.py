"""Runs as text: a line for each, and what there is to say of one that failed."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from taskq_testing.scenario.run import Outcome
from taskq_testing.sim.trace import clock_text

LAST_EVENTS = 30


def outcome_line(file: str, outcomes: Sequence[Outcome], real_s: float) -> str:
    """Say of one file whether it holds, over one seed or many."""
    failed = [outcome for outcome in outcomes if not outcome.passed]
    mark = "FAIL" if failed else "ok"
    seeds = f"seed {outcomes[0].seed}" if len(outcomes) == 1 else f"{len(outcomes)} seeds"
    tasks = sum(outcome.tasks for outcome in outcomes)
    sim_s = sum(outcome.sim_s for outcome in outcomes)
    return (
        f"{mark:<4}  {outcomes[0].scenario.name}\n"
        f"      {file}: {seeds}, {tasks} bodies, {clock_text(sim_s)} of virtual time "
        f"in {real_s * 1000:.0f} ms"
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
