"""An application for tests, and the trap for code that silently uses the current one.

Owned here: the settings of such an app, its logging that leaves the test runner's alone, and
putting back what a test has changed of the process.  Not owned: fixtures, workers.
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any, ClassVar, Final, NoReturn

from taskq import current
from taskq.app.log import Logging
from taskq.current import active_apps
from taskq.wiring.application import TaskQ

__all__ = ["DEFAULT_TEST_CONFIG", "TestApp", "Trap", "UnitLogging", "set_trap", "setup_default_app"]

#: What a test app is told unless the test says something else.
DEFAULT_TEST_CONFIG: Final[Mapping[str, Any]] = MappingProxyType(
    {
        "worker_hijack_root_logger": False,
        "worker_log_color": False,
        "accept_content": {"json"},
        "enable_utc": True,
        "timezone": "UTC",
        "broker_url": "memory://",
        "result_backend": "cache+memory://",
        "broker_heartbeat": 0,
    }
)
NAME: Final = "celery.tests"

_spaces: Final = itertools.count(1)


class TrapSprungError(RuntimeError):
    """Code under test asked for the current app, and the test forbids it."""

    def __init__(self, attribute: str) -> None:
        super().__init__(attribute)
        self.attribute = attribute

    def __str__(self) -> str:
        return (
            f"Test depends on current_app: {self.attribute!r} was asked of it; hand the app over"
            " (`app=...`), or use the fixture depends_on_current_app"
        )


class Trap:
    """Stands where the current app would: whoever asks it for anything is told off."""

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("__"):  # asked by the language itself (copying, inspecting, pickling)
            raise AttributeError(name)
        raise TrapSprungError(name)


class UnitLogging(Logging):
    """Sets up nothing: handlers, levels and streams are the test runner's."""

    already_setup: ClassVar = True

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)

    def setup(self, *_args: Any, **_kwargs: Any) -> bool:
        """Leave loggers and streams as they are."""
        return False

    def setup_logging_subsystem(self, *_args: Any, **_kwargs: Any) -> bool:
        """Leave loggers as they are."""
        return False

    def setup_task_loggers(self, *_args: Any, **_kwargs: Any) -> logging.Logger:
        """Leave them; return the logger of tasks."""
        return self.get_default_logger()


def TestApp(  # noqa: N802, PLR0917 - Celery's name, Celery's signature
    name: str | None = None,
    config: Mapping[str, Any] | None = None,
    enable_logging: bool = False,
    set_as_current: bool = False,
    log: Any = UnitLogging,
    backend: Any = None,
    broker: Any = None,
    **kwargs: Any,
) -> TaskQ:
    """Make an application for a test: in this process alone, JSON only, UTC, quiet.

    Its queues in memory are its own: no worker of another test app takes from them.
    """
    told = {**DEFAULT_TEST_CONFIG, **_space(broker, config or {}), **(config or {})}
    app = TaskQ(
        name or NAME,
        set_as_current=set_as_current,
        log=None if enable_logging else log,
        broker=broker,
        backend=backend,
        **kwargs,
    )
    app.add_defaults(told)
    return app


# Else pytest takes it for a test where it is imported.
TestApp.__test__ = False  # type: ignore[attr-defined]


def _space(broker: Any, config: Mapping[str, Any]) -> Mapping[str, Any]:
    """Tell the memory transport where, in memory, the queues of this app are."""
    url = broker or config.get("broker_url") or DEFAULT_TEST_CONFIG["broker_url"]
    if url != DEFAULT_TEST_CONFIG["broker_url"]:
        return {}
    return {"broker_transport_options": {"space": f"{NAME} {next(_spaces)}"}}


@contextmanager
def set_trap(app: Any) -> Iterator[None]:  # noqa: ARG001 - Celery's signature
    """Have every silent use of the current app raise while the block lasts."""
    trap: Any = Trap()
    with current.kept():
        current.set_current_app(trap)
        current.set_default_app(trap)
        yield


@contextmanager
def setup_default_app(app: Any, use_trap: bool = False) -> Iterator[None]:
    """Put back, after the block, what a test changes of the apps of this process.

    These are the current and the default app, and what happens when an app is finalized.  The
    connections of the app are closed, unless others knew it as theirs before.
    """
    ours = not current.is_known(app)
    with current.kept():
        try:
            if use_trap:
                with set_trap(app):
                    yield
            else:
                yield
        finally:
            if ours:
                app.close()
                active_apps.discard(app)
