"""Scenario files as pytest tests: one test for each file, or one for each of its seeds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from taskq_testing.report.text import failure_text
from taskq_testing.scenario.load import ScenarioError, load
from taskq_testing.scenario.run import Outcome, run_scenario
from taskq_testing.scenario.schema import Scenario


class ScenarioFailed(Exception):
    """A run broke a promise."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome)
        self.outcome = outcome


class ScenarioFile(pytest.File):
    """One file."""

    def collect(self) -> Iterator[pytest.Item]:
        """Make a test for each seed."""
        scenario = load(self.path)
        seeds = [scenario.seed]
        if scenario.seeds is not None:
            first = scenario.seeds.from_
            seeds = list(range(first, first + scenario.seeds.count))
        given = self.config.getoption("--taskq-seed")
        for seed in [given] if given else seeds:
            yield ScenarioItem.from_parent(self, name=f"seed {seed}", scenario=scenario, seed=seed)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], **_: Any) -> Any:  # type: ignore[override]  # the style is of no use here
        """Show an error in the file as one line."""
        if isinstance(excinfo.value, ScenarioError):
            return str(excinfo.value)
        return super().repr_failure(excinfo)


class ScenarioItem(pytest.Item):
    """One run of one file."""

    def __init__(self, *, scenario: Scenario, seed: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.scenario, self.seed = scenario, seed

    def runtest(self) -> None:
        """Run it."""
        outcome = run_scenario(self.scenario, self.seed)
        if not outcome.passed:
            raise ScenarioFailed(outcome)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], **_: Any) -> Any:  # type: ignore[override]  # the style is of no use here
        """Show what was broken, how to repeat it, and the last events."""
        if isinstance(excinfo.value, ScenarioFailed):
            return failure_text(excinfo.value.outcome)
        return super().repr_failure(excinfo)

    def reportinfo(self) -> tuple[Any, int, str]:
        """Say where it stands."""
        return self.path, 0, f"{self.scenario.name} (seed {self.seed})"
