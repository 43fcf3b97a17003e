"""``celery.app.backends``: classes of result backends by their short names and URLs."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import entry_points
from typing import Any, Final

from taskq.app.discovery import symbol
from taskq.compat.facade import resolve
from taskq.errors import ImproperlyConfigured

__all__ = ["BACKEND_ALIASES", "by_name", "by_url"]

# Under Celery's names, which ``resolve`` knows.
BACKEND_ALIASES: Final[dict[str, str]] = {
    "rpc": "celery.backends.rpc:RPCBackend",
    "cache": "celery.backends.cache:CacheBackend",
    "redis": "celery.backends.redis:RedisBackend",
    "rediss": "celery.backends.redis:RedisBackend",
    "sentinel": "celery.backends.redis:SentinelBackend",
    "mongodb": "celery.backends.mongodb:MongoBackend",
    "db": "celery.backends.database:DatabaseBackend",
    "database": "celery.backends.database:DatabaseBackend",
    "elasticsearch": "celery.backends.elasticsearch:ElasticsearchBackend",
    "cassandra": "celery.backends.cassandra:CassandraBackend",
    "couchbase": "celery.backends.couchbase:CouchbaseBackend",
    "couchdb": "celery.backends.couchdb:CouchBackend",
    "cosmosdbsql": "celery.backends.cosmosdbsql:CosmosDBSQLBackend",
    "file": "celery.backends.filesystem:FilesystemBackend",
    "disabled": "celery.backends.base:DisabledBackend",
    "consul": "celery.backends.consul:ConsulBackend",
    "dynamodb": "celery.backends.dynamodb:DynamoDBBackend",
    "azureblockblob": "celery.backends.azureblockblob:AzureBlockBlobBackend",
    "arangodb": "celery.backends.arangodb:ArangoDbBackend",
    "s3": "celery.backends.s3:S3Backend",
    "gs": "celery.backends.gcs:GCSBackend",
}
EXTENSIONS: Final = "celery.result_backends"


def by_name(backend: Any = None, loader: Any = None, extension_namespace: str = EXTENSIONS) -> Any:
    """Return the class of a backend: by its alias, by its path, or itself."""
    if backend is not None and not isinstance(backend, str):
        return backend
    told: Mapping[str, str] = getattr(loader, "override_backends", None) or {}
    name = backend or "disabled"
    path = told.get(name) or BACKEND_ALIASES.get(name)
    if path is None:
        found = [point for point in entry_points(group=extension_namespace) if point.name == name]
        if found:
            return found[0].load()
        path = name
    if path.startswith("celery."):
        return resolve(path.replace(":", "."))
    if ":" not in path and "." not in path:
        known = ", ".join(sorted(BACKEND_ALIASES))
        raise ImproperlyConfigured(f"no result backend is called {name!r}; known are {known}")
    return symbol(path)


def by_url(backend: Any = None, loader: Any = None) -> tuple[Any, str | None]:
    """Return the class of a backend, and its URL where one was given."""
    if not isinstance(backend, str) or "://" not in backend:
        return by_name(backend, loader), None
    scheme, _, rest = backend.partition("://")
    if "+" not in scheme:
        return by_name(scheme, loader), backend
    scheme, _, inner = scheme.partition("+")
    return by_name(scheme, loader), f"{inner}://{rest}"
