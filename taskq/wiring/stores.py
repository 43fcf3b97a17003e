"""Alias or URL scheme -> result store."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from types import MappingProxyType
from typing import Any, Final

from taskq.ports import Broker, ResultStore
from taskq.wiring.brokers import Ground
from taskq.wiring.loading import UnknownNameError, is_path, load

StoreMaker = Callable[[Any, str, Ground, Broker, Callable[[], str]], ResultStore]

DISABLED: Final = "disabled"
# The store that answers by message.
ANSWERS: Final = "rpc"


def make_store(
    conf: Any, ground: Ground, broker: Broker, oid: Callable[[], str]
) -> tuple[ResultStore, Broker]:
    """Return the store that the settings name, and the broker as clients are to use it with it.

    ``oid`` says which reply queue is this thread's.
    """
    url = conf.result_backend or conf.cache_backend or DISABLED
    if not isinstance(url, str):
        return url, broker
    store = _maker_of(url, conf)(conf, url, ground, broker, oid)
    if url.startswith(ANSWERS):
        # The reply queue must be there before the question goes out.
        broker = load("taskq.adapters.results.rpc:ListeningBroker")(broker, store)
    return store, broker


def store_at(app: Any, url: str) -> ResultStore:
    """Return a store at another place than the one that the app's settings name."""
    ports, conf = app.ports, app.conf
    ground = Ground(ports.clock, ports.randomness, ports.place, ports.codec)
    return _maker_of(url, conf)(conf, url, ground, ports.broker, lambda: app.thread_oid)


def _maker_of(url: str, conf: Any) -> StoreMaker:
    alias = url.partition("://")[0]
    found = STORES.get(alias) or STORES.get(alias.partition("+")[0])
    if found is not None:
        return found
    path = (conf.get("override_backends") or {}).get(alias, alias)
    if is_path(path):
        return lambda conf, url, *_: load(path)(url=url, conf=conf)
    raise UnknownNameError("result_backend", alias, STORES)


def _redis(
    conf: Any, url: str, ground: Ground, broker: Broker, _oid: Callable[[], str]
) -> ResultStore:
    at, options = url if "://" in url else f"{url}://", _redis_options(conf, ground)
    store: ResultStore = load("taskq.adapters.results.redis:RedisStore")(at, **options)
    if store.address == broker.address:
        # The first one had only to say where it is; nothing is connected yet.
        here: Any = broker  # ours: no other has an address
        beside = load("taskq.adapters.results.redis_beside:RedisStoreBesideBroker")
        store = beside(at, routes=here.routes, **options)
    return store


def _redis_options(conf: Any, ground: Ground) -> dict[str, Any]:
    return {
        "clock": ground.clock,
        "transport_options": conf.result_backend_transport_options or {},
        "ssl": conf.redis_backend_use_ssl,
        "packing": load("taskq.adapters.results.packing:Packing")(
            conf.result_compression, ground.codec, conf.taskq_max_body_bytes
        ),
        **{name: conf[name] for name in _REDIS_SETTINGS},
    }


_REDIS_SETTINGS: Final = (
    "redis_host",
    "redis_port",
    "redis_db",
    "redis_username",
    "redis_password",
    "redis_max_connections",
    "redis_socket_timeout",
    "redis_socket_connect_timeout",
    "redis_retry_on_timeout",
    "redis_socket_keepalive",
    "redis_client_name",
    "redis_backend_health_check_interval",
    "redis_backend_credential_provider",
)


def _rpc(
    conf: Any, _url: str, ground: Ground, broker: Broker, oid: Callable[[], str]
) -> ResultStore:
    expires = conf.result_expires
    seconds = expires.total_seconds() if isinstance(expires, timedelta) else expires
    store: ResultStore = load("taskq.adapters.results.rpc:RpcStore")(
        broker,
        oid=oid,
        clock=ground.clock,
        persistent=bool(conf.result_persistent),
        expires_s=None if seconds is None else float(seconds),
    )
    return store


def _cache(
    conf: Any, url: str, ground: Ground, _broker: Broker, _oid: Callable[[], str]
) -> ResultStore:
    if url == "cache":
        url = conf.cache_backend or "cache+memory://"
    if not url.startswith("cache+memory"):
        raise UnknownNameError("result_backend", url.partition("://")[0], ("cache+memory",))
    store: ResultStore = load("taskq.adapters.results.cache:MemoryStore")(url, clock=ground.clock)
    return store


def _disabled(*_: Any) -> ResultStore:
    store: ResultStore = load("taskq.adapters.results.disabled:DisabledStore")()
    return store


STORES: Final[Mapping[str, StoreMaker]] = MappingProxyType(
    {
        "redis": _redis,
        "rediss": _redis,
        "sentinel": _redis,
        "socket": _redis,
        "rpc": _rpc,
        "cache": _cache,
        DISABLED: _disabled,
    }
)
