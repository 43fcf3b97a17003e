"""What users can name is documented."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from taskq_testing.checks.registry import CHECKS
from taskq_testing.cli import main
from taskq_testing.eager import Eager
from taskq_testing.report.faults import as_markdown
from taskq_testing.scenario import load, schema
from taskq_testing.scenario.behaviour import FUNCTIONS
from taskq_testing.sim.profiles import PROFILES
from taskq_testing.sim.trace import EVENTS
from taskq_testing.sim.world import SimWorld

DOCS = Path(__file__).parents[3] / "docs"
TABLES = (
    load.SCENARIO, load.TASK, load.STEP, load.FAULT, load.CALL, load.CHORD, load.RAISES, load.RETRY,
    schema.WORKER, schema.CLOCK, schema.CLOCK_NODE, schema.APP, schema.BROKER, schema.LIMITS,
    schema.SEEDS, *load.EXPECTATIONS.values(),
)  # fmt: skip


@pytest.mark.parametrize("word", sorted({name for table in TABLES for name in table}))
def test_every_key_of_a_scenario_is_documented(word: str) -> None:
    """In the page about scenarios."""
    assert word in (DOCS / "scenarios.md").read_text()


@pytest.mark.parametrize("word", [*EVENTS, *FUNCTIONS, *PROFILES])
def test_every_word_of_a_scenario_is_documented(word: str) -> None:
    """Events, functions, brokers."""
    assert word in (DOCS / "scenarios.md").read_text()


def test_the_page_about_faults_is_the_table_of_faults() -> None:
    """Every fault with its values and their defaults, as `taskq-sim faults` lists them."""
    page = (DOCS / "faults.md").read_text()

    assert page.endswith(as_markdown()), "write report.faults.as_markdown() below its last heading"


NOT_FOR_USERS = {
    "close",
    "watch",
    "add_node",
    "ports",
    "describe_choices",
    "steps",
    "quiet",
    "now_s",
    "ears",
    "forget_connection",
    "sleep_here",
    "begun",
}


@pytest.mark.parametrize(
    "word",
    [
        *(name for name in dir(SimWorld) if not name.startswith("_") and name not in NOT_FOR_USERS),
        *CHECKS,
        *main.commands,
        "taskq_world",
        "taskq_app",
        "taskq_eager",
        *(
            name
            for name in dir(Eager)
            if not name.startswith("_") and name not in {"open", "close"}
        ),
        "taskq_seed",
        "--taskq-seed",
    ],
)
def test_every_name_for_tests_is_documented(word: str) -> None:
    """What a world can do, checks, commands, fixtures."""
    assert word in (DOCS / "testing.md").read_text()


LIBRARY = sorted((DOCS.parent / "scenarios").glob("*.scenario.yaml"))


def test_the_library_is_documented() -> None:
    """Each file has a row in the page about scenarios, and each row has a file."""
    page = (DOCS / "scenarios.md").read_text()
    rows = re.findall(r"^\| `(\w+)` \|", page[page.index("## The library") :], re.MULTILINE)

    assert sorted(rows) == [path.name.removesuffix(".scenario.yaml") for path in LIBRARY]


@pytest.mark.parametrize("path", LIBRARY, ids=lambda path: path.name)
def test_a_scenario_of_the_library_says_what_it_is_for(path: Path) -> None:
    """A fear and what holds, more than one schedule, lines that fit a screen."""
    text = path.read_text()
    scenario = load.load(path)

    assert scenario.about.startswith("A user would fear")
    assert scenario.seeds is not None
    assert max(map(len, text.splitlines())) <= 100
