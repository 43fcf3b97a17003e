"""The fixtures that tests of Celery programs use, by Celery's names.

Where taskq stands in celery's place this is ``celery.contrib.pytest`` as well.
The plugin offers this module in every run of every project that has taskq installed, so it imports
nothing but pytest; what a fixture needs is imported when it is used.

Session fixtures are there to be overridden, in a ``conftest.py`` or a plugin.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import pytest

__all__ = [
    "NO_WORKER",
    "celery_app",
    "celery_class_tasks",
    "celery_config",
    "celery_enable_logging",
    "celery_includes",
    "celery_parameters",
    "celery_session_app",
    "celery_session_worker",
    "celery_worker",
    "celery_worker_parameters",
    "celery_worker_pool",
    "depends_on_current_app",
    "pytest_configure",
    "use_celery_app_trap",
]

# Set to anything, it keeps the fixtures from starting workers: somebody else runs them.
NO_WORKER = os.environ.get("NO_WORKER", "")


def pytest_configure(config: pytest.Config) -> None:
    """Say what the marker is for."""
    config.addinivalue_line(
        "markers", "celery(**settings): settings of celery_app for this test, over celery_config"
    )


# -- to be overridden ------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def celery_config() -> Mapping[str, Any]:
    """Settings of the test apps; override it."""
    return {}


@pytest.fixture(scope="session")
def celery_parameters() -> Mapping[str, Any]:
    """What the test apps are made with, beside settings: ``task_cls``, ...; override it."""
    return {}


@pytest.fixture(scope="session")
def celery_enable_logging() -> bool:
    """Whether the test apps set up logging; override it."""
    return False


@pytest.fixture(scope="session")
def celery_includes() -> Sequence[str]:
    """Modules that the workers import; override it."""
    return ()


@pytest.fixture(scope="session")
def celery_class_tasks() -> Sequence[Any]:
    """Tasks that the app of the session's worker has to know; override it."""
    return ()


@pytest.fixture(scope="session")
def celery_worker_pool() -> str:
    """The pool of the workers; override it."""
    return "solo"


@pytest.fixture(scope="session")
def celery_worker_parameters() -> Mapping[str, Any]:
    """What the workers are told: ``queues``, ``concurrency``, ``shutdown_timeout``; override it."""
    return {}


@pytest.fixture(scope="session")
def use_celery_app_trap() -> bool:
    """Whether silent use of the current app raises; override it."""
    return False


# -- apps ------------------------------------------------------------------------------------------


@contextmanager
def _test_app(
    config: Mapping[str, Any], parameters: Mapping[str, Any], *, enable_logging: bool, trap: bool
) -> Iterator[Any]:
    from taskq.contrib.testing.app import TestApp, setup_default_app  # noqa: PLC0415 - see above

    app = TestApp(set_as_current=False, enable_logging=enable_logging, config=config, **parameters)
    with setup_default_app(app, use_trap=trap):
        yield app


@pytest.fixture
def celery_app(
    request: pytest.FixtureRequest,
    celery_config: Mapping[str, Any],
    celery_parameters: Mapping[str, Any],
    celery_enable_logging: bool,
    use_celery_app_trap: bool,
) -> Iterator[Any]:
    """An app for one test, in memory; it is not the current one."""
    mark = request.node.get_closest_marker("celery")
    with _test_app(
        {**celery_config, **(mark.kwargs if mark else {})},
        celery_parameters,
        enable_logging=celery_enable_logging,
        trap=use_celery_app_trap,
    ) as app:
        yield app


@pytest.fixture(scope="session")
def celery_session_app(
    request: pytest.FixtureRequest,  # noqa: ARG001 - Celery's signature
    celery_config: Mapping[str, Any],
    celery_parameters: Mapping[str, Any],
    celery_enable_logging: bool,
    use_celery_app_trap: bool,
) -> Iterator[Any]:
    """An app for all tests; the current and the default one, unless the trap is set."""
    with _test_app(
        celery_config,
        celery_parameters,
        enable_logging=celery_enable_logging,
        trap=use_celery_app_trap,
    ) as app:
        if not use_celery_app_trap:
            app.set_default()
            app.set_current()
        yield app


@pytest.fixture
def depends_on_current_app(celery_app: Any) -> None:
    """Make the app of this test the current one."""
    celery_app.set_current()


# -- workers ---------------------------------------------------------------------------------------


@contextmanager
def _worker(
    app: Any, includes: Sequence[str], pool: str, parameters: Mapping[str, Any]
) -> Iterator[Any]:
    if NO_WORKER:
        yield None
        return
    from taskq.contrib.testing.worker import start_worker  # noqa: PLC0415 - see above

    for module in includes:
        app.loader.import_task_module(module)
    with start_worker(app, **{"pool": pool, **parameters}) as worker:
        yield worker


@pytest.fixture
def celery_worker(
    request: pytest.FixtureRequest,  # noqa: ARG001 - Celery's signature
    celery_app: Any,
    celery_includes: Sequence[str],
    celery_worker_pool: str,
    celery_worker_parameters: Mapping[str, Any],
) -> Iterator[Any]:
    """A worker of ``celery_app``, in a thread."""
    with _worker(
        celery_app, celery_includes, celery_worker_pool, celery_worker_parameters
    ) as worker:
        yield worker


@pytest.fixture(scope="session")
def celery_session_worker(  # noqa: PLR0917 - Celery's signature
    request: pytest.FixtureRequest,  # noqa: ARG001 - Celery's signature
    celery_session_app: Any,
    celery_includes: Sequence[str],
    celery_class_tasks: Sequence[Any],
    celery_worker_pool: str,
    celery_worker_parameters: Mapping[str, Any],
) -> Iterator[Any]:
    """A worker of ``celery_session_app``, in a thread, for all tests."""
    if not NO_WORKER:
        for task in celery_class_tasks:
            celery_session_app.register_task(task)
    with _worker(
        celery_session_app, celery_includes, celery_worker_pool, celery_worker_parameters
    ) as worker:
        yield worker
