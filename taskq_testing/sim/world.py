"""A simulated world: a broker, a result store, workers and clients, in one thread.

While a world is active (``with World(app) as world:``) the app stands on simulated ports; the test
itself is the node ``client``.

Owned here: beginning and end, what the test can look at.  Not owned: what runs next
(``scheduler``), who is there (``fleet``), how a worker works (``node``), what bodies see
(``patches``).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from contextvars import Token, copy_context
from datetime import datetime
from types import TracebackType
from typing import Any, Final, Self
from zoneinfo import ZoneInfo

from taskq import current
from taskq.app.app import App
from taskq.ports import Codec, DeadLetter, Parked, Ports
from taskq_testing.sim.beats import Beats
from taskq_testing.sim.clock import instant
from taskq_testing.sim.fleet import CLIENT, Outfit
from taskq_testing.sim.ground import NotQuiet

__all__ = ["CLIENT", "NotQuiet", "SimWorld"]

# More than a test can want to look at.
MOST_LETTERS: Final = 1_000_000


class SimWorld(Beats):
    """One simulated world."""

    def __init__(
        self,
        apps: App | Iterable[App],
        *,
        codec: Codec,
        outfit: Outfit,
        seed: int = 0,
        start: str | datetime | float = "2030-01-01T00:00:00Z",
        broker: str = "redis",
        store: str = "counting",
        choices: list[int] | None = None,
        zone: str | None = None,
    ) -> None:
        super().__init__(
            apps,
            codec=codec,
            outfit=outfit,
            seed=seed,
            start_s=instant(start),
            broker=broker,
            store=store,
            choices=choices,
            zone=None if zone is None else ZoneInfo(zone),
        )
        self._token: Token[Any] | None = None  # while it is active
        self._closed = False
        self._clocks: list[int] = []  # the logical time of each app when it was opened

    # -- beginning and end -------------------------------------------------------------------------

    def open(self) -> Self:
        """Make it the active world: its apps stand on its ports, and bodies see its time."""
        if self._closed:
            raise RuntimeError("this world is closed; what happened in it stays so: make another")
        if self._token is None:
            self._patches.apply()
            self._clocks = [app.clock.value for app in self.apps]
            for app in self.apps:
                app.clock.value = 0  # what it counted elsewhere is no part of this history
            self._base = copy_context()
            self._token = current.ports_here.set(self._client.ports)
        return self

    def __enter__(self) -> Self:
        # A world that a fixture has opened may be used in a `with` all the same.
        return self.open()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """The power goes off: whatever still runs is dropped where it is."""
        self._closed = True
        if self._token is None:
            return
        for node in self.workers.values():
            node.pool.close_loops()
        for process in self._scheduler.processes:
            if process.idle or not process.started:
                self._scheduler.unwind(process)
            else:
                self._scheduler.drop(process)
        for station in self.stations.values():
            station.let_go()
        self._scheduler.let_go()
        self.broker.let_go()
        self.restarts.clear()
        self.begun.clear()
        self.mischief.clear()
        for app, counted in zip(self.apps, self._clocks, strict=True):
            app.clock.value += counted
        current.ports_here.reset(self._token)
        self._token = None
        self._patches.remove()

    # -- what a test can look at -------------------------------------------------------------------

    def ports(self, name: str) -> Ports:
        """The ports of a node of the world."""
        return self._seat(self.stations[name]).ports(None)

    def describe_choices(self) -> list[int]:
        """The run as a list of choices; ``World(..., choices=...)`` makes it again."""
        return list(self.trace.choices)

    def dead_letters(self) -> Sequence[DeadLetter]:
        """What was given up, the newest first."""
        return [letter.told() for letter in self.broker.dead.newest(MOST_LETTERS, 0)]

    def parked(self) -> Sequence[Parked]:
        """What the broker keeps until its time, the earliest first."""
        return [
            Parked(each.held.message, each.held.queue, each.due_s)
            for each in self.broker.parking.listed()
        ]

    def events(self, kind: str | None = None, **fields: Any) -> Sequence[dict[str, Any]]:
        """What monitors were told: all of it, or those of one kind that say all of that."""
        exchange = self.apps[0].conf.event_exchange
        told: list[dict[str, Any]] = []
        for record in self.trace.find("message.send", exchange=exchange):
            body = json.loads(record.facts["body"])
            told += body if isinstance(body, list) else [body]
        return [
            event
            for event in told
            if kind in (None, event["type"])
            and all(event.get(name) == value for name, value in fields.items())
        ]

    def put_raw(self, queue: str, raw: bytes, reason: str = "it is no message") -> None:
        """Somebody writes into a queue what is no message."""
        self.broker.put_raw(queue, raw, reason)
