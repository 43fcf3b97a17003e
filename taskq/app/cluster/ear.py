"""One inbox that is opened when there is a broker, and opened again when it is lost.

Nothing that happens to it stops the work: what cannot be heard now is heard later, or not at all.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Sequence
from math import inf
from typing import Final

from taskq.errors import ImproperlyConfigured, OperationalError
from taskq.ports import Inbox, Message

logger: Final = logging.getLogger("taskq.worker.cluster")

# Pauses between attempts to listen again.
FIRST_PAUSE_S: Final = 1.0
LONGEST_PAUSE_S: Final = 30.0


class Ear:
    """Listens to one exchange."""

    def __init__(
        self, what: str, listen: Callable[[], Inbox], first_pause_s: float = FIRST_PAUSE_S
    ) -> None:
        self._what, self._listen = what, listen
        self._deaf = False  # the broker cannot do it
        self._first_pause_s = self._pause_s = first_pause_s
        self._ask_again = True  # there may be more that no descriptor tells of
        self._poll_at_s: float | None = None
        self._descriptors: tuple[int, ...] = ()
        self._missed = False
        self.inbox: Inbox | None = None
        self.retry_at_s: float | None = None  # it is lost, and is opened again then

    def open(self, now_s: float) -> None:
        """Listen, or try again later."""
        if self._deaf:
            return
        again = self.retry_at_s is not None or self.inbox is not None
        try:
            if self.inbox is None:
                self.inbox = self._listen()
            else:
                self.inbox.reconnect()
            self._descriptors = tuple(self.inbox.watched)
        except (ImproperlyConfigured, NotImplementedError) as error:
            self._deaf, self.retry_at_s = True, None
            logger.warning("This broker has no %s: %s", self._what, error)
        except OperationalError as error:
            self._lost(now_s, error)
        else:
            self.retry_at_s, self._pause_s = None, self._first_pause_s
            self._ask_again = True
            self._missed = self._missed or again

    def hear(self, now_s: float, readable: Collection[int] | None = None) -> Sequence[Message]:
        """Return what has come.  Where none of its descriptors is readable, nothing is asked."""
        if self.retry_at_s is not None and self.retry_at_s <= now_s:
            self.open(now_s)
        inbox = self.heard
        if inbox is None or not self._has_reason_to_ask(inbox, now_s, readable):
            return ()
        try:
            messages = inbox.receive()
        except OperationalError as error:
            self._lost(now_s, error)
            return ()
        self._ask_again = bool(messages)
        descriptors = tuple(inbox.watched)
        if descriptors != self._descriptors:
            # It found its broker again by itself.
            self._descriptors, self._missed = descriptors, True
        return messages

    def missed(self) -> bool:
        """Whether something may have been said, since the last call, that was not heard."""
        missed, self._missed = self._missed, False
        return missed

    def _has_reason_to_ask(
        self, inbox: Inbox, now_s: float, readable: Collection[int] | None
    ) -> bool:
        if self._poll_at_s is None or self._poll_at_s <= now_s:
            poll_s = inbox.poll_s
            self._poll_at_s = inf if poll_s is None else now_s + poll_s
            return True
        if readable is None or self._ask_again:
            return True
        return any(fd in readable for fd in self._descriptors)

    @property
    def watched(self) -> tuple[int, ...]:
        """The descriptors that become readable when something may have come."""
        return self._descriptors if self.heard is not None else ()

    @property
    def wake_at_s(self) -> float:
        """When to ask though no descriptor is readable."""
        if self.retry_at_s is not None:
            return self.retry_at_s
        if self.inbox is None:
            return inf
        return -inf if self._ask_again or self._poll_at_s is None else self._poll_at_s

    @property
    def heard(self) -> Inbox | None:
        """The inbox, while it works."""
        return self.inbox if self.retry_at_s is None else None

    def _lost(self, now_s: float, error: OperationalError) -> None:
        logger.warning("Lost %s: %s; trying again in %g s", self._what, error, self._pause_s)
        self.retry_at_s = now_s + self._pause_s
        self._pause_s = min(self._pause_s * 2, LONGEST_PAUSE_S)

    def close(self) -> None:
        """Listen no longer."""
        inbox, self.inbox, self.retry_at_s = self.inbox, None, None
        if inbox is None:
            return
        try:
            inbox.close()
        except OperationalError as error:
            logger.debug("%s was not closed: %s", self._what, error)
