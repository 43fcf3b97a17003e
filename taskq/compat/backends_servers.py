# ruff: noqa: PLR0917 - the parameters are Celery's, and so is their order
"""``RedisBackend``, ``SentinelBackend``, ``RPCBackend`` and ``DisabledBackend``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from importlib import import_module
from typing import Any, ClassVar, Final, NoReturn

from kombu.entity import Exchange, Queue
from kombu.messaging import Consumer, Producer

from taskq.compat.backends_async import AsyncBackendMixin, BaseResultConsumer
from taskq.compat.backends_base import BaseBackend
from taskq.compat.backends_keyvalue import BaseKeyValueStoreBackend
from taskq.compat.backends_native import Native
from taskq.conf import sanitize_url
from taskq.current import get_current_app

__all__ = ["DisabledBackend", "RPCBackend", "RedisBackend", "ResultConsumer", "SentinelBackend"]

DEFAULT_REDIS: Final = "redis://"


class ResultConsumer(BaseResultConsumer):
    """What listens for results; our stores do that by themselves."""

    Consumer = Consumer

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)


class RedisBackend(Native, BaseKeyValueStoreBackend, AsyncBackendMixin):
    """``celery.backends.redis.RedisBackend``."""

    default_url: ClassVar[str] = DEFAULT_REDIS
    ResultConsumer = ResultConsumer
    implements_incr = True
    supports_autoexpire = True
    supports_failure_expires = True
    supports_native_join = True
    supports_result_compression = True
    max_connections: int | None = None
    connection_class_ssl: Any = None
    redis: Any = None

    def __init__(
        self,
        host: str | None = None,
        port: int | None = None,
        db: int | None = None,
        password: str | None = None,
        max_connections: int | None = None,
        url: str | None = None,
        connection_pool: Any = None,
        **kwargs: Any,
    ) -> None:
        if url is None and host is not None and "://" in host:
            url, host = host, None
        super().__init__(url=url or _redis_url(host, port, db, password), **kwargs)
        self.max_connections = max_connections or self.app.conf.redis_max_connections
        self._connection_pool = connection_pool
        self.redis = _redis_library()

    @property
    def ConnectionPool(self) -> Any:  # noqa: N802 - Celery's name
        """The class of redis-py's pools."""
        return _redis_library().ConnectionPool

    @cached_property
    def client(self) -> Any:
        """A client of redis-py, for programs that want one; results do not go through it."""
        redis = _redis_library()
        if self._connection_pool is not None:
            return redis.Redis(connection_pool=self._connection_pool)
        return redis.Redis.from_url(
            self.place if self.place != DEFAULT_REDIS else "redis://localhost"
        )

    def get(self, key: Any) -> Any:
        """Read."""
        return self.client.get(key)

    def mget(self, keys: Sequence[Any]) -> Any:
        """Read many."""
        return self.client.mget(keys)

    def set(self, key: Any, value: Any, expires: Any = None, **_retry_policy: Any) -> Any:
        """Write, and tell who listens."""
        life = self.expires if expires is None else expires
        with self.client.pipeline() as pipe:
            pipe.set(key, value, ex=int(life) if life else None)
            pipe.publish(key, value)
            return pipe.execute()

    def delete(self, key: Any) -> Any:
        """Delete."""
        return self.client.delete(key)

    def incr(self, key: Any) -> Any:
        """Count."""
        return self.client.incr(key)

    def expire(self, key: Any, value: Any) -> Any:
        """Let a value live so long."""
        return self.client.expire(key, int(value))

    def ensure(self, fun: Callable[..., Any], args: Any, **policy: Any) -> Any:  # noqa: ARG002 - Celery's
        """Call; again after a lost connection."""
        return self._ensure_retryable(fun, *args)

    def exception_safe_to_retry(self, exc: BaseException) -> bool:
        """Whether the connection was lost."""
        return isinstance(exc, (_redis_library().ConnectionError, _redis_library().TimeoutError))

    def on_connection_error(
        self, max_retries: Any, exc: BaseException, intervals: Any, retries: int
    ) -> float:
        """Return how long to wait before another try."""
        del max_retries, exc, retries
        return float(next(intervals))

    def on_task_call(self, producer: Any, task_id: str) -> Any:  # noqa: ARG002 - Celery's
        """Nothing is needed: who waits listens by itself."""
        return {}

    def set_chord_size(self, group_id: str, chord_size: int) -> None:
        """Say how many members a header has."""
        self.native.open_chord(group_id, chord_size, self.chord_expires_s)

    def apply_chord(self, header_result_args: Any, body: Any, **kwargs: Any) -> None:
        """Open a chord."""
        if not self.is_native:
            super().apply_chord(header_result_args, body, **kwargs)
            return
        header = self.app.GroupResult(*header_result_args)
        self.set_chord_size(header.id, len(header.results))

    def on_chord_part_return(
        self, request: Any, state: str, result: Any, propagate: Any = None, **kwargs: Any
    ) -> None:
        """Count a member that has ended; our workers do that themselves."""
        del request, state, result, propagate, kwargs

    def add_to_chord(self, group_id: str, result: Any) -> None:
        """Let a chord wait for one more."""
        del result
        self.native.grow_chord(group_id, 1)  # type: ignore[attr-defined]  # Redis can

    @property
    def ends_chords(self) -> bool:
        """Whether a subclass does by itself what our store does."""
        ours = (RedisBackend, SentinelBackend)
        return not self.is_native and any(
            name in vars(cls)
            for cls in type(self).__mro__[: type(self).__mro__.index(RedisBackend)]
            if cls not in ours
            for name in ("apply_chord", "fallback_chord_unlock", "on_chord_part_return")
        )

    @property
    def retry_policy(self) -> Any:
        """How often a write is tried again."""
        options = self.app.conf.result_backend_transport_options or {}
        return {**BaseKeyValueStoreBackend.retry_policy, **(options.get("retry_policy") or {})}


class SentinelBackend(RedisBackend):
    """``celery.backends.redis.SentinelBackend``."""

    default_url: ClassVar[str] = "sentinel://"
    connection_class_ssl: Any = None

    @property
    def sentinel(self) -> Any:
        """The module of redis-py."""
        return import_module("redis.sentinel")

    def as_uri(self, include_password: bool = False) -> str:
        """Return the URLs."""
        urls = self.place.split(";")
        return ";".join(url if include_password else sanitize_url(url) for url in urls)


class BacklogLimitExceeded(Exception):
    """There are too many states of one task that nobody has read; never raised here."""


class RPCBackend(Native, AsyncBackendMixin):
    """``celery.backends.rpc.RPCBackend``."""

    default_url: ClassVar[str] = "rpc://"
    Exchange, Queue = Exchange, Queue
    Consumer, Producer = Consumer, Producer
    ResultConsumer = ResultConsumer
    BacklogLimitExceeded = BacklogLimitExceeded
    persistent = False
    supports_autoexpire = True
    supports_native_join = True

    def __init__(
        self,
        app: Any,
        connection: Any = None,
        exchange: Any = None,
        exchange_type: str | None = None,
        persistent: bool | None = None,
        serializer: str | None = None,
        auto_delete: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(app, serializer=serializer, **kwargs)
        self._connection, self.auto_delete = connection, auto_delete
        self.exchange, self.exchange_type = exchange or "", exchange_type or "direct"
        self.persistent = self.prepare_persistent(persistent)

    @property
    def oid(self) -> str:
        """The reply queue of this thread."""
        oid: str = self.app.thread_oid
        return oid

    @property
    def binding(self) -> Any:
        """The reply queue as kombu has it."""
        return self.Queue(self.oid, durable=False, auto_delete=True)  # type: ignore[no-untyped-call]  # kombu ships no types

    def as_uri(self, include_password: bool = True) -> str:  # noqa: ARG002 - Celery's
        """It is where the broker is."""
        return "rpc://"

    def destination_for(self, task_id: str, request: Any) -> tuple[str, str]:
        """Return queue and correlation id of an answer."""
        return request.reply_to, request.correlation_id or task_id

    def get_task_meta(
        self,
        task_id: str,
        cache: bool = True,
        backlog_limit: int = 1000,  # noqa: ARG002 - Celery's
        **_options: Any,
    ) -> dict[str, Any]:
        """Read what has come for a task."""
        return super().get_task_meta(task_id, cache)

    poll = get_task_meta

    def ensure_chords_allowed(self) -> None:
        """Refuse."""
        self.store.open_chord("of this app", 0, None)

    def restore_group(self, group_id: str, cache: bool = True) -> Any:
        """Refuse: messages keep no groups."""
        return super().restore_group(group_id, cache)

    def reload_task_result(self, task_id: str) -> NoReturn:
        """Refuse."""
        raise NotImplementedError("reload_task_result is not supported by this backend.")

    def reload_group_result(self, task_id: str) -> NoReturn:
        """Refuse."""
        raise NotImplementedError("reload_group_result is not supported by this backend.")

    def on_reply_declare(self, task_id: str) -> None:
        """The queue is declared when it is first needed."""

    def on_out_of_band_result(self, task_id: str, message: Any) -> None:
        """Each thread has a queue of its own; nothing comes for others."""

    def on_result_fulfilled(self, result: Any) -> None:
        """Nothing is kept for it."""

    def on_task_call(self, producer: Any, task_id: str) -> Any:  # noqa: ARG002 - Celery's
        """Nothing is needed: the reply queue is there before a message goes out."""
        return {}

    def revive(self, channel: Any) -> None:
        """Connections are the store's."""


class DisabledBackend(Native, BaseBackend):
    """``celery.backends.base.DisabledBackend``: the store says what to configure."""

    default_url: ClassVar[str] = "disabled://"

    def as_uri(self, *_args: Any, **_kwargs: Any) -> str:
        """Say that there is none."""
        return "disabled://"

    def store_result(self, *args: Any, **_kwargs: Any) -> Any:
        """Keep nothing."""
        return args[1] if len(args) > 1 else None

    def ensure_chords_allowed(self) -> None:
        """Refuse."""
        self.store.open_chord("of this app", 0, None)

    def get_task_meta_for(self, *args: Any, **_kwargs: Any) -> Any:
        """Refuse."""
        return self.get_task_meta(args[0])

    def get_state(self, *args: Any, **_kwargs: Any) -> Any:
        """Refuse."""
        return self.get_task_meta(args[0])["status"]

    get_status = get_result = get_traceback = get_state

    def wait_for(self, *args: Any, **_kwargs: Any) -> Any:
        """Refuse."""
        return self.get_task_meta(args[0])

    def get_many(self, *args: Any, **_kwargs: Any) -> Any:
        """Refuse."""
        return self.get_many_metas(list(args[0]))


def unpickle_backend(cls: Any, args: Any, kwargs: Any) -> Any:
    """Make a backend again, of the current app."""
    return cls(*args, app=get_current_app(), **kwargs)


def __getattr__(name: str) -> Any:
    """Make what stands on redis-py only when it is asked for."""
    if name != "SentinelManagedSSLConnection":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    sentinel, connection = import_module("redis.sentinel"), import_module("redis.connection")
    bases = (sentinel.SentinelManagedConnection, connection.SSLConnection)
    return type(name, bases, {"__doc__": "A connection to a master over TLS."})


def _redis_library() -> Any:
    return import_module("redis")


def _redis_url(
    host: str | None, port: int | None, db: int | None, password: str | None
) -> str | None:
    if (host, port, db, password) == (None, None, None, None):
        return None
    login = f":{password}@" if password else ""
    return f"redis://{login}{host or 'localhost'}:{port or 6379}/{db or 0}"
