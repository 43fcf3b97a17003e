"""The third layer of an app: what its settings come to, worked out once and kept until they change.

What a call needs of the settings, the router, the backend, the content types that are accepted; and
the reply queues, which belong to a process or a thread.  ``sending.py`` and workers use it for each
message, hence no property is read where an attribute does.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

from taskq.app.backend import Backend
from taskq.app.routing import Destination, Router
from taskq.app.send_settings import SendSettings
from taskq.app.tasking import Tasking
from taskq.ports import Ports

__all__ = ["Derived"]


class Derived(Tasking):
    """An app that knows what follows from its settings."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._send_settings: SendSettings | None = None
        self._router: Router | None = None
        self._router_key: tuple[Any, ...] = ()
        self._router_version = -1
        self._routes: dict[Any, tuple[Destination, Mapping[str, Any]]] = {}
        self._backend: tuple[int, Backend] | None = None
        self._accept: tuple[int, frozenset[str]] | None = None
        self._oid: dict[tuple[int, int], tuple[Ports, str]] = {}
        self._thread_oids = threading.local()

    # -- what is derived from settings ------------------------------------------------------------

    @property
    def send_settings(self) -> SendSettings:
        """What sending needs of the settings."""
        known = self._send_settings
        if known is None or known.version != self._conf._version:  # noqa: SLF001 - hot: no property
            self.conf.finalize()
            known = self._send_settings = SendSettings.of(self.conf)
            self._routes.clear()
            self._renew_router()
        return known

    @property
    def router(self) -> Router:
        """The queues and routes; made anew when a setting that they come from has changed."""
        if self._router is None or self._router_version != self.conf.version:
            return self._renew_router()
        return self._router

    def _renew_router(self) -> Router:
        # A change of another setting must not lose the queues that were added since.
        conf = self.conf
        key = (
            conf.task_queues,
            conf.task_routes,
            conf["task_default_queue"],
            conf["task_default_exchange"],
            conf["task_default_routing_key"],
            conf.task_default_exchange_type,
            conf.task_default_queue_type,
            conf.task_create_missing_queues,
            conf.task_create_missing_queue_type,
            conf.task_create_missing_queue_exchange_type,
            conf.task_queue_max_priority,
        )
        router = self._router
        if router is None or key != self._router_key:
            router = self._router = Router(self)
            self._router_key = key
            self._routes.clear()
        self._router_version = conf.version
        return router

    def flush_routes(self) -> None:
        """Read ``task_routes`` and ``task_queues`` again; for who changes them in place."""
        self._router = None
        self._routes.clear()

    def select_queues(self, queues: Any = None) -> None:
        """Consume from these queues only."""
        self.router.queues.select(queues)

    @property
    def backend(self) -> Backend:
        """What the app keeps in its result store."""
        version = self._conf._version  # noqa: SLF001 - hot: no property
        if self._backend is None or self._backend[0] != version:
            self.conf.finalize()
            self._backend = (version, self.make_backend())
        return self._backend[1]

    def make_backend(self) -> Backend:
        """Make what the app keeps, and how it reads it; a subclass knows other classes."""
        return Backend(self)

    @property
    def accept(self) -> frozenset[str]:
        """The content types that a worker of this app takes."""
        version = self._conf._version  # noqa: SLF001 - hot: no property
        if self._accept is None or self._accept[0] != version:
            self._accept = (version, self.ports.codec.accepted(self.conf.accept_content))
        return self._accept[1]

    # -- who sends --------------------------------------------------------------------------------

    def new_id(self) -> str:
        """Return a new id for a task or a group."""
        return self.ports.randomness.uuid()

    @property
    def oid(self) -> str:
        """The reply queue of this process."""
        ports = self.ports
        key = (id(ports), ports.place.pid)
        known = self._oid.get(key)
        if known is None:
            # The ports are kept beside the id, so that their address cannot be given to others.
            known = self._oid.setdefault(key, (ports, ports.randomness.uuid()))
        return known[1]

    @property
    def thread_oid(self) -> str:
        """The reply queue of this thread."""
        return self.reply_address(self.ports)

    def reply_address(self, ports: Ports) -> str:
        """Return the reply queue of this thread, on the given ports."""
        key = (id(ports), ports.place.pid)
        oids: dict[tuple[int, int], tuple[Ports, str]] | None
        oids = getattr(self._thread_oids, "by_ports", None)
        if oids is None:
            oids = self._thread_oids.by_ports = {}
        known = oids.get(key)
        if known is None:
            known = oids[key] = (ports, ports.randomness.uuid())
        return known[1]
