"""What a new worker asks the others: which tasks were revoked before it came.

It does not wait for them: it works meanwhile, and learns when they answer.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from math import inf
from typing import Any, Final

from taskq.app.cluster.ear import Ear
from taskq.app.control.commands.cluster import MOST_TOLD
from taskq.app.control.messages import command_message, decode, reply_queue
from taskq.app.control.revoking import revocation_until_s
from taskq.core.inputs import Input, Revoked
from taskq.errors import DecodeError, OperationalError
from taskq.ports import Message, Revocation
from taskq.protocol.control import Command, ReplyAddress, read_reply

logger: Final = logging.getLogger("taskq.worker.cluster")

# For how long it listens to answers.
LISTEN_S: Final = 5.0


class Mingle:
    """The greeting of one worker, and what is answered."""

    def __init__(self, app: Any, hostname: str, tell: Callable[[Input], None]) -> None:
        self._app, self._hostname, self._tell = app, hostname, tell
        self._ear: Ear | None = None
        self._ticket = ""
        self._heard = 0
        self._until_s = 0.0  # until when it listens

    @property
    def ears(self) -> tuple[Ear, ...]:
        """Where answers come, as long as they are waited for."""
        return () if self._ear is None else (self._ear,)

    @property
    def wake_at_s(self) -> float:
        """When to call ``turn`` though nothing came."""
        return inf if self._ear is None else min(self._until_s, self._ear.wake_at_s)

    def begin(self, revoked: Sequence[str], now_s: float) -> None:
        """Greet the others."""
        self.end()
        ports = self._app.ports
        queue = reply_queue(self._app.conf, ports.randomness.uuid())
        self._ticket, self._heard = ports.randomness.uuid(), 0
        ear = self._ear = Ear("replies of other workers", lambda: ports.broker.listen(queue))
        ear.open(now_s)
        if ear.heard is None:
            self.end()
            return
        self._until_s = now_s + LISTEN_S
        hello = Command(
            "hello",
            {"from_node": self._hostname, "revoked": list(revoked)},
            ticket=self._ticket,
            reply_to=ReplyAddress(queue.exchange.name, queue.routing_key),
        )
        try:
            ports.broker.publish([command_message(self._app, hello, lifetime_s=LISTEN_S)])
        except OperationalError as error:
            logger.warning("Could not greet other workers: %s", error)
            self.end()

    def turn(self, now_s: float, readable: Collection[int] | None) -> bool:
        """Hear answers; says whether there were any."""
        if self._ear is None:
            return False
        messages = self._ear.hear(now_s, readable)
        for message in messages:
            self._learn(message)
        if self._until_s <= now_s:
            logger.info("mingle: %s", f"sync with {self._heard} nodes" if self._heard else "alone")
            self.end()
        return bool(messages)

    def end(self) -> None:
        """Listen no longer."""
        ear, self._ear = self._ear, None
        if ear is not None:
            ear.close()

    def _learn(self, message: Message) -> None:
        if message.headers.get("ticket") != self._ticket:
            return
        try:
            replies = read_reply(decode(self._app, message))
        except DecodeError as error:
            logger.debug("Dropped a reply that cannot be read: %s", error)
            return
        for node, said in replies.items():
            if node != self._hostname and isinstance(said, Mapping):
                self._heard += 1
                self._learn_of(node, said)

    def _learn_of(self, node: str, said: Mapping[str, Any]) -> None:
        clock, revoked = said.get("clock"), said.get("revoked")
        if type(clock) is int:
            self._app.clock.adjust(clock)
        # Celery's older workers answer a mapping of ids.
        told = list(revoked) if isinstance(revoked, list | Mapping) else []
        ids = [str(each) for each in told[-MOST_TOLD:]]
        logger.debug("mingle: %s knows %d revoked tasks", node, len(ids))
        if ids:
            until_s = revocation_until_s(self._app)
            self._tell(Revoked(tuple(Revocation(until_s, each) for each in ids)))
