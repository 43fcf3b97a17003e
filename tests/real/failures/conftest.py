"""A program on each broker, its ledger, workers for it, and a wire that can be cut."""

from __future__ import annotations

import importlib.util
import json
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.real.proxy import Proxy
from tests.real.workers import WorkerProcess, worker

HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Servers:
    """Where tasks and results are."""

    broker: str
    backend: str


@dataclass(frozen=True, slots=True)
class Line:
    """What a body has written."""

    what: str
    name: str
    at_s: float  # of the clock that all processes of a machine share
    pid: int


@dataclass(frozen=True, slots=True)
class Program:
    """The app as a client has it, and what its tasks have written."""

    module: Any
    env: dict[str, str]
    ledger: Path
    tmp_path: Path

    def worker(
        self,
        *arguments: str,
        through: Proxy | None = None,
        env: Mapping[str, str] = MappingProxyType({}),
        sociable: bool = False,
        **options: Any,
    ) -> AbstractContextManager[WorkerProcess]:
        """Run one worker until the block ends; a wire may lie between it and the broker."""
        led = {} if through is None else self._led_through(through)
        quiet = () if sociable else ("--without-gossip", "--without-mingle")
        return worker(
            self.tmp_path,
            *quiet,
            *arguments,
            app="failing",
            env={**self.env, **led, **env},
            cwd=HERE,
            **options,
        )

    def _led_through(self, wire: Proxy) -> dict[str, str]:
        broker, backend = self.env["FAILING_BROKER"], self.env["FAILING_BACKEND"]
        led = {"FAILING_BROKER": wire.url(broker)}
        if backend == broker:
            led["FAILING_BACKEND"] = wire.url(backend)
        return led

    def lines(self, what: str) -> list[Line]:
        """What stands in the ledger, in the order in which it happened."""
        if not self.ledger.exists():
            return []
        rows = (line.split() for line in self.ledger.read_text().splitlines())
        return [
            Line(said, name, float(at), int(pid)) for said, name, at, pid in rows if said == what
        ]

    def counts(self, what: str) -> Counter[str]:
        """How often each task began (``start``) or ended (``end``)."""
        return Counter(line.name for line in self.lines(what))

    def wait_for(self, what: str, *names: str, timeout_s: float = 60.0) -> None:
        """Wait until these stand in the ledger."""
        wanted = set(names)
        self.wait(
            lambda: wanted <= set(self.counts(what)),
            lambda: f"{what} of {sorted(wanted - set(self.counts(what)))[:10]}",
            timeout_s,
        )

    def wait(
        self, done: Callable[[], Any], what: str | Callable[[], str], timeout_s: float = 60.0
    ) -> None:
        """Wait for something that becomes true by itself."""
        deadline = time.monotonic() + timeout_s
        while not done():
            if time.monotonic() >= deadline:
                missing = what if isinstance(what, str) else what()
                raise AssertionError(f"not within {timeout_s} s: {missing}")
            time.sleep(0.02)


Load = Callable[..., Program]


@pytest.fixture(params=["redis", "amqp"])
def servers(request: pytest.FixtureRequest) -> Servers:
    """Tasks on each broker, results in Redis."""
    backend: str = request.getfixturevalue("redis_url")
    broker = backend if request.param == "redis" else request.getfixturevalue("amqp_url")
    return Servers(broker, backend)


@pytest.fixture
def load(servers: Servers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Load]:
    """Load the app of these tests with some settings, as a client of private servers."""
    loaded: list[Any] = []

    def load_one(
        broker: str = servers.broker, backend: str = servers.backend, **settings: Any
    ) -> Program:
        env = {
            "FAILING_BROKER": broker,
            "FAILING_BACKEND": backend,
            "FAILING_LEDGER": str(tmp_path / "ledger"),
            "FAILING_SETTINGS": json.dumps(settings),
        }
        for key, value in env.items():
            monkeypatch.setenv(key, value)
        spec = importlib.util.spec_from_file_location("failing", HERE / "failing.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, "failing", module)
        spec.loader.exec_module(module)
        loaded.append(module)
        return Program(module, env, tmp_path / "ledger", tmp_path)

    yield load_one
    for module in loaded:
        module.app.close()


@pytest.fixture
def wire(servers: Servers) -> Iterator[Proxy]:
    """Lead to the broker."""
    proxy = Proxy(urlsplit(servers.broker).port or 0)
    yield proxy
    proxy.close()


def names(letter: str, count: int) -> list[str]:
    """Return so many names of tasks."""
    return [f"{letter}{number}" for number in range(count)]
