"""Redis URLs and options as connections that can be made: plain, TLS, unix socket, sentinel.

Used by the Redis broker and the Redis store.  Owned here: how a URL is read, how it is shown
(password starred), and which server and database it means.  redis-py's pools are used only to
make connections; ``redis_link`` keeps them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Final
from urllib.parse import parse_qsl, unquote, urlsplit

import redis
from redis import sentinel

from taskq.errors import ImproperlyConfigured

DEFAULT_PORT: Final = 6379
SENTINEL_PORT: Final = 26379
# A worker must notice a dead connection before its lease is over; no command takes this long.
SOCKET_TIMEOUT_S: Final = 5.0
CONNECT_TIMEOUT_S: Final = 4.0

UNIX_SCHEMES: Final = frozenset({"unix", "socket", "redis+socket"})
TCP_SCHEMES: Final = frozenset({"redis", "rediss", "sentinel"})


def _truth(text: str) -> bool:
    return text.lower() not in {"", "0", "f", "false", "n", "no"}


# What may be said in a URL's query, and how it is read.
QUERY: Final[Mapping[str, Callable[[str], Any]]] = {
    "socket_timeout": float,
    "socket_connect_timeout": float,
    "socket_keepalive": _truth,
    "health_check_interval": int,
    "client_name": str,
    "protocol": int,
    "credential_provider": str,
    "ssl_check_hostname": _truth,
    "ssl_cert_reqs": str,
    "ssl_ca_certs": str,
    "ssl_ca_path": str,
    "ssl_certfile": str,
    "ssl_keyfile": str,
    "ssl_password": str,
}
# Options of ``broker_transport_options`` that go to the connection as they are.
CONNECTION_OPTIONS: Final = (
    "socket_timeout",
    "socket_connect_timeout",
    "socket_keepalive",
    "socket_keepalive_options",
    "health_check_interval",
    "client_name",
    "protocol",
    "credential_provider",
)
CERT_REQS: Final = {"CERT_NONE": "none", "CERT_OPTIONAL": "optional", "CERT_REQUIRED": "required"}


@dataclass(frozen=True, slots=True)
class Server:
    """One server that connections can be made to."""

    name: str  # the URL, its password starred
    address: str  # the same for every URL that means this server and database
    db: int
    connect: Callable[[], Any]  # makes a redis.Connection that is not connected yet


@dataclass(frozen=True, slots=True)
class _Parts:
    """A URL, read."""

    scheme: str
    host: str
    port: int
    username: str | None
    password: str | None
    db: int
    path: str
    query: dict[str, Any]


def split_urls(url: str | Sequence[str]) -> list[str]:
    """``a;b`` or a list; a part without a scheme takes that of the first."""
    parts = [part.strip() for part in url.split(";")] if isinstance(url, str) else list(url)
    parts = [part for part in parts if part]
    if not parts:
        raise ImproperlyConfigured("the URL of the Redis server is empty")
    scheme = parts[0].partition("://")[0]
    return [part if "://" in part else f"{scheme}://{part}" for part in parts]


def servers(
    url: str | Sequence[str],
    *,
    options: Mapping[str, Any],
    ssl: bool | Mapping[str, Any] | None = None,
    client_factory: Callable[[], Any] | None = None,
) -> tuple[Server, ...]:
    """Return the servers behind a URL, in the order in which they are tried."""
    urls = split_urls(url)
    read = [_read(one) for one in urls]
    if client_factory is not None:
        parts = read[0]
        return (Server(_show(parts), _address(parts), parts.db, _from_client(client_factory)),)
    if read[0].scheme == "sentinel":
        return (_by_sentinel(read, options, ssl),)
    return tuple(_direct(parts, options, ssl) for parts in read)


def _read(url: str) -> _Parts:
    scheme = url.partition("://")[0]
    if scheme not in UNIX_SCHEMES | TCP_SCHEMES:
        known = ", ".join(sorted(UNIX_SCHEMES | TCP_SCHEMES))
        raise ImproperlyConfigured(f"{scheme}://: no scheme of a Redis URL; there are {known}")
    # Other schemes than http's are read by rules that know no user, so the scheme is replaced.
    bits = urlsplit("http://" + url[len(scheme) + 3 :])
    query = dict(parse_qsl(bits.query))
    unix = scheme in UNIX_SCHEMES
    db = query.pop("virtual_host", None) or query.pop("db", None)
    if db is None:
        db = "" if unix else bits.path
    return _Parts(
        scheme="unix" if unix else scheme,
        host=unquote(bits.hostname or "") or "127.0.0.1",
        port=bits.port or (SENTINEL_PORT if scheme == "sentinel" else DEFAULT_PORT),
        username=unquote(bits.username) if bits.username else None,
        password=unquote(bits.password) if bits.password else None,
        db=_database(db, url, bits.password),
        path=unquote(bits.path) if unix else "",
        query={name: QUERY[name](text) for name, text in query.items() if name in QUERY},
    )


def _database(text: str, url: str, password: str | None) -> int:
    text = text.strip("/")
    if text and not text.isdigit():
        shown = url.replace(password, "**") if password else url
        raise ImproperlyConfigured(f"{shown}: the database is a number such as /0, not {text!r}")
    return int(text or 0)


def _show(parts: _Parts) -> str:
    user = parts.username or ""
    login = f"{user}:**@" if parts.password else (f"{user}@" if user else "")
    if parts.scheme == "unix":
        return f"unix://{login}{parts.path}?db={parts.db}"
    return f"{parts.scheme}://{login}{parts.host}:{parts.port}/{parts.db}"


def _address(parts: _Parts) -> str:
    if parts.scheme == "unix":
        return f"unix:{parts.path}/{parts.db}"
    host = "127.0.0.1" if parts.host == "localhost" else parts.host
    return f"tcp:{host}:{parts.port}/{parts.db}"


def _from_client(factory: Callable[[], Any]) -> Callable[[], Any]:
    def connect() -> Any:
        return factory().connection_pool.make_connection()

    return connect


def _settings(
    parts: _Parts, options: Mapping[str, Any], ssl: bool | Mapping[str, Any] | None
) -> dict[str, Any]:
    settings: dict[str, Any] = {
        # RESP3 answers the same here, after a longer greeting; who wants it says so.
        "protocol": 2,
        "db": parts.db,
        "username": parts.username or options.get("username"),
        "password": parts.password or options.get("password"),
    }
    for name in CONNECTION_OPTIONS:
        if options.get(name) is not None:
            settings[name] = options[name]
    settings.update(parts.query)
    settings["socket_timeout"] = settings.get("socket_timeout") or SOCKET_TIMEOUT_S
    settings["socket_connect_timeout"] = settings.get("socket_connect_timeout") or CONNECT_TIMEOUT_S
    if settings.get("credential_provider"):
        settings["credential_provider"] = _provider(settings["credential_provider"])
        settings["username"] = settings["password"] = None
    if isinstance(ssl, Mapping):
        for name, value in ssl.items():
            settings[name if name.startswith("ssl_") else f"ssl_{name}"] = value
    reqs = settings.get("ssl_cert_reqs")
    if isinstance(reqs, str):
        settings["ssl_cert_reqs"] = CERT_REQS.get(reqs, reqs)
    return settings


def _provider(given: Any) -> Any:
    """Return a redis-py credential provider: an object, a class, or the path of a class."""
    if isinstance(given, str):
        module, _, name = given.replace(":", ".").rpartition(".")
        given = getattr(import_module(module), name)
    return given() if isinstance(given, type) else given


def _direct(
    parts: _Parts, options: Mapping[str, Any], ssl: bool | Mapping[str, Any] | None
) -> Server:
    settings = _settings(parts, options, ssl)
    kind: type[Any]
    if parts.scheme == "unix":
        kind = redis.UnixDomainSocketConnection
        for name in ("socket_connect_timeout", "socket_keepalive", "socket_keepalive_options"):
            settings.pop(name, None)
        settings["path"] = parts.path
    else:
        kind = redis.SSLConnection if ssl or parts.scheme == "rediss" else redis.Connection
        settings.update(host=parts.host, port=parts.port)
    return Server(_show(parts), _address(parts), parts.db, lambda: kind(**settings))


def _by_sentinel(
    read: Sequence[_Parts], options: Mapping[str, Any], ssl: bool | Mapping[str, Any] | None
) -> Server:
    master = options.get("master_name")
    shown = ";".join(_show(parts) for parts in read)
    if not master:
        raise ImproperlyConfigured(
            f"{shown}: broker_transport_options must name the group: {{'master_name': ...}}"
        )
    # The database and the password may stand behind any of the sentinels.
    db = max(parts.db for parts in read)
    first = next((parts for parts in read if parts.password), read[0])
    settings = _settings(first, options, ssl) | {"db": db}
    if ssl:
        settings["ssl"] = True
    make_manager: Any = sentinel.Sentinel  # untyped in redis-py
    manager = make_manager(
        [(parts.host, parts.port) for parts in read],
        min_other_sentinels=options.get("min_other_sentinels", 0),
        sentinel_kwargs=options.get("sentinel_kwargs"),
        **settings,
    )
    pool = manager.master_for(master, redis.Redis).connection_pool
    group = ",".join(sorted(f"{parts.host}:{parts.port}" for parts in read))
    return Server(shown, f"sentinel:{group}/{master}/{db}", db, pool.make_connection)
