"""Pytest fixtures for private servers, and the options that name given ones instead.

``conftest.py`` and the plugin both name this module in ``pytest_plugins``; pytest registers it
once.  The servers themselves are in ``servers``; like the plugin, this imports nothing but pytest,
and what a fixture needs when it is used.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

import pytest

if TYPE_CHECKING:
    from taskq_testing.servers import PrivateServer, ProgramMissingError


@dataclass(frozen=True, slots=True)
class GivenServer:
    """A server that somebody else runs: tests may use it, and must not stop it."""

    url: str


def pytest_addoption(parser: pytest.Parser) -> None:
    """Say which servers to use."""
    group = parser.getgroup("taskq")
    group.addoption(
        "--taskq-redis-url",
        metavar="URL",
        help="use this Redis instead of a private one; its database is emptied before each test",
    )
    group.addoption(
        "--taskq-amqp-url",
        metavar="URL",
        help="use this RabbitMQ (user, host and vhost) instead of a private one",
    )


def _servers() -> Any:
    from taskq_testing import servers  # noqa: PLC0415 - only who uses it pays for it

    return servers


def _missing(error: ProgramMissingError) -> NoReturn:
    if os.environ.get("TASKQ_REQUIRE_SERVERS") == "1":
        pytest.fail(f"TASKQ_REQUIRE_SERVERS=1, but {error}", pytrace=False)
    pytest.skip(str(error))


def started(make: Callable[[], PrivateServer]) -> Iterator[PrivateServer]:
    """Start a private server for as long as a fixture lives."""
    try:
        server = make()
    except _servers().ProgramMissingError as error:
        _missing(error)
    try:
        server.start_somewhere()
        yield server
    finally:
        server.dispose()


@pytest.fixture(scope="session")
def redis_server(request: pytest.FixtureRequest) -> Iterator[PrivateServer | GivenServer]:
    """Return a real Redis for the whole session: private, or the one of ``--taskq-redis-url``."""
    if url := request.config.getoption("--taskq-redis-url"):
        yield GivenServer(url)
    else:
        yield from started(_servers().RedisServer)


@pytest.fixture(scope="session")
def rabbitmq_server(request: pytest.FixtureRequest) -> Iterator[PrivateServer | GivenServer]:
    """Return a real RabbitMQ for the whole session: private, or that of ``--taskq-amqp-url``."""
    if url := request.config.getoption("--taskq-amqp-url"):
        yield GivenServer(url)
    else:
        yield from started(_servers().RabbitMQServer)


@pytest.fixture
def redis_url(redis_server: PrivateServer | GivenServer) -> str:
    """Return the URL of an empty Redis database."""
    if isinstance(redis_server, _servers().RedisServer):
        redis_server.empty()
    else:
        import redis  # noqa: PLC0415 - an extra; only this branch needs it

        with redis.Redis.from_url(redis_server.url) as client:
            client.flushdb()
    return redis_server.url


@pytest.fixture
def amqp_url(rabbitmq_server: PrivateServer | GivenServer) -> str:
    """Return the URL of a fresh vhost; of a given server, the URL as it was given."""
    if isinstance(rabbitmq_server, _servers().RabbitMQServer):
        return str(rabbitmq_server.new_vhost())
    return rabbitmq_server.url


@pytest.fixture
def redis_server_of_its_own() -> Iterator[PrivateServer]:
    """Return a private Redis with its data on disk, which the test may stop, kill and start."""
    yield from started(lambda: _servers().RedisServer(durable=True))


@pytest.fixture
def rabbitmq_server_of_its_own() -> Iterator[PrivateServer]:
    """Return a private RabbitMQ that the test may stop, kill and start."""
    yield from started(_servers().RabbitMQServer)


@pytest.fixture(scope="session")
def memcached_url() -> Iterator[str]:
    """Return the URL of a private memcached, as a result backend is told."""
    for server in started(_servers().MemcachedServer):
        yield server.url


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """Return the URL of a private PostgreSQL, as SQLAlchemy is told."""
    for server in started(_servers().PostgresServer):
        yield server.url
