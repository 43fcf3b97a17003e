"""How to reach a broker, and how kombu is told."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from taskq.adapters.broker.kombu_memory import Connection
from taskq.ports import Place, Randomness

# How long one answer of a broker may take when the caller has set no limit.
ANSWER_TIMEOUT_S: Final = 30.0

FailoverStrategy = str | Callable[[Sequence[str]], Iterator[str]]


@dataclass(frozen=True, slots=True)
class LinkSettings:
    """How to reach a broker."""

    urls: tuple[str, ...]
    place: Place
    randomness: Randomness
    transport_options: Mapping[str, Any] = field(default_factory=dict)
    ssl: Any = False
    login_method: str | None = None
    connect_timeout_s: float = 4.0
    failover_strategy: FailoverStrategy | None = None

    def connection(self, heartbeat_s: float = 0) -> Connection:
        """Return kombu's connection, not connected."""
        return Connection(
            list(self.urls) if len(self.urls) > 1 else self.urls[0],
            ssl=self.ssl,
            connect_timeout=self.connect_timeout_s,
            transport_options=self._options(),
            login_method=self.login_method,
            heartbeat=heartbeat_s,
            failover_strategy=self._strategy(),
        )

    def _options(self) -> dict[str, Any]:
        options = dict(self.transport_options)
        # Confirms are counted here, for whole batches; amqp's own wait for each message.
        options.pop("confirm_publish", None)
        scheme = self.urls[0].partition(":")[0]
        if scheme in {"amqp", "amqps", "pyamqp"}:
            name = f"taskq {self.place.hostname} {os.getpid()}"
            known = options.get("client_properties") or {}
            options["client_properties"] = {"connection_name": name, **known}
        elif scheme in {"redis", "rediss"}:
            # Without these its client waits for ever.
            options.setdefault("socket_connect_timeout", self.connect_timeout_s)
            options.setdefault("socket_timeout", ANSWER_TIMEOUT_S)
        return options

    def _strategy(self) -> FailoverStrategy:
        return (
            self._shuffled
            if self.failover_strategy == "shuffle"
            else (self.failover_strategy or "round-robin")
        )

    def _shuffled(self, urls: Sequence[str]) -> Iterator[str]:
        """Cycle through the URLs in an order drawn once for each connection."""
        drawn = {url: self.randomness.uniform(0, 1) for url in urls}
        return itertools.cycle(sorted(urls, key=drawn.__getitem__))
