"""The pytest plugin: a world for each test, and scenario files as tests.

pytest loads this in every run of every project that has taskq installed, so it imports nothing
but pytest; what it needs is imported inside the fixtures.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from taskq_testing.collecting import ScenarioFile
    from taskq_testing.eager import Eager
    from taskq_testing.live.transports import Model, Transport
    from taskq_testing.live.world import LiveWorld
    from taskq_testing.world import World

pytest_plugins = ("taskq_testing.server_fixtures", "taskq_testing.worker_fixtures")

MARKER = (
    "taskq(seed=None, seeds=None, only=None, why=''): the seed, or the number of seeds, of a"
    " simulated test; the transports that it is for, and why"
)
# Under this name a conftest asks for them, and then they are there already.
CELERY_FIXTURES = "celery.contrib.pytest"
SCENARIO_SUFFIX = ".scenario.yaml"
# How many of the last events a failure report shows.
LAST_EVENTS = 30


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--taskq-seed``, ``--taskq-seeds``, ``--taskq-broker`` and ``--taskq-as-celery``."""
    group = parser.getgroup("taskq", "taskq: simulated task queues")
    group.addoption(
        "--taskq-seed",
        type=int,
        default=0,
        metavar="N",
        help="seed of the simulated worlds of this run (default: 0); a failure prints its own",
    )
    group.addoption(
        "--taskq-seeds",
        type=int,
        default=1,
        metavar="N",
        help="run each simulated test with N seeds, up to the first that fails (default: 1)",
    )
    group.addoption(
        "--taskq-broker",
        default="model",
        metavar="NAME",
        help="where tests send their messages: model (default), model:PROFILE, fakeredis, redis or"
        " amqp (private servers), or a URL",
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
    offer_celery_fixtures(early_config)


def pytest_configure(config: pytest.Config) -> None:
    """Name the marker; offer fixtures also where the plugin is named by a conftest."""
    config.addinivalue_line("markers", MARKER)
    offer_celery_fixtures(config)


def offer_celery_fixtures(config: pytest.Config) -> None:
    """Offer ``celery_app`` and its family, unless there is a real Celery that has its own."""
    plugins = config.pluginmanager
    if plugins.has_plugin(CELERY_FIXTURES) or real_celery_is_here():
        return
    from taskq_testing import celery_fixtures  # noqa: PLC0415 - who has Celery never needs it

    plugins.register(celery_fixtures, CELERY_FIXTURES)


def real_celery_is_here() -> bool:
    """Whether ``import celery`` would give Celery, and not taskq or nothing."""
    found = importlib.util.find_spec("celery")
    if found is None or found.origin is None:  # a folder that happens to have the name has none
        return False
    alias = sys.modules.get("taskq.compat.importer")
    return alias is None or not alias.installed()


@pytest.fixture
def taskq_seed(request: pytest.FixtureRequest) -> int:
    """The seed of this run's simulated worlds; ``@pytest.mark.taskq(seed=...)`` says another."""
    from taskq_testing.marks import seed_of  # noqa: PLC0415 - only who uses it pays for it

    return seed_of(request.node)


@pytest.fixture
def taskq_broker(request: pytest.FixtureRequest) -> Model | Transport:
    """The transport of this run, as ``--taskq-broker`` says it: ``name``, ``url``."""
    from taskq_testing.live.transports import chosen  # noqa: PLC0415 - as above
    from taskq_testing.marks import check_transport  # noqa: PLC0415 - as above

    said = request.config.getoption("--taskq-broker")
    check_transport(request.node, said)
    try:
        return chosen(said, request.getfixturevalue)
    except ValueError as error:
        raise pytest.UsageError(str(error)) from None


@pytest.fixture
def taskq_world(
    request: pytest.FixtureRequest, taskq_seed: int, taskq_broker: Model | Transport
) -> Iterator[Callable[..., World | LiveWorld]]:
    """A maker of open worlds, ``taskq_world(app)``; each ends with its ``with``, or the test."""
    from taskq_testing.live.making import make_world  # noqa: PLC0415 - as above

    made: list[World | LiveWorld] = []

    def make(*apps: Any, **options: Any) -> World | LiveWorld:
        world = make_world(taskq_broker, apps, {"seed": taskq_seed, **options})
        made.append(world)
        request.node.stash[_WORLDS] = made
        return world.open()

    yield make
    for world in reversed(made):
        world.close()


@pytest.fixture
def taskq_clock(request: pytest.FixtureRequest) -> Any:
    """The clock of the test's world: ``now()``, ``advance(seconds)``, ``move_to(moment)``."""
    from taskq_testing.marks import WorldClock  # noqa: PLC0415 - as above

    return WorldClock(lambda: request.node.stash.get(_WORLDS, []))


@pytest.fixture
def taskq_eager() -> Iterator[Callable[..., Eager]]:
    """Let tasks of an app run where they are called: ``taskq_eager(app)``, up to the test's end."""
    from contextlib import ExitStack  # noqa: PLC0415 - as above

    from taskq_testing.eager import Eager  # noqa: PLC0415 - as above

    with ExitStack() as stack:

        def make(app: Any, *, propagates: bool | None = None) -> Eager:
            return stack.enter_context(Eager(app, propagates=propagates))

        yield make


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
            broker = item.config.getoption("--taskq-broker")
            on = "" if broker == "model" else f" --taskq-broker {broker}"
            text = (
                f"repeat with: pytest {item.nodeid!r} --taskq-seed {world.seed}{on}\n"
                f"{world.trace.text(LAST_EVENTS)}"
            )
            report.sections.append(("simulated world", text))  # type: ignore[attr-defined]  # a generator's value has no type here
    return report


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
    """Run a simulated test with several seeds, if that was asked for."""
    if "taskq_world" not in getattr(item, "fixturenames", ()):
        return None
    from taskq_testing.marks import run_seeds  # noqa: PLC0415 - as above

    return run_seeds(item, nextitem)


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> ScenarioFile | None:
    """Collect scenario files."""
    if not file_path.name.endswith(SCENARIO_SUFFIX):
        return None
    from taskq_testing.collecting import ScenarioFile  # noqa: PLC0415 - as above

    return ScenarioFile.from_parent(parent, path=file_path)
