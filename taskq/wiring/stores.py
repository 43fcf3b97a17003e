"""Alias or URL scheme -> result store."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from importlib.metadata import entry_points
from types import MappingProxyType
from typing import Any, Final

from taskq.errors import ImproperlyConfigured
from taskq.ports import Broker, ResultStore
from taskq.wiring.brokers import Ground
from taskq.wiring.loading import UnknownNameError, is_path, load

StoreMaker = Callable[[Any, str, Ground, Broker, Callable[[], str]], ResultStore]

DISABLED: Final = "disabled"
# The store that answers by message.
ANSWERS: Final = "rpc"
# What stands behind ``cache+``, beside ``memory``; the libraries that Celery names are one here.
MEMCACHED: Final = frozenset({"memcached", "memcache", "pymemcache", "pylibmc"})


def make_store(
    conf: Any, ground: Ground, broker: Broker, oid: Callable[[], str], app: Any = None
) -> tuple[ResultStore, Broker]:
    """Return the store that the settings name, and the broker as clients are to use it with it.

    ``oid`` says which reply queue is this thread's.  ``app`` is what a class of a user's is made
    with.
    """
    said = getattr(app, "backend_cls", None) or conf.result_backend or conf.cache_backend
    url = said or DISABLED
    if isinstance(url, type):
        return _of_class(url, None, ground, app), broker
    if not isinstance(url, str):
        return url, broker
    path, told = _class_of(url, conf, app)
    if path is not None:
        cls = load("taskq.compat.backends:class_at")(path)
        if not getattr(cls, "is_native", False):
            return _of_class(cls, told, ground, app), broker
        url = told or cls.default_url  # the class is Celery's name of a store of ours
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


def _maker_of(url: str, _conf: Any) -> StoreMaker:
    alias = url.partition("://")[0]
    found = STORES.get(alias) or STORES.get(alias.partition("+")[0])
    if found is None:
        raise UnknownNameError("result_backend", alias, [*STORES, *entry_points_of(EXTENSIONS)])
    return found


# -- classes of users -----------------------------------------------------------------------------

# The group of entry points under which packages name theirs: ``django-db``.
EXTENSIONS: Final = "celery.result_backends"


def entry_points_of(group: str) -> dict[str, str]:
    """Return alias and path of what installed packages offer."""
    return {each.name: each.value for each in entry_points(group=group)}


def _class_of(url: str, conf: Any, app: Any) -> tuple[str | None, str | None]:
    """Return the path of the class that a URL names, if it names one, and what it is to be told.

    ``alias``, ``alias://...``, ``package.module:Class``, and ``package.module:Class+url``.
    """
    scheme, there_is_a_url, _ = url.partition("://")
    alias, plus, _ = scheme.partition("+")
    told = url if there_is_a_url else None
    overrides = {
        **(getattr(getattr(app, "loader", None), "override_backends", None) or {}),
        **(conf.get("override_backends") or {}),
    }
    if is_path(alias):
        return alias, url.split("+", 1)[1] if plus else told
    if alias in overrides:
        return overrides[alias], told
    if alias in STORES:
        return None, None
    return entry_points_of(EXTENSIONS).get(alias), told


def _of_class(cls: Any, url: str | None, ground: Ground, app: Any) -> ResultStore:
    """Make a store of a class: one of Celery's kind, or one that implements the port itself."""
    if not (isinstance(cls, type) and issubclass(cls, load("taskq.app.backend:Backend"))):
        store: ResultStore = cls(url=url, conf=app.conf)
        return store
    made: ResultStore = load("taskq.compat.backends_store:BackendStore")(
        lambda: cls(app=app, url=url),
        clock=ground.clock,
        thread_safe=bool(app.conf.result_backend_thread_safe),
    )
    return made


# -- our own --------------------------------------------------------------------------------------


def _redis(
    conf: Any, url: str, ground: Ground, _broker: Broker, _oid: Callable[[], str]
) -> ResultStore:
    at, options = url if "://" in url else f"{url}://", _redis_options(conf, ground)
    store: ResultStore = load("taskq.adapters.results.redis:RedisStore")(at, **options)
    return store


def _redis_options(conf: Any, ground: Ground) -> dict[str, Any]:
    return {
        "clock": ground.clock,
        "transport_options": conf.result_backend_transport_options or {},
        "ssl": conf.redis_backend_use_ssl,
        "packing": _packing(conf, ground),
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
    store: ResultStore = load("taskq.adapters.results.rpc:RpcStore")(
        broker,
        oid=oid,
        clock=ground.clock,
        persistent=bool(conf.result_persistent),
        expires_s=_lifetime_s(conf),
    )
    return store


def _cache(
    conf: Any, url: str, ground: Ground, _broker: Broker, _oid: Callable[[], str]
) -> ResultStore:
    if url == "cache":
        url = conf.cache_backend or "cache+memory://"
    kind = url.partition("://")[0].removeprefix("cache+")
    if kind == "memory":
        store: ResultStore = load("taskq.adapters.results.cache:MemoryStore")(
            url, clock=ground.clock
        )
        return store
    if kind not in MEMCACHED:
        known = [f"cache+{each}" for each in ("memory", *sorted(MEMCACHED))]
        raise UnknownNameError("result_backend", url.partition("://")[0], known)
    driver = _loaded("taskq.adapters.results.memcached:MemcachedValues", url, "memcached")
    values = driver(url, conf.cache_backend_options or {})
    return _key_value(conf, ground, values, lets_go=True)


def _file(
    conf: Any, url: str, ground: Ground, _broker: Broker, _oid: Callable[[], str]
) -> ResultStore:
    driver = load("taskq.adapters.results.filesystem:FileValues")
    return _key_value(conf, ground, driver(url), lets_go=True)


def _key_value(conf: Any, ground: Ground, driver: Any, *, lets_go: bool = False) -> ResultStore:
    """Make the store that all kinds of keys and values share.

    ``lets_go``: old values do not stay for ever; so it can keep what nobody may ask for again.
    """
    options = conf.result_backend_transport_options or {}
    kind = "keyvalue_rests:RestingStore" if lets_go else "keyvalue:KeyValueStore"
    store: ResultStore = load(f"taskq.adapters.results.{kind}")(
        driver,
        clock=ground.clock,
        packing=_packing(conf, ground),
        prefix=options.get("global_keyprefix") or "",
        expires_s=_lifetime_s(conf),
    )
    return store


def _database(
    conf: Any, url: str, ground: Ground, _broker: Broker, _oid: Callable[[], str]
) -> ResultStore:
    if "://" not in url:
        url = conf.database_url or ""
    make = _loaded("taskq.adapters.results.database:DatabaseStore", url or "database", "sqlalchemy")
    rows = load("taskq.adapters.results.database_rows:Rows")(ground.codec, conf.result_serializer)
    store: ResultStore = make(
        url.removeprefix("database+"),
        clock=ground.clock,
        rows=rows,
        engine_options=_engine_options(conf),
        engine_callback=conf.database_engine_callback,
        short_lived=bool(conf.database_short_lived_sessions),
        names=conf.database_table_names,
        schemas=conf.database_table_schemas,
        expires_s=_lifetime_s(conf),
    )
    return store


def _mongodb(
    conf: Any, url: str, ground: Ground, _broker: Broker, _oid: Callable[[], str]
) -> ResultStore:
    make = _loaded("taskq.adapters.results.mongodb:MongoStore", url, "mongodb")
    rows = load("taskq.adapters.results.database_rows:Rows")(ground.codec, conf.result_serializer)
    store: ResultStore = make(
        url if "://" in url else "mongodb://",
        clock=ground.clock,
        rows=rows,
        settings=conf.mongodb_backend_settings or {},
        expires_s=_lifetime_s(conf),
    )
    return store


def _s3(
    conf: Any, url: str, ground: Ground, _broker: Broker, _oid: Callable[[], str]
) -> ResultStore:
    driver = _loaded("taskq.adapters.results.amazon:S3Values", url, "sqs")(
        conf.s3_bucket,
        base_path=conf.s3_base_path,
        access_key_id=conf.s3_access_key_id,
        secret_access_key=conf.s3_secret_access_key,
        region=conf.s3_region,
        endpoint_url=conf.s3_endpoint_url,
    )
    return _key_value(conf, ground, driver)


def _dynamodb(
    conf: Any, url: str, ground: Ground, _broker: Broker, _oid: Callable[[], str]
) -> ResultStore:
    make = _loaded("taskq.adapters.results.amazon:DynamoValues", url, "sqs")
    values = make(url, endpoint_url=conf.dynamodb_endpoint_url)
    return _key_value(conf, ground, values, lets_go=True)


def _over_http(driver: str) -> StoreMaker:
    def make(
        conf: Any, url: str, ground: Ground, _broker: Broker, _oid: Callable[[], str]
    ) -> ResultStore:
        values = load(f"taskq.adapters.results.over_http:{driver}")(url)
        return _key_value(conf, ground, values)

    return make


def _not_here(conf: Any, url: str, *_: Any) -> ResultStore:  # noqa: ARG001 - the table's
    raise ImproperlyConfigured(
        f"result_backend {url.partition('://')[0]!r}: taskq has no driver for it; name a class of"
        " your own (a subclass of celery.backends.base.KeyValueStoreBackend with get, set, mget"
        " and delete), or another store: see docs/stores.md"
    )


def _engine_options(conf: Any) -> dict[str, Any]:
    return dict(conf.database_engine_options or {})


def _packing(conf: Any, ground: Ground) -> Any:
    return load("taskq.adapters.results.packing:Packing")(
        conf.result_compression, ground.codec, conf.taskq_max_body_bytes
    )


def _lifetime_s(conf: Any) -> float | None:
    expires = conf.result_expires
    seconds = expires.total_seconds() if isinstance(expires, timedelta) else expires
    return float(seconds) if seconds else None


def _loaded(path: str, url: str, extra: str) -> Any:
    """Import an adapter whose library may be missing."""
    try:
        return load(path)
    except ImportError as error:
        raise ImproperlyConfigured(
            f"result_backend: {url.partition('://')[0]}:// needs a library that is not installed:"
            f" {error}; pip install 'taskq[{extra}]'"
        ) from error


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
        "file": _file,
        "db": _database,
        "database": _database,
        "mongodb": _mongodb,
        "s3": _s3,
        "dynamodb": _dynamodb,
        "consul": _over_http("ConsulValues"),
        "couchdb": _over_http("CouchValues"),
        "elasticsearch": _over_http("ElasticValues"),
        "arangodb": _over_http("ArangoValues"),
        **dict.fromkeys(
            ("azureblockblob", "cassandra", "cosmosdbsql", "couchbase", "gs", "riak"), _not_here
        ),
        DISABLED: _disabled,
    }
)
