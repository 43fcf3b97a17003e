# ruff: noqa: PLR0917 - the parameters are Celery's, and so is their order
"""Celery's classes of stores that are services: names, settings, and our driver behind them.

Where there is no driver of ours the class says so when its store is used; a subclass with ``get``,
``set``, ``mget`` and ``delete`` of its own works as any other class of a user's.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any, ClassVar
from urllib.parse import unquote, urlsplit

from taskq.adapters.results.keyvalue import KeyValueStore
from taskq.compat.backends_base import BaseBackend
from taskq.compat.backends_driven import Driven
from taskq.compat.backends_native import Native
from taskq.conf import sanitize_url

__all__ = [
    "ArangoDbBackend",
    "AzureBlockBlobBackend",
    "CassandraBackend",
    "ConsulBackend",
    "CosmosDBSQLBackend",
    "CouchBackend",
    "CouchbaseBackend",
    "DynamoDBBackend",
    "ElasticsearchBackend",
    "GCSBackend",
    "MongoBackend",
    "RiakBackend",
    "S3Backend",
]


class Placed(Driven):
    """A store at a URL with host, port, user and password."""

    host: str | None = "localhost"
    port: int | None = None
    username: str | None = None
    password: str | None = None
    scheme: str | None = None

    def __init__(self, url: str | None = None, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, url=url, **kwargs)
        parts = urlsplit(self.place)
        self.scheme = parts.scheme
        self.host, self.port = parts.hostname or self.host, parts.port or self.port
        self.username = unquote(parts.username) if parts.username else None
        self.password = unquote(parts.password) if parts.password else None
        self._path = [unquote(part) for part in parts.path.split("/") if part]

    @property
    def connection(self) -> Any:
        """Our driver."""
        store = self.native
        return store.values if isinstance(store, KeyValueStore) else store

    @property
    def expires_delta(self) -> timedelta:
        """How long results are kept."""
        return timedelta(seconds=self.expires or 0)

    def as_uri(self, include_password: bool = False) -> str:
        """Return the URL."""
        return self.place if include_password else sanitize_url(self.place)


class ArangoDbBackend(Placed):
    """``celery.backends.arangodb.ArangoDbBackend``."""

    default_url: ClassVar[str] = "arangodb://localhost:8529/celery/celery"
    port = 8529
    http_protocol = "http"
    verify = False
    database: str = "celery"
    collection: str = "celery"

    def __init__(self, url: str | None = None, *args: Any, **kwargs: Any) -> None:
        super().__init__(url, *args, **kwargs)
        self.database, self.collection = (*self._path, self.database, self.collection)[:2]

    @property
    def db(self) -> Any:
        """Our driver."""
        return self.connection


class AzureBlockBlobBackend(Placed):
    """``celery.backends.azureblockblob.AzureBlockBlobBackend``; there is no driver of ours."""

    default_url: ClassVar[str] = "azureblockblob"


class CassandraBackend(Native, BaseBackend):
    """``celery.backends.cassandra.CassandraBackend``; there is no driver of ours."""

    default_url: ClassVar[str] = "cassandra"
    servers: Any = None
    bundle_path: str | None = None
    supports_autoexpire = True
    supports_result_compression = False

    def __init__(
        self,
        servers: Any = None,
        keyspace: str | None = None,
        table: str | None = None,
        entry_ttl: Any = None,
        port: Any = None,
        bundle_path: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        conf = self.app.conf
        self.servers = servers or conf.cassandra_servers
        self.keyspace, self.table = (
            keyspace or conf.cassandra_keyspace,
            table or conf.cassandra_table,
        )
        self.entry_ttl, self.port = entry_ttl or conf.cassandra_entry_ttl, port
        self.bundle_path = bundle_path or conf.cassandra_secure_bundle_path

    def as_uri(self, include_password: bool = True) -> str:  # noqa: ARG002 - Celery's
        """Return the URL."""
        return "cassandra://"


class ConsulBackend(Placed):
    """``celery.backends.consul.ConsulBackend``."""

    default_url: ClassVar[str] = "consul://localhost:8500/"
    supports_autoexpire = True
    consistency = "consistent"
    consul: Any = None
    path: str = ""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.path = "/".join(self._path)

    def client(self) -> Any:
        """Our driver."""
        return self.connection


class CosmosDBSQLBackend(Placed):
    """``celery.backends.cosmosdbsql.CosmosDBSQLBackend``; there is no driver of ours."""

    default_url: ClassVar[str] = "cosmosdbsql"

    def __init__(
        self,
        url: str | None = None,
        database_name: str | None = None,
        collection_name: str | None = None,
        consistency_level: str | None = None,
        max_retry_attempts: int | None = None,
        max_retry_wait_time: int | None = None,
        *args: Any,
        **kwargs: Any,
    ) -> None:
        super().__init__(url, *args, **kwargs)
        conf = self.app.conf
        self.database_name = database_name or conf.cosmosdbsql_database_name
        self.collection_name = collection_name or conf.cosmosdbsql_collection_name
        self.consistency_level = consistency_level or conf.cosmosdbsql_consistency_level
        self.max_retry_attempts = max_retry_attempts or conf.cosmosdbsql_max_retry_attempts
        self.max_retry_wait_time = max_retry_wait_time or conf.cosmosdbsql_max_retry_wait_time


class CouchbaseBackend(Placed):
    """``celery.backends.couchbase.CouchbaseBackend``; there is no driver of ours."""

    default_url: ClassVar[str] = "couchbase"
    bucket: str = "default"
    port = 8091
    supports_autoexpire = True
    quiet = False
    timeout = 2.5


class CouchBackend(Placed):
    """``celery.backends.couchdb.CouchBackend``."""

    default_url: ClassVar[str] = "couchdb://localhost:5984/default"
    container: str = "default"
    port = 5984

    def __init__(self, url: str | None = None, *args: Any, **kwargs: Any) -> None:
        super().__init__(url, *args, **kwargs)
        self.container = (*self._path, self.container)[0]


class DynamoDBBackend(Placed):
    """``celery.backends.dynamodb.DynamoDBBackend``."""

    default_url: ClassVar[str] = "dynamodb://@us-east-1/celery"
    table_name: str = "celery"
    read_capacity_units = 1
    write_capacity_units = 1
    aws_region: str | None = None
    endpoint_url: str | None = None
    time_to_live_seconds: int | None = None
    supports_autoexpire = True
    supports_result_compression = False
    implements_incr = True

    def __init__(
        self, url: str | None = None, table_name: str | None = None, *args: Any, **kwargs: Any
    ) -> None:
        super().__init__(url, *args, **kwargs)
        self.table_name = table_name or (*self._path, self.table_name)[0]
        self.aws_region = self.host
        self.endpoint_url = self.app.conf.dynamodb_endpoint_url

    @property
    def client(self) -> Any:
        """Our driver."""
        return self.connection

    def incr(self, key: Any) -> Any:
        """Count; chords are asked for instead."""
        return super().incr(key)


class ElasticsearchBackend(Placed):
    """``celery.backends.elasticsearch.ElasticsearchBackend``."""

    default_url: ClassVar[str] = "elasticsearch://localhost:9200/celery"
    index: str = "celery"
    doc_type: str | None = None
    port = 9200
    es_retry_on_timeout = False
    es_timeout = 10
    es_max_retries = 3

    def __init__(self, url: str | None = None, *args: Any, **kwargs: Any) -> None:
        super().__init__(url, *args, **kwargs)
        conf = self.app.conf
        self.index = (*self._path, self.index)[0]
        self.doc_type = (*self._path[1:], None)[0]
        self.es_retry_on_timeout = conf.elasticsearch_retry_on_timeout or False
        self.es_timeout = conf.elasticsearch_timeout or self.es_timeout
        self.es_max_retries = conf.elasticsearch_max_retries or self.es_max_retries

    @property
    def server(self) -> Any:
        """Our driver."""
        return self.connection

    def exception_safe_to_retry(self, exc: BaseException) -> bool:
        """Whether the server may answer the next time."""
        return isinstance(exc, OSError)


class GCSBackend(Placed):
    """``celery.backends.gcs.GCSBackend``; there is no driver of ours."""

    default_url: ClassVar[str] = "gs"
    implements_incr = True
    supports_native_join = True
    supports_result_compression = False

    @property
    def client(self) -> Any:
        """Refuse, or what a subclass gives."""
        return self.connection

    bucket = firestore_client = client

    def incr(self, key: Any) -> Any:
        """Count; chords are asked for instead."""
        return super().incr(key)


class MongoBackend(Native, BaseBackend):
    """``celery.backends.mongodb.MongoBackend``."""

    default_url: ClassVar[str] = "mongodb://"
    mongo_host: Any = None
    host: str = "localhost"
    port: int = 27017
    user: str | None = None
    password: str | None = None
    database_name: str = "celery"
    taskmeta_collection: str = "celery_taskmeta"
    groupmeta_collection: str = "celery_groupmeta"
    max_pool_size: int = 10
    options: Any = None
    supports_autoexpire = False
    supports_result_compression = False

    def __init__(self, app: Any = None, **kwargs: Any) -> None:
        super().__init__(app, **kwargs)
        settings = self.app.conf.mongodb_backend_settings or {}
        for name in ("host", "port", "user", "password", "max_pool_size"):
            setattr(self, name, settings.get(name) or getattr(self, name))
        for name in ("taskmeta_collection", "groupmeta_collection"):
            setattr(self, name, settings.get(name) or getattr(self, name))
        self.options = dict(settings.get("options") or {})
        path = urlsplit(self.place).path.strip("/")
        self.database_name = path or settings.get("database") or self.database_name
        self.mongo_host = self.place

    def encode(self, data: Any) -> Any:
        """Return what is stored for a value."""
        return super().encode(data)

    def decode(self, data: Any) -> Any:
        """Return the value of what is stored."""
        return super().decode(data)

    @property
    def database(self) -> Any:
        """The database, as pymongo has it."""
        return self.collection.database

    @property
    def collection(self) -> Any:
        """The collection of results, as pymongo has it."""
        return self.native.collection(self.taskmeta_collection)  # type: ignore[attr-defined]  # of ``MongoStore``

    @property
    def group_collection(self) -> Any:
        """The collection of groups, as pymongo has it."""
        return self.native.collection(self.groupmeta_collection)  # type: ignore[attr-defined]  # of ``MongoStore``

    @property
    def expires_delta(self) -> timedelta:
        """How long results are kept."""
        return timedelta(seconds=self.expires or 0)

    def as_uri(self, include_password: bool = False) -> str:
        """Return the URL."""
        return self.place if include_password else sanitize_url(self.place)


class RiakBackend(Placed):
    """``celery.backends.riak.RiakBackend``: in Celery a name without a module."""

    default_url: ClassVar[str] = "riak"


class S3Backend(Driven):
    """``celery.backends.s3.S3Backend``."""

    default_url: ClassVar[str] = "s3"
