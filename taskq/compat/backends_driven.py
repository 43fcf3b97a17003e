"""Celery's classes of stores of keys and values, on the drivers of ``adapters/results``.

``get``, ``set``, ``mget`` and ``delete`` are those of the driver; everything else is inherited.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Final

from taskq.adapters.results.keyvalue import KeyValues, KeyValueStore
from taskq.app.backend import Backend as AppBackend
from taskq.compat.backends_keyvalue import KeyValueStoreBackend
from taskq.compat.backends_native import Native

__all__ = ["CacheBackend", "Driven", "FilesystemBackend"]

default_encoding: Final = "utf-8"
# What Celery's tests and users look for; our errors say more.
E_NO_PATH_SET: Final = "You need to configure a path for the file-system backend"
E_PATH_NON_CONFORMING_SCHEME: Final = "the URL of the file-system backend is not file://"
E_PATH_INVALID: Final = "the folder of the file-system backend is not there, or not writable"


class Driven(Native, KeyValueStoreBackend):
    """Values under keys, by a driver of ours."""

    @property
    def values(self) -> KeyValues:
        """The driver."""
        store = self.native
        assert isinstance(store, KeyValueStore), "the URL is one of keys and values"
        return store.values

    def get(self, key: Any) -> Any:
        """Read; None where there is nothing."""
        return self.values.get_many([_text(key)])[0]

    def mget(self, keys: Sequence[Any]) -> Any:
        """Read many."""
        return list(self.values.get_many([_text(key) for key in keys]))

    def set(self, key: Any, value: Any) -> None:
        """Write."""
        body = value.encode() if isinstance(value, str) else value
        self.values.put(_text(key), body, self.expires)

    def delete(self, key: Any) -> None:
        """Delete."""
        self.values.delete([_text(key)])


class FilesystemBackend(Driven):
    """``celery.backends.filesystem.FilesystemBackend``."""

    def __init__(
        self,
        url: str | None = None,
        open: Any = None,  # noqa: A002, ARG002 - Celery's; files are opened as such
        unlink: Any = None,  # noqa: ARG002 - the same
        sep: str = "/",
        encoding: str = default_encoding,
        *args: Any,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, url=url, **kwargs)
        self.sep, self.encoding = sep, encoding
        if self.is_native or url:
            _ = self.native  # a folder that is not there is refused now


class CacheBackend(Driven):
    """``celery.backends.cache.CacheBackend``."""

    default_url: ClassVar[str] = "cache+memory://"
    implements_incr = True
    supports_autoexpire = True
    supports_native_join = True
    servers: Any = None

    def __init__(
        self,
        app: Any = None,
        expires: Any = None,
        backend: str | None = None,
        options: Any = None,
        url: str | None = None,
        **kwargs: Any,
    ) -> None:
        url = url or (backend if backend and "://" in backend else None)
        super().__init__(app, expires=expires, url=url, **kwargs)
        self.options = {**(self.app.conf.cache_backend_options or {}), **(options or {})}
        places = self.place.partition("://")[2].rstrip("/")
        self.servers = places.split(";") if places else []

    @property
    def is_memory(self) -> bool:
        """Whether results are in this process."""
        return self.place.startswith("cache+memory")

    @property
    def client(self) -> Any:
        """What talks to memcached."""
        return getattr(self.values, "client", None)

    def get(self, key: Any) -> Any:
        """Read."""
        return AppBackend.get(self, key) if self.is_memory else super().get(key)

    def as_uri(self, *_args: Any, **_kwargs: Any) -> str:
        """Return the URL."""
        return self.place

    def incr(self, key: Any) -> Any:
        """Count."""
        return self.client.incr(_text(key), 1)

    def expire(self, key: Any, value: Any) -> Any:
        """Let a value live so long."""
        return self.client.touch(_text(key), int(value))


def _text(key: Any) -> str:
    return key.decode() if isinstance(key, bytes) else str(key)
