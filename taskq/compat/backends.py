"""Celery's classes of result backends: the results of an app, at a place of the caller's choice.

A program that makes one reads and writes results there, whatever its app's settings say.
"""

from __future__ import annotations

from typing import Any, ClassVar

from taskq.app.backend import Backend
from taskq.current import app_or_default
from taskq.wiring.stores import store_at


class PlacedBackend(Backend):
    """A backend that knows where it is."""

    default_url: ClassVar[str]

    def __init__(self, app: Any = None, url: str | None = None, **_options: Any) -> None:
        app = app_or_default(app)
        super().__init__(app, store_at(app, url or self.default_url))


class RedisBackend(PlacedBackend):
    """``celery.backends.redis.RedisBackend``."""

    default_url = "redis://"


class RPCBackend(PlacedBackend):
    """``celery.backends.rpc.RPCBackend``."""

    default_url = "rpc://"


class CacheBackend(PlacedBackend):
    """``celery.backends.cache.CacheBackend``."""

    default_url = "cache+memory://"


class DisabledBackend(PlacedBackend):
    """``celery.backends.base.DisabledBackend``."""

    default_url = "disabled://"
