"""Where the names of Celery's result backends live."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from taskq.compat.names.row import Module, all_from

_HERE: Final = "taskq.compat.backends_"


def _cloud(*names: str) -> Module:
    return Module(names=all_from(f"{_HERE}cloud", *names))


MODULES: Final[Mapping[str, Module]] = {
    "celery.app.backends": Module(
        names=all_from("taskq.compat.backends", "BACKEND_ALIASES", "by_name", "by_url")
    ),
    "celery.backends": Module(),
    "celery.backends.arangodb": _cloud("ArangoDbBackend"),
    "celery.backends.asynchronous": Module(f"{_HERE}async"),
    "celery.backends.azureblockblob": _cloud("AzureBlockBlobBackend"),
    "celery.backends.base": Module(
        names={
            **all_from(f"{_HERE}base", "Backend", "BaseBackend", "BaseDictBackend"),
            **all_from(f"{_HERE}keyvalue", "BaseKeyValueStoreBackend", "KeyValueStoreBackend"),
            **all_from(f"{_HERE}waiting", "SyncBackendMixin"),
            **all_from(f"{_HERE}servers", "DisabledBackend", "unpickle_backend"),
            **all_from(
                f"{_HERE}payload", "compress_payload", "decompress_payload", "pending_results_t"
            ),
            **all_from("taskq.current", "get_current_task"),
        }
    ),
    "celery.backends.cache": Module(names=all_from(f"{_HERE}driven", "CacheBackend")),
    "celery.backends.cassandra": _cloud("CassandraBackend"),
    "celery.backends.consul": _cloud("ConsulBackend"),
    "celery.backends.cosmosdbsql": _cloud("CosmosDBSQLBackend"),
    "celery.backends.couchbase": _cloud("CouchbaseBackend"),
    "celery.backends.couchdb": _cloud("CouchBackend"),
    "celery.backends.database": Module(
        names=all_from(
            f"{_HERE}database",
            "DatabaseBackend",
            "Task",
            "TaskExtended",
            "TaskSet",
            "SessionManager",
            "session_cleanup",
        )
    ),
    "celery.backends.database.models": Module(
        names=all_from(f"{_HERE}database", "Task", "TaskExtended", "TaskSet")
    ),
    "celery.backends.database.session": Module(
        names=all_from(f"{_HERE}database", "SessionManager")
    ),
    "celery.backends.dynamodb": _cloud("DynamoDBBackend"),
    "celery.backends.elasticsearch": _cloud("ElasticsearchBackend"),
    "celery.backends.filesystem": Module(
        names=all_from(
            f"{_HERE}driven",
            *("E_NO_PATH_SET", "E_PATH_INVALID", "E_PATH_NON_CONFORMING_SCHEME"),
            *("FilesystemBackend", "default_encoding"),
        )
    ),
    "celery.backends.gcs": _cloud("GCSBackend"),
    "celery.backends.mongodb": _cloud("MongoBackend"),
    "celery.backends.redis": Module(
        names=all_from(
            f"{_HERE}servers",
            "RedisBackend",
            "ResultConsumer",
            "SentinelBackend",
            "SentinelManagedSSLConnection",
        )
    ),
    "celery.backends.rpc": Module(
        names=all_from(f"{_HERE}servers", "BacklogLimitExceeded", "RPCBackend", "ResultConsumer")
    ),
    "celery.backends.s3": _cloud("S3Backend"),
}
