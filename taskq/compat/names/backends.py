"""Where the names of Celery's result backends live."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from taskq.compat.names.row import Module

MODULES: Final[Mapping[str, Module]] = {
    "celery.backends": Module(),
    "celery.backends.base": Module(
        names={"DisabledBackend": "taskq.compat.backends:DisabledBackend"}
    ),
    "celery.backends.cache": Module(names={"CacheBackend": "taskq.compat.backends:CacheBackend"}),
    "celery.backends.redis": Module(names={"RedisBackend": "taskq.compat.backends:RedisBackend"}),
    "celery.backends.rpc": Module(names={"RPCBackend": "taskq.compat.backends:RPCBackend"}),
}
