"""What ``--taskq-broker`` may say, and the ports of each.

``model`` is the simulated world.  Everything else is a real driver: on a fake server in this
process (``fakeredis``), on a private server (``redis``, ``amqp``), on whatever a URL names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Final

from taskq.app.app import App
from taskq.ports import Ports
from taskq_testing.nearest import nearest

DEFAULT_PROFILE: Final = "redis"
# Name of the option -> fixture that gives the URL of a private server.
PRIVATE: Final[Mapping[str, str]] = MappingProxyType({"redis": "redis_url", "amqp": "amqp_url"})
FAKE_URL: Final = "redis://fake:6379/0"
# Where the broker is no store: results of one process are kept in that process.
HERE: Final = "cache+memory://"
STORES_TOO: Final = ("redis://", "rediss://", "redis+socket://", "sentinel://")


@dataclass(frozen=True, slots=True)
class Transport:
    """Where the tests of a run send their messages."""

    name: str  # as the option says it
    url: str
    backend: str

    @contextmanager
    def under(self, app: App) -> Iterator[Ports]:
        """Let an app stand on it for a block."""
        with settings_of(
            app,
            broker_url=self.url,
            # Where it reads and writes is one place, whatever the program says.
            broker_read_url=None,
            broker_write_url=None,
            result_backend=self.backend,
        ):
            ports = self._ports(app)
            try:
                with app.standing_on(ports):
                    yield ports
            finally:
                ports.broker.close()
                ports.store.close()

    def _ports(self, app: App) -> Ports:
        return app.make_ports()


@dataclass(frozen=True, slots=True)
class FakeTransport(Transport):
    """Our Redis driver on a server that is no process."""

    client: Callable[[], Any]

    def _ports(self, app: App) -> Ports:
        from taskq.adapters.broker.redis import RedisBroker  # noqa: PLC0415 - an extra
        from taskq.adapters.results.redis import RedisStore  # noqa: PLC0415 - as above

        ports = app.make_ports()
        ports.broker.close()
        ports.store.close()
        broker = RedisBroker(
            self.url,
            clock=ports.clock,
            randomness=ports.randomness,
            place=ports.place,
            lease_s=app.conf.taskq_lease_s,
            client_factory=self.client,
        )
        store = RedisStore(self.url, clock=ports.clock, client_factory=self.client)
        return replace(ports, broker=broker, store=store)


@dataclass(frozen=True, slots=True)
class Model:
    """The simulated world, with the behaviour of one broker."""

    name: str
    profile: str
    url: None = None


def chosen(said: str, server: Callable[[str], str]) -> Transport | Model:
    """Return what the option says; ``server`` gives the URL of a private server."""
    name, _, profile = said.partition(":")
    if name == "model":
        return Model(said, profile or DEFAULT_PROFILE)
    if said == "fakeredis":
        return fakeredis()
    if said in PRIVATE:
        return at_url(said, server(PRIVATE[said]))
    if "://" in said:
        return at_url(name, said)
    raise ValueError(
        f"--taskq-broker {said}{nearest(said, ('model', 'fakeredis', *PRIVATE, 'URL'))}"
    )


def at_url(name: str, url: str) -> Transport:
    """A server that somebody runs."""
    return Transport(name, url, url if url.startswith(STORES_TOO) else HERE)


def fakeredis() -> Transport:
    """A new fake server."""
    import fakeredis  # noqa: PLC0415 - an extra; only this transport needs it

    server = fakeredis.FakeServer(version=(7,))
    return FakeTransport(
        "fakeredis", FAKE_URL, FAKE_URL, lambda: fakeredis.FakeRedis(server=server)
    )


@contextmanager
def settings_of(app: App, **told: Any) -> Iterator[None]:
    """Change settings of an app for a block."""
    before: Mapping[str, Any] = {name: app.conf[name] for name in told}
    app.conf.update(told)
    try:
        yield
    finally:
        app.conf.update(before)
