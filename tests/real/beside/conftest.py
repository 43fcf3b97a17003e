"""The program of these tests on each real broker, and its ledger."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from taskq_testing.servers import PrivateServer
from tests.real.programs import load

HERE = Path(__file__).parent
PATIENCE_S = 60.0


class Ledger:
    """What steps, requests and bodies wrote."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def lines(self) -> list[str]:
        return self.path.read_text().splitlines() if self.path.exists() else []

    def wait_for(self, line: str, count: int = 1) -> None:
        """Wait until a line was written so many times."""
        self.wait_until(lambda: self.lines.count(line) >= count, f"{count} x {line!r}")

    def wait_until(self, condition: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not condition():
            assert time.monotonic() < deadline, f"{what} never came: {self.lines}"
            time.sleep(0.05)


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "ledger")


@pytest.fixture(params=["redis", "rabbitmq"])
def own_server(request: pytest.FixtureRequest) -> PrivateServer:
    """Return a private server of either kind that may be stopped."""
    server = request.getfixturevalue(f"{request.param}_server_of_its_own")
    assert isinstance(server, PrivateServer)
    return server


@pytest.fixture(params=["redis_url", "amqp_url"])
def url(request: pytest.FixtureRequest) -> str:
    """Return the URL of either broker."""
    return str(request.getfixturevalue(request.param))


@pytest.fixture
def program(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[dict[str, str]], Any]]:
    """Load the app of these tests as a client."""
    loaded: list[Any] = []

    def load_in(env: dict[str, str]) -> Any:
        module = load("beside", HERE, env, monkeypatch)
        loaded.append(module)
        return module

    yield load_in
    for module in loaded:
        module.app.close()


@pytest.fixture
def environment(ledger: Ledger, redis_url: str) -> Callable[..., dict[str, str]]:
    """Return what the program reads; its results are in Redis."""

    def make(broker: str, **more: str) -> dict[str, str]:
        return {
            "BESIDE_BROKER": broker,
            "BESIDE_BACKEND": redis_url,
            "BESIDE_LEDGER": str(ledger.path),
            **more,
        }

    return make
