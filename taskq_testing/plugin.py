"""The pytest plugin: a world for each test, and scenario files as tests.

pytest loads this in every run of every project that has taskq installed, so it imports nothing
but pytest; what it needs is imported inside the fixtures.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from taskq_testing.collecting import ScenarioFile
    from taskq_testing.world import World

SCENARIO_SUFFIX = ".scenario.yaml"
# How many of the last events a failure report shows.
LAST_EVENTS = 30


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--taskq-seed`` and ``--taskq-as-celery``."""
    group = parser.getgroup("taskq", "taskq: simulated task queues")
    group.addoption(
        "--taskq-seed",
        type=int,
        default=0,
        metavar="N",
        help="seed of the simulated worlds of this run (default: 0); a failure prints its own",
    )
    group.addoption(
        "--taskq-as-celery",
        action="store_true",
        help="`import celery` gives taskq, in conftest files and tests (or set TASKQ_AS_CELERY=1)",
    )


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    """Let ``import celery`` give taskq, before anything of the project is imported."""
    told = os.environ.get("TASKQ_AS_CELERY", "") not in ("", "0")
    if told or early_config.known_args_namespace.taskq_as_celery:
        from taskq.compat.celery import install  # noqa: PLC0415 - only who uses it pays for it

        install()


@pytest.fixture
def taskq_seed(request: pytest.FixtureRequest) -> int:
    """The seed of this run's simulated worlds."""
    return int(request.config.getoption("--taskq-seed"))


@pytest.fixture
def taskq_world(request: pytest.FixtureRequest, taskq_seed: int) -> Iterator[Callable[..., World]]:
    """A maker of open worlds, ``taskq_world(app)``; each ends with its ``with``, or the test."""
    from taskq_testing.world import World  # noqa: PLC0415 - only who uses it pays for it

    made: list[World] = []

    def make(*apps: Any, **options: Any) -> World:
        options.setdefault("seed", taskq_seed)
        world = World(apps, **options)
        made.append(world)
        request.node.stash[_WORLDS] = made
        return world.open()

    yield make
    for world in reversed(made):
        world.close()


@pytest.fixture
def taskq_app() -> Iterator[Any]:
    """An application for one test: JSON, results kept, nothing shared with other apps."""
    from taskq import TaskQ  # noqa: PLC0415 - only who uses it pays for it

    app = TaskQ("taskq_app", set_as_current=False)
    yield app
    app.close()


_WORLDS: pytest.StashKey[list[Any]] = pytest.StashKey()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """Say after a failure how to repeat it, and what happened last in its worlds."""
    report = yield
    if call.when == "call" and call.excinfo is not None:
        for world in item.stash.get(_WORLDS, [])[-1:]:
            text = (
                f"repeat with: pytest {item.nodeid!r} --taskq-seed {world.seed}\n"
                f"{world.trace.text(LAST_EVENTS)}"
            )
            report.sections.append(("simulated world", text))  # type: ignore[attr-defined]  # a generator's value has no type here
    return report


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> ScenarioFile | None:
    """Collect scenario files."""
    if not file_path.name.endswith(SCENARIO_SUFFIX):
        return None
    from taskq_testing.collecting import ScenarioFile  # noqa: PLC0415 - as above

    return ScenarioFile.from_parent(parent, path=file_path)
