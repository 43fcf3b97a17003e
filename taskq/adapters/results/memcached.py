"""Results in memcached: ``cache+memcached://host:11211;other:11211/``.

memcached forgets when it likes to, and on a restart; for results that may get lost.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote

from pymemcache.client.hash import HashClient
from pymemcache.exceptions import MemcacheServerError, MemcacheUnexpectedCloseError

from taskq.ports import EMPTY

DEFAULT_PORT: Final = 11_211
# A longer life is taken for a moment since 1970.
LONGEST_SPAN_S: Final = 30 * 24 * 3600
TIMEOUT_S: Final = 10.0


class MemcachedValues:
    """Implements ``KeyValues`` in memcached."""

    def __init__(self, url: str, options: Mapping[str, Any] = EMPTY) -> None:
        places = url.partition("://")[2].rstrip("/") or "127.0.0.1"
        self._servers = [_server(place) for place in places.split(";") if place]
        given = {k: v for k, v in options.items() if k not in {"binary", "behaviors"}}
        self._client = HashClient(
            self._servers,
            **{"use_pooling": True, "connect_timeout": TIMEOUT_S, "timeout": TIMEOUT_S, **given},
        )
        self._name = f"cache+memcached://{places}/"

    @property
    def name(self) -> str:
        """The URL; it has no password."""
        return self._name

    @property
    def lost(self) -> tuple[type[BaseException], ...]:
        """Out of reach, or out of memory for a moment."""
        return (OSError, MemcacheUnexpectedCloseError, MemcacheServerError)

    def get_many(self, keys: Sequence[str]) -> Sequence[bytes | None]:
        """Read."""
        if len(keys) == 1:
            return [self._client.get(_safe(keys[0]))]
        found = self._client.get_many([_safe(key) for key in keys])
        return [found.get(_safe(key)) for key in keys]

    def put(self, key: str, value: bytes, life_s: float | None) -> None:
        """Write."""
        self._client.set(_safe(key), value, expire=_expiry(life_s), noreply=False)

    def delete(self, keys: Sequence[str]) -> None:
        """Delete."""
        for key in keys:
            self._client.delete(_safe(key), noreply=False)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()


def _server(place: str) -> tuple[str, int] | str:
    if place.startswith("/"):
        return place  # a socket of this machine
    host, _, port = place.rpartition(":")
    return (host or port, int(port) if host else DEFAULT_PORT)


def _safe(key: str) -> str:
    """Keys are words of ASCII."""
    return quote(key, safe="!#$&'()+,/:;=?@[]^_`{|}~*")


def _expiry(life_s: float | None) -> int:
    if not life_s:
        return 0
    seconds = max(1, round(life_s))
    return seconds if seconds <= LONGEST_SPAN_S else int(time.time()) + seconds
