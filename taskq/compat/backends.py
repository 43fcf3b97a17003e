"""``celery.app.backends``: from an alias or a URL to a class.

The table of our own stores is ``wiring/stores.py``; this one says which of Celery's classes a
program is to see for them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from taskq.adapters.results.keyvalue import KeyValueStore
from taskq.app.backend import Backend
from taskq.compat.facade import resolve
from taskq.errors import ImproperlyConfigured
from taskq.wiring.loading import UnknownNameError, is_path, load
from taskq.wiring.stores import entry_points_of

__all__ = ["BACKEND_ALIASES", "backend_of", "by_name", "by_url", "class_at"]

_HERE: Final = "taskq.compat.backends_"

BACKEND_ALIASES: Final[dict[str, str]] = {
    "rpc": f"{_HERE}servers:RPCBackend",
    "cache": f"{_HERE}driven:CacheBackend",
    "redis": f"{_HERE}servers:RedisBackend",
    "rediss": f"{_HERE}servers:RedisBackend",
    "sentinel": f"{_HERE}servers:SentinelBackend",
    "mongodb": f"{_HERE}cloud:MongoBackend",
    "db": f"{_HERE}database:DatabaseBackend",
    "database": f"{_HERE}database:DatabaseBackend",
    "elasticsearch": f"{_HERE}cloud:ElasticsearchBackend",
    "cassandra": f"{_HERE}cloud:CassandraBackend",
    "couchbase": f"{_HERE}cloud:CouchbaseBackend",
    "couchdb": f"{_HERE}cloud:CouchBackend",
    "cosmosdbsql": f"{_HERE}cloud:CosmosDBSQLBackend",
    "riak": f"{_HERE}cloud:RiakBackend",
    "file": f"{_HERE}driven:FilesystemBackend",
    "disabled": f"{_HERE}servers:DisabledBackend",
    "consul": f"{_HERE}cloud:ConsulBackend",
    "dynamodb": f"{_HERE}cloud:DynamoDBBackend",
    "azureblockblob": f"{_HERE}cloud:AzureBlockBlobBackend",
    "arangodb": f"{_HERE}cloud:ArangoDbBackend",
    "s3": f"{_HERE}cloud:S3Backend",
    "gs": f"{_HERE}cloud:GCSBackend",
}


def class_at(path: str) -> Any:
    """Return the class of a dotted path; one of Celery's is one of ours."""
    dotted = path.replace(":", ".")
    return resolve(dotted) if dotted.startswith("celery.") else load(path)


def by_name(
    backend: str | type | None = None,
    loader: Any = None,
    extension_namespace: str = "celery.result_backends",
) -> Any:
    """Return the class of an alias or of a dotted path."""
    name = backend or "disabled"
    if not isinstance(name, str):
        return name
    aliases: Mapping[str, str] = {
        **BACKEND_ALIASES,
        **entry_points_of(extension_namespace),
        **(getattr(loader, "override_backends", None) or {}),
    }
    path = aliases.get(name, name)
    if not is_path(path):
        raise UnknownNameError("result_backend", name, aliases)
    try:
        return class_at(path)
    except (ImportError, AttributeError) as error:
        raise ImproperlyConfigured(
            f"result_backend: {name!r} stands for {path!r}, which cannot be imported: {error!r}"
        ) from error


def by_url(backend: str | type | None = None, loader: Any = None) -> tuple[Any, str | None]:
    """Return the class of a URL, and the URL that it is to be told."""
    url = None
    if isinstance(backend, str) and "://" in backend:
        url = backend
        scheme = url.partition("://")[0]
        if "+" in scheme:
            backend, url = url.split("+", 1)
        else:
            backend = scheme
    return by_name(backend, loader), url


# Our store, by its class -> the alias whose class a program is to see.
_ALIAS_OF: Final[Mapping[str, str]] = {
    "RedisStore": "redis",
    "RpcStore": "rpc",
    "MemoryStore": "cache",
    "DisabledStore": "disabled",
    "DatabaseStore": "db",
    "MongoStore": "mongodb",
}


def backend_of(app: Any) -> Any:
    """Make what ``app.backend`` is: an object of Celery's class for the store that the app has."""
    store, url = app.ports.store, app.conf.result_backend or app.conf.cache_backend
    kinds = [cls.__name__ for cls in type(store).__mro__]
    alias = next((_ALIAS_OF[kind] for kind in kinds if kind in _ALIAS_OF), None)
    if isinstance(store, KeyValueStore):
        alias = str(url).partition("://")[0].partition("+")[0]
    if alias not in BACKEND_ALIASES:
        return Backend(app)
    if alias == "redis" and str(url).startswith("sentinel"):
        alias = "sentinel"
    backend = class_at(BACKEND_ALIASES[alias])(app=app, url=url if "://" in str(url) else None)
    backend.follows_app = True
    return backend
