"""What workers hear of each other: who joins, who leaves, who is elected.

It listens to the events of workers, as a monitor would.  Each worker sends one heartbeat for each
interval, however many listen.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from taskq.app.cluster.presence import HEARTBEAT_S, Presence
from taskq.app.events import EventSender, event_exchange, events_of
from taskq.core.cluster import Change, Cluster, News
from taskq.core.election import Candidate, Elected, Elections
from taskq.errors import DecodeError, TaskqError
from taskq.ports import Message, QueueSpec, Reading
from taskq.protocol.event import Event

logger: Final = logging.getLogger("taskq.worker.cluster")

EVENTS_OF_WORKERS: Final = "worker.#"
# The version of elections that is understood.
ELECTION_VERSION: Final = 1
# What the winner of an election is told: to send a task.
TASK: Final = "task"
# After so many heartbeats of its own a worker has heard all others.
SETTLED_BEATS: Final = 2.0

_LEVELS: Final[Mapping[Change, int]] = {
    Change.JOINED: logging.DEBUG,
    Change.LEFT: logging.DEBUG,
    Change.LOST: logging.INFO,
}
_LINES: Final[Mapping[Change, str]] = {
    Change.JOINED: "%s joined the party",
    Change.LEFT: "%s left",
    Change.LOST: "missed heartbeat from %s",
}


def gossip_queue(app: Any, presence: Presence) -> QueueSpec:
    """Return what a worker hears the others by."""
    conf = app.conf
    return QueueSpec(
        f"{conf.event_queue_prefix}.{app.ports.randomness.uuid()}",
        event_exchange(app),
        EVENTS_OF_WORKERS,
        durable=conf.event_queue_durable,
        exclusive=conf.event_queue_exclusive,
        auto_delete=True,
        expires_s=conf.event_queue_expires,
        message_ttl_s=presence.heartbeat_s or HEARTBEAT_S,
    )


class Gossip:
    """What one worker knows of the others."""

    def __init__(
        self, app: Any, presence: Presence, monitors: EventSender, sized: Callable[[int], None]
    ) -> None:
        self._app, self._hostname = app, presence.hostname
        self._monitors, self._sized = monitors, sized
        self._settle_s = SETTLED_BEATS * (presence.heartbeat_s or HEARTBEAT_S)
        self._settled_at_s: float | None = None
        self.cluster = Cluster(presence.hostname)
        self._elections = Elections()
        self.listeners: list[Callable[[News], object]] = []  # who wants to hear who comes and goes
        self._told_size = 1
        self._namesakes: set[int] = set()
        self._handlers: Mapping[str, Callable[[Event, Reading], None]] = {
            "worker-online": self._there,
            "worker-heartbeat": self._there,
            "worker-offline": self._offline,
            "worker-elect": self._stands,
        }

    def begin(self, now_s: float) -> None:
        """It listens from now on."""
        self._settled_at_s = now_s + self._settle_s

    def elect(self, election_id: str, topic: str, action: Any) -> None:
        """Stand for election."""
        fields = {"id": election_id, "topic": topic, "action": action, "cver": ELECTION_VERSION}
        self._monitors.send([("worker-elect", fields)])

    def hear(self, messages: Sequence[Message]) -> None:
        """Take in what others say."""
        now: Reading = self._app.ports.clock.read()
        for message in messages:
            for event in self._events(message):
                handler = self._handlers.get(event.type)
                if handler is not None:
                    handler(event, now)
        self.turn(now)

    def turn(self, now: Reading) -> None:
        """See who was silent for too long, and which elections are over."""
        self._tell(self.cluster.lost(now))
        settled = self._settled_at_s is not None and self._settled_at_s <= now.elapsed_s
        for elected in self._elections.decided(self.cluster.names, now, settled=settled):
            self._elected(elected)
        if self.cluster.size != self._told_size:
            self._told_size = self.cluster.size
            self._sized(self._told_size)

    @property
    def wake_at_s(self) -> float | None:
        """When to call ``turn`` though nothing was heard."""
        moments = (self.cluster.wake_at_s, self._elections.wake_at_s)
        return min((at_s for at_s in moments if at_s is not None), default=None)

    # -- what is heard -------------------------------------------------------------------------

    def _events(self, message: Message) -> Sequence[Event]:
        try:
            events = events_of(self._app, message)
        except DecodeError as error:
            logger.debug("Dropped an event that cannot be read: %s", error)
            return ()
        for event in events:
            if event.hostname != self._hostname:
                self._app.clock.adjust(event.clock)
        return events

    def _there(self, event: Event, now: Reading) -> None:
        if event.hostname == self._hostname:
            self._own_name(event)
            return
        freq = event.fields.get("freq")
        news = self.cluster.heard(
            event.hostname, freq if isinstance(freq, int | float) else None, now
        )
        if news is not None:
            self._tell([news])

    def _own_name(self, event: Event) -> None:
        pid = event.pid
        if pid is None or pid == self._app.ports.place.pid or pid in self._namesakes:
            return
        self._namesakes.add(pid)
        logger.warning(
            "Another worker (pid %s) answers to the name %s; give each a name of its own (-n)",
            pid,
            self._hostname,
        )

    def _offline(self, event: Event, _now: Reading) -> None:
        news = self.cluster.left(event.hostname)
        if news is not None:
            self._tell([news])

    def _tell(self, news: Sequence[News]) -> None:
        for each in news:
            logger.log(_LEVELS[each.change], _LINES[each.change], each.hostname)
            for listener in self.listeners:
                listener(each)

    # -- elections -----------------------------------------------------------------------------

    def _stands(self, event: Event, now: Reading) -> None:
        fields = event.fields
        if fields.get("cver") != ELECTION_VERSION or not isinstance(fields.get("id"), str):
            return
        candidate = Candidate(
            event.clock,
            f"{event.hostname}.{event.pid}",
            event.hostname,
            str(fields.get("topic")),
            fields.get("action"),
        )
        self._elections.stands(fields["id"], candidate, now)

    def _elected(self, elected: Elected) -> None:
        # Celery's workers count these, and decide when there are enough.  Sent only now, they come
        # after all candidates everywhere, so that those decide no sooner than they know all.
        self._monitors.send([("worker-elect-ack", {"id": elected.election_id})])
        winner = elected.winner
        own = f"{self._hostname}.{self._app.ports.place.pid}"
        if winner.fullname != own:
            logger.info("node %s elected for %r", winner.fullname, elected.election_id)
            return
        logger.info("I won the election %r", elected.election_id)
        if winner.topic != TASK:
            logger.error("Unknown topic of an election: %r", winner.topic)
            return
        # What is to be sent comes over the wire.
        if not isinstance(winner.action, Mapping) or not isinstance(winner.action.get("task"), str):
            logger.error("Nothing to send for the election %r", elected.election_id)
            return
        try:
            self._app.signature(winner.action).apply_async()
        except (TaskqError, TypeError, ValueError):
            logger.exception("Could not send the task of the election %r", elected.election_id)
