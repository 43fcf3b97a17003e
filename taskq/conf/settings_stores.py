"""Settings of single result stores."""

from __future__ import annotations

from typing import Final

from taskq.conf.kinds import (
    ANY,
    FLAG,
    FLAG_OR_OPTIONS,
    INTEGER,
    MAPPING,
    NAMES,
    SECONDS,
    SECRET,
    TEXT,
    TEXT_OR_NUMBER,
    URLS,
    Setting,
)

ROWS: Final = (
    Setting(
        "cache_backend",
        URLS,
        None,
        "Memcached or in-memory cache URL for the cache result backend.",
        old=("CELERY_CACHE_BACKEND",),
    ),
    Setting(
        "cache_backend_options",
        MAPPING,
        {},
        "Options passed to the cache client.",
        old=("CELERY_CACHE_BACKEND_OPTIONS",),
    ),
    Setting("cassandra_entry_ttl", SECONDS, None, "Seconds before Cassandra removes a result row."),
    Setting("cassandra_keyspace", TEXT, None, "Cassandra keyspace name."),
    Setting("cassandra_port", TEXT_OR_NUMBER, None, "Cassandra port; 9042 when unset."),
    Setting(
        "cassandra_read_consistency",
        TEXT,
        None,
        "Read consistency level name; LOCAL_QUORUM when unset.",
    ),
    Setting("cassandra_servers", NAMES, None, "List of Cassandra hosts."),
    Setting(
        "cassandra_bundle_path",
        TEXT,
        None,
        "Not read; the Astra secure bundle is named by cassandra_secure_bundle_path.",
    ),
    Setting("cassandra_table", TEXT, None, "Cassandra table name."),
    Setting(
        "cassandra_write_consistency",
        TEXT,
        None,
        "Write consistency level name; LOCAL_QUORUM when unset.",
    ),
    Setting("cassandra_auth_provider", TEXT, None, "Class name in the driver's auth module."),
    Setting("cassandra_auth_kwargs", ANY, None, "Keyword arguments of the auth provider."),
    Setting(
        "cassandra_options", MAPPING, {}, "Extra keyword arguments of the Cassandra cluster object."
    ),
    Setting("s3_access_key_id", TEXT, None, "AWS key id for the S3 result backend."),
    Setting("s3_secret_access_key", TEXT, None, "AWS secret for the S3 result backend."),
    Setting("s3_bucket", TEXT, None, "Bucket of the S3 result backend."),
    Setting("s3_base_path", TEXT, None, "Prefix of the S3 object names."),
    Setting("s3_endpoint_url", TEXT, None, "Custom S3 endpoint."),
    Setting("s3_region", TEXT, None, "AWS region of the bucket."),
    Setting("azureblockblob_container_name", TEXT, "celery", "Container holding result blobs."),
    Setting(
        "azureblockblob_retry_initial_backoff_sec",
        INTEGER,
        2,
        "First back-off in seconds of the Azure client.",
    ),
    Setting("azureblockblob_retry_increment_base", INTEGER, 2, "Growth of the Azure back-off."),
    Setting("azureblockblob_retry_max_attempts", INTEGER, 3, "Attempts of the Azure client."),
    Setting("azureblockblob_base_path", TEXT, "", "Prefix of the blob names."),
    Setting(
        "azureblockblob_connection_timeout",
        INTEGER,
        20,
        "Connect timeout in seconds of the Azure client.",
    ),
    Setting(
        "azureblockblob_read_timeout", INTEGER, 120, "Read timeout in seconds of the Azure client."
    ),
    Setting("gcs_bucket", TEXT, None, "Bucket of the Google Cloud Storage result backend."),
    Setting("gcs_project", TEXT, None, "Google Cloud project."),
    Setting("gcs_base_path", TEXT, "", "Prefix of the object names."),
    Setting(
        "gcs_ttl",
        SECONDS,
        0,
        "Object lifetime in seconds; 0 keeps for ever and needs a bucket lifecycle rule when set.",
    ),
    Setting(
        "couchbase_backend_settings",
        MAPPING,
        None,
        "Dict: host, username, password, bucket, port.",
        old=("CELERY_COUCHBASE_BACKEND_SETTINGS",),
    ),
    Setting(
        "arangodb_backend_settings",
        MAPPING,
        None,
        "Dict: host, port, database, collection, credentials, http_protocol, verify.",
        old=("CELERY_ARANGODB_BACKEND_SETTINGS",),
    ),
    Setting(
        "mongodb_backend_settings",
        MAPPING,
        None,
        "Dict: host, port, user, password, database, taskmeta_collection, groupmeta_collection,"
        " max_pool_size, options.",
        old=("CELERY_MONGODB_BACKEND_SETTINGS",),
    ),
    Setting("cosmosdbsql_database_name", TEXT, "celerydb", "Cosmos DB database."),
    Setting("cosmosdbsql_collection_name", TEXT, "celerycol", "Cosmos DB collection."),
    Setting("cosmosdbsql_consistency_level", TEXT, "Session", "Cosmos DB consistency level name."),
    Setting("cosmosdbsql_max_retry_attempts", INTEGER, 9, "Retries per Cosmos request."),
    Setting(
        "cosmosdbsql_max_retry_wait_time",
        INTEGER,
        30,
        "Longest wait in seconds per Cosmos request.",
    ),
    Setting(
        "redis_backend_use_ssl",
        FLAG_OR_OPTIONS,
        None,
        "Dict of ssl options for the Redis result backend.",
        old=("CELERY_REDIS_BACKEND_USE_SSL",),
    ),
    Setting(
        "redis_db",
        INTEGER,
        None,
        "Redis database number when no URL is given.",
        old=("CELERY_REDIS_DB",),
    ),
    Setting(
        "redis_host", TEXT, None, "Redis host when no URL is given.", old=("CELERY_REDIS_HOST",)
    ),
    Setting(
        "redis_max_connections",
        INTEGER,
        None,
        "Size of the Redis result connection pool.",
        old=("CELERY_REDIS_MAX_CONNECTIONS",),
    ),
    Setting("redis_username", TEXT, None, "Redis ACL user.", old=("CELERY_REDIS_USERNAME",)),
    Setting("redis_password", SECRET, None, "Redis password.", old=("CELERY_REDIS_PASSWORD",)),
    Setting(
        "redis_port", INTEGER, None, "Redis port when no URL is given.", old=("CELERY_REDIS_PORT",)
    ),
    Setting(
        "redis_socket_timeout",
        SECONDS,
        120.0,
        "Read and write timeout of the Redis result client.",
        old=("CELERY_REDIS_SOCKET_TIMEOUT",),
    ),
    Setting(
        "redis_socket_connect_timeout",
        SECONDS,
        None,
        "Connect timeout of the Redis result client.",
        old=("CELERY_REDIS_SOCKET_CONNECT_TIMEOUT",),
    ),
    Setting(
        "redis_retry_on_timeout",
        FLAG,
        False,
        "Retry a Redis command after a timeout.",
        old=("CELERY_REDIS_RETRY_ON_TIMEOUT",),
    ),
    Setting(
        "redis_socket_keepalive",
        FLAG,
        False,
        "TCP keepalive for Redis result sockets.",
        old=("CELERY_REDIS_SOCKET_KEEPALIVE",),
    ),
    Setting(
        "elasticsearch_retry_on_timeout",
        FLAG,
        None,
        "Ask the Elasticsearch client to retry after a timeout.",
        old=("CELERY_ELASTICSEARCH_RETRY_ON_TIMEOUT",),
    ),
    Setting(
        "elasticsearch_max_retries",
        INTEGER,
        None,
        "Retries of the Elasticsearch client.",
        old=("CELERY_ELASTICSEARCH_MAX_RETRIES",),
    ),
    Setting(
        "elasticsearch_timeout",
        SECONDS,
        None,
        "Global timeout of the Elasticsearch client.",
        old=("CELERY_ELASTICSEARCH_TIMEOUT",),
    ),
    Setting(
        "elasticsearch_save_meta_as_text",
        FLAG,
        True,
        "Store the meta as a JSON string instead of a native object.",
        old=("CELERY_ELASTICSEARCH_SAVE_META_AS_TEXT",),
    ),
    Setting(
        "database_url",
        TEXT,
        None,
        "Old way to give the SQLAlchemy URL.",
        old=("CELERY_RESULT_DBURI",),
    ),
    Setting(
        "database_engine_options",
        MAPPING,
        {"pool_pre_ping": True, "pool_recycle": 3600},
        "Keyword arguments of the SQLAlchemy engine.",
        old=("CELERY_RESULT_ENGINE_OPTIONS",),
    ),
    Setting("database_engine_callback", ANY, None, "Callable that receives the created engine."),
    Setting(
        "database_short_lived_sessions",
        FLAG,
        False,
        "Open a new session for each operation.",
        old=("CELERY_RESULT_DB_SHORT_LIVED_SESSIONS",),
    ),
    Setting("database_table_schemas", MAPPING, None, "Dict task/group to schema name."),
    Setting(
        "database_table_names",
        MAPPING,
        None,
        "Dict task/group to table name.",
        old=("CELERY_RESULT_DB_TABLENAMES",),
    ),
    Setting(
        "database_create_tables_at_setup",
        FLAG,
        True,
        "Create the result tables eagerly rather than on first use.",
    ),
    Setting(
        "redis_backend_health_check_interval",
        INTEGER,
        None,
        "Seconds between health pings of idle Redis connections.",
    ),
    Setting(
        "redis_backend_credential_provider",
        ANY,
        None,
        "The redis-py credential provider object, class or class path.",
    ),
    Setting(
        "redis_client_name", TEXT, None, "Name reported by CLIENT LIST for result connections."
    ),
    Setting(
        "cassandra_secure_bundle_path",
        TEXT,
        None,
        "Path of the Astra secure connect bundle; cannot be combined with cassandra_servers.",
    ),
    Setting(
        "gcs_threadpool_maxsize", INTEGER, 10, "Threads of the Google storage client session pool."
    ),
    Setting(
        "firestore_project",
        TEXT,
        None,
        "Project of the Firestore client that counts chord members for the GCS backend.",
    ),
    Setting("dynamodb_endpoint_url", TEXT, None, "Custom DynamoDB endpoint."),
)
