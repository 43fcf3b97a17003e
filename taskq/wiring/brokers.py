"""URL scheme -> broker driver."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import quote

from kombu.transport import TRANSPORT_ALIASES, get_transport_cls

from taskq.errors import ImproperlyConfigured
from taskq.ports import Broker, Clock, Codec, Place, Randomness
from taskq.wiring.loading import UnknownNameError, is_path, load

DEFAULT_URL: Final = "amqp://guest:guest@localhost:5672//"
# kombu's own transport where we have a driver of ours: ``kombu+redis://``.
KOMBU_PREFIX: Final = "kombu+"


@dataclass(frozen=True, slots=True)
class Ground:
    """What every adapter stands on."""

    clock: Clock
    randomness: Randomness
    place: Place
    codec: Codec
    # Whether a task, by its name, acknowledges late; None: any may.
    is_late: Callable[[str], bool] | None = None


def make_broker(conf: Any, ground: Ground) -> Broker:
    """Return the broker that the settings name."""
    urls = broker_urls(conf)
    for scheme in dict.fromkeys(url.partition("://")[0] for url in urls):
        _check_known(scheme)
    scheme = urls[0].partition("://")[0]
    return DRIVERS.get(scheme, kombu_broker)(conf, urls, ground)


def _check_known(scheme: str) -> None:
    known = {*DRIVERS, *TRANSPORT_ALIASES, *(f"{KOMBU_PREFIX}{name}" for name in DRIVERS)}
    # kombu's own composite form, ``sqla+postgresql://``, names the transport first.
    if scheme not in known and scheme.partition("+")[0] not in known and not is_path(scheme):
        raise UnknownNameError("broker_url", scheme, known)


def broker_urls(conf: Any) -> list[str]:
    """Where to publish: all URLs of the failover list."""
    # By item: as an attribute ``broker_url`` falls back to the host alone.
    url = conf["broker_write_url"] or conf["broker_url"] or _from_parts(conf) or DEFAULT_URL
    listed = url.split(";") if isinstance(url, str) else list(url)
    return [_with_scheme(one.strip()) for one in listed if one.strip()]


def _with_scheme(url: str) -> str:
    return url if "://" in url else f"{url}://"


def _from_parts(conf: Any) -> str | None:
    if not (conf.broker_host or conf.broker_transport):
        return None
    user = quote(conf.broker_user or "", safe="")
    password = f":{quote(conf.broker_password, safe='')}" if conf.broker_password else ""
    at = f"{user}{password}@" if user or password else ""
    port = f":{conf.broker_port}" if conf.broker_port else ""
    host = conf.broker_host or "localhost"
    return f"{conf.broker_transport or 'amqp'}://{at}{host}{port}/{conf.broker_vhost or ''}"


def redis_broker(conf: Any, urls: Sequence[str], ground: Ground) -> Broker:
    """Make our own Redis driver, or two where workers read elsewhere."""
    writing = _one_redis(conf, urls, ground)
    read = conf["broker_read_url"]
    if not read:
        return writing
    reading = _one_redis(conf, read.split(";") if isinstance(read, str) else read, ground)
    split: Broker = load("taskq.adapters.broker.split:SplitBroker")(writing, reading)
    return split


def _one_redis(conf: Any, urls: Sequence[str], ground: Ground) -> Broker:
    options = conf.broker_transport_options or {}
    broker: Broker = load("taskq.adapters.broker.redis:RedisBroker")(
        urls,
        clock=ground.clock,
        randomness=ground.randomness,
        place=ground.place,
        transport_options=options,
        ssl=conf.broker_use_ssl or None,
        socket_connect_timeout=conf.broker_connection_timeout,
        lease_s=conf.taskq_lease_s,
        dead_letters_max=conf.taskq_dead_letters_max,
    )
    return broker


def _check_installed(url: str) -> None:
    try:
        get_transport_cls(url.partition("://")[0].partition("+")[0])
    except ImportError as error:
        raise ImproperlyConfigured(
            f"broker_url: {url.partition('://')[0]}:// needs a library that is not installed:"
            f" {error}; pip install 'taskq[all]', or that library alone"
        ) from error


def _kombus(urls: Sequence[str]) -> list[str]:
    return [_with_scheme(url.strip()).removeprefix(KOMBU_PREFIX) for url in urls]


def kombu_broker(conf: Any, urls: Sequence[str], ground: Ground) -> Broker:
    """Make a driver on one of kombu's transports."""
    read = conf["broker_read_url"]
    read_urls = read.split(";") if isinstance(read, str) else read
    for url in _kombus(urls):
        _check_installed(url)
    broker: Broker = load("taskq.adapters.broker.kombu_rabbit:kombu_broker")(
        _kombus(urls),
        clock=ground.clock,
        randomness=ground.randomness,
        place=ground.place,
        codec=ground.codec,
        read_urls=_kombus(read_urls) if read_urls else None,
        transport_options=conf.broker_transport_options or {},
        ssl=conf.broker_use_ssl,
        heartbeat=conf.broker_heartbeat,
        heartbeat_checkrate=conf.broker_heartbeat_checkrate,
        login_method=conf.broker_login_method,
        pool_limit=conf.broker_pool_limit,
        connect_timeout=conf.broker_connection_timeout,
        failover_strategy=conf.broker_failover_strategy,
        dead_letters_max=conf.taskq_dead_letters_max,
        delay_queue_type=conf.broker_native_delayed_delivery_queue_type,
        is_late=ground.is_late,
    )
    return broker


# Every scheme that is not here is kombu's.
DRIVERS: Final[Mapping[str, Callable[[Any, Sequence[str], Ground], Broker]]] = MappingProxyType(
    {
        "redis": redis_broker,
        "rediss": redis_broker,
        "redis+socket": redis_broker,
        "sentinel": redis_broker,
    }
)


class _Elsewhere:
    """The settings of an app, but for where its broker is."""

    def __init__(self, conf: Any, url: str) -> None:
        self._conf = conf
        self._there = {"broker_url": url, "broker_read_url": None, "broker_write_url": None}

    def __getattr__(self, name: str) -> Any:
        return self._there[name] if name in self._there else getattr(self._conf, name)

    def __getitem__(self, name: str) -> Any:
        return self._there[name] if name in self._there else self._conf[name]


def broker_at(app: Any, url: str) -> Broker:
    """Return a broker at another place than the one that the app's settings name."""
    ports = app.ports
    ground = Ground(ports.clock, ports.randomness, ports.place, ports.codec)
    conf = _Elsewhere(app.conf, url)
    return make_broker(conf, ground)
