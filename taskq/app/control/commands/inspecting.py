"""What a worker says of itself: settings, counts, versions, clock."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import urlsplit

from taskq.app.control.panel import inspect_command, ok
from taskq.app.control.plain import plain
from taskq.app.control.state import State
from taskq.app.report import report as text_of

__all__ = ["clock", "conf", "ping", "report", "stats"]

_TRUE: Final = frozenset({"1", "true", "t", "yes", "y", "on"})
_FALSE: Final = frozenset({"0", "false", "f", "no", "n", "off"})


def strtobool(word: Any) -> bool:
    """Read a word that means yes or no."""
    if not isinstance(word, str):
        return bool(word)
    said = word.lower()
    if said not in _TRUE | _FALSE:
        raise ValueError(f"{word!r} means neither yes nor no")
    return said in _TRUE


@inspect_command(default_timeout=0.2)
def ping(state: State, **_kwargs: Any) -> Any:  # noqa: ARG001 - a command gets it
    """Ask who is there."""
    return ok("pong")


@inspect_command()
def report(state: State) -> Any:
    """Show versions and settings, as for a bug report."""
    return ok(text_of(state.app))


@inspect_command(
    alias="dump_conf", signature="[include_defaults=False]", args=[("with_defaults", strtobool)]
)
def conf(state: State, with_defaults: bool = False, **_kwargs: Any) -> Any:
    """Show the settings, with stars for secrets."""
    shown = state.app.conf.table(with_defaults=strtobool(with_defaults), censored=True)
    return {"deprecated_settings": None, **plain(shown)}


@inspect_command()
def clock(state: State, **_kwargs: Any) -> Any:
    """Show the logical clock."""
    return {"clock": state.app.clock.value}


@inspect_command()
def stats(state: State, **_kwargs: Any) -> Any:
    """Show counts, the pool, the broker, and what the process has used."""
    now = state.now
    return {
        "total": dict(state.core.totals),
        "pid": state.app.ports.place.pid,
        "clock": str(state.app.clock.value),
        "uptime": round(now.elapsed_s - state.started.elapsed_s),
        "pool": _pool(state),
        "broker": _broker(state),
        "prefetch_count": state.core.prefetch,
        "rusage": dict(state.usage()),
    }


def _pool(state: State) -> dict[str, Any]:
    slots = state.core.slots
    return {
        "max-concurrency": len(slots) or state.concurrency,
        "processes": sorted(set(slots.values())),
        "max-tasks-per-child": "N/A",
        "put-guarded-by-semaphore": False,
        "timeouts": [0, 0],
        "writes": {"strategy": "fair"},
        "implementation": state.pool_name,
        **plain(state.pool.describe()),
    }


def _broker(state: State) -> dict[str, Any]:
    """Return what kombu's ``Connection.info`` would say, without the password."""
    settings = state.app.conf
    url = urlsplit(state.app.ports.broker.name)
    try:
        port = url.port
    except ValueError:  # a list of hosts, or none at all
        port = None
    return {
        "hostname": url.hostname,
        "userid": url.username or None,
        "virtual_host": url.path.removeprefix("/") or "/",
        "port": port,
        "insist": False,
        "ssl": bool(settings.broker_use_ssl),
        "transport": url.scheme,
        "connect_timeout": settings.broker_connection_timeout,
        "transport_options": plain(settings.table(with_defaults=True)["broker_transport_options"]),
        "login_method": settings.broker_login_method,
        "uri_prefix": None,
        "heartbeat": settings.broker_heartbeat,
        "failover_strategy": "round-robin",
        "alternates": [],
    }
