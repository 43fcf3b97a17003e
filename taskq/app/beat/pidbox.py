"""Beat's end of remote control: it answers ``ping``, so that somebody can see that it is alive.

It is heard by the loop that sends, between two looks: a beat that hangs does not answer.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import partial
from types import SimpleNamespace
from typing import Any, ClassVar, Final

from taskq.app.cluster.ear import FIRST_PAUSE_S, Ear
from taskq.app.control.desk import Desk
from taskq.app.control.messages import command_queue
from taskq.app.control.panel import NO_REPLY, ok
from taskq.core.inputs import Input
from taskq.protocol.control import Command

__all__ = ["BeatPidbox"]

PING: Final = "ping"


class BeatPidbox:
    """Hears commands for one service."""

    # It is stale after the setting's seconds; without one after two of its longest sleeps, and
    # never before so many.
    min_tick_age: ClassVar[float] = 60.0
    # The first pause before it tries again to listen; each further one is twice as long.
    retry_interval: ClassVar[float] = FIRST_PAUSE_S

    def __init__(self, service: Any, hostname: str) -> None:
        self.service, self.app, self.hostname = service, service.app, hostname
        self.state = SimpleNamespace(app=self.app, hostname=hostname)
        queue = command_queue(self.app.conf, hostname)
        listen = partial(self.app.ports.broker.listen, queue)
        self._ear = Ear("commands", listen, self.retry_interval)
        self.first_connection_attempt = True  # until it has listened for the first time
        self._desk = _OnlyPing(self.app, _ignore)

    def start(self) -> None:
        """Begin to listen."""
        self._ear.open(self._now_s())
        self._note_connection()

    def stop(self) -> None:
        """Listen no longer."""
        self._ear.close()

    def hear(self, readable: Collection[int] | None = None) -> None:
        """Answer what has come."""
        for message in self._ear.hear(self._now_s(), readable):
            self.on_message(None, message)
        self._note_connection()

    def _note_connection(self) -> None:
        if self._ear.heard is not None:
            self.first_connection_attempt = False

    def fanout_support(self) -> bool:
        """Say whether the broker can tell many listeners the same: commands are sent so."""
        with self.app.connection_for_read() as connection:
            return "fanout" in connection.transport.implements.exchange_type

    def on_message(self, body: Any, message: Any) -> None:
        """Answer one command, unless the service has not worked for too long."""
        del body  # it is read where the command is
        if self.is_stale():
            return
        self._desk.take(message, self.state)  # type: ignore[arg-type]  # its name is all of it
        self._desk.answer()

    @property
    def watched(self) -> tuple[int, ...]:
        """The descriptors that become readable when something may have come."""
        return self._ear.watched

    @property
    def wake_at_s(self) -> float:
        """When to ask though no descriptor is readable."""
        return self._ear.wake_at_s

    def tick_age(self) -> float:
        """How many seconds ago the scheduler ticked."""
        last_s = self.service.last_tick_s
        return 0.0 if last_s is None else self._now_s() - last_s

    @property
    def max_tick_age(self) -> float:
        """How many seconds are too many."""
        said = self.app.conf.beat_remote_control_max_tick_age
        if said is not None:
            return float(said)
        longest_s = self.service.effective_max_interval or 0.0
        return max(self.min_tick_age, 2 * float(longest_s))

    def is_stale(self) -> bool:
        """Whether the scheduler has not ticked for too long."""
        return self.tick_age() > self.max_tick_age

    def _now_s(self) -> float:
        now_s: float = self.app.ports.clock.read().elapsed_s
        return now_s


class _OnlyPing(Desk):
    """What else is said to workers is not for beat."""

    def _carry_out(self, command: Command, state: Any) -> Any:
        del state
        return ok("pong") if command.method == PING else NO_REPLY


def _ignore(_: Input) -> None:
    """There is no core that could be asked for anything."""
