"""Brings messages to a broker, as often as its caller wants to try, within the time there is.

Made by ``KombuBroker``: one for where clients write, one for where workers read, if that is
elsewhere.  Owned here: the pool of connections, the retries.  ``kombu_publish`` says how a
message is handed over.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Final, TypeVar

from taskq.adapters.broker.errors import BrokerError
from taskq.adapters.broker.kombu_advice import explain
from taskq.adapters.broker.kombu_links import Deadline, Link
from taskq.adapters.broker.kombu_pool import LinkPool
from taskq.adapters.broker.kombu_publish import send
from taskq.adapters.broker.kombu_settings import LinkSettings
from taskq.ports import Clock, Outgoing, PublishOptions, RetryPolicy

Result = TypeVar("Result")
Prepare = Callable[[Link], object]

# What operators' calls (length, purge, ping, declare) may take.
CALL_TIMEOUT_S: Final = 30.0
# What a worker sends again must arrive somewhere, and its loop stands still meanwhile.
AGAIN: Final = PublishOptions(
    retry=RetryPolicy(max_retries=1), timeout_s=5.0, confirm_timeout_s=5.0, mandatory=True
)


class Courier:
    """Publishes, and lends connections."""

    def __init__(
        self, settings: LinkSettings, clock: Clock, *, pool_limit: int | None, confirm: bool
    ) -> None:
        self.settings, self._clock = settings, clock
        self._pool_limit, self._confirm = pool_limit, confirm
        self._pool = LinkPool(lambda: Link(settings, clock), pool_limit)

    def copy(self) -> Courier:
        """Return one with connections of its own."""
        return Courier(
            self.settings, self._clock, pool_limit=self._pool_limit, confirm=self._confirm
        )

    @cached_property
    def place(self) -> Link:
        """A link that is never connected: it knows the transport's errors, and the URL."""
        return Link(self.settings, self._clock)

    def publish(self, pending: list[Outgoing], options: PublishOptions) -> None:
        """Hand over; each message that the broker has is taken off ``pending``."""
        self._bring(pending, options, None, confirm=self._confirm)

    def publish_again(self, pending: list[Outgoing], prepare: Prepare | None = None) -> None:
        """Hand over what a worker was given: whatever the settings say, it must not get lost."""
        self._bring(pending, AGAIN, prepare, confirm=True)

    def _bring(
        self,
        pending: list[Outgoing],
        options: PublishOptions,
        prepare: Prepare | None,
        *,
        confirm: bool,
    ) -> None:
        deadline = Deadline(self._clock, options.timeout_s)
        retried = options.retry.retry_errors if options.retry else ()

        def attempt(link: Link) -> None:
            if prepare is not None:
                prepare(link)
            send(link, pending, options, deadline, confirm=confirm)

        self._persistently(attempt, options.retry, retried, deadline, "publishing")

    def _persistently(
        self,
        attempt: Callable[[Link], Result],
        policy: RetryPolicy | None,
        retried: tuple[type[BaseException], ...],
        deadline: Deadline,
        doing: str,
    ) -> Result:
        """Try as often as the policy says, within the time that there is."""
        place = self.place
        for tries in itertools.count(1):
            try:
                with self._pool.link(deadline) as link:
                    return attempt(link)
            except retried as error:
                failure: BaseException = error
            except BrokerError:
                raise
            except place.failures as error:
                if not isinstance(error, place.passing):
                    raise place.error(error, doing) from error
                failure = error
            pause_s = _pause(policy, tries)
            if pause_s is None or deadline.left(pause_s + 1) <= pause_s:
                raise _given_up(place, failure, doing, tries, deadline) from failure
            if pause_s:
                self._clock.sleep(pause_s)
        raise AssertionError("counting never ends")

    @contextmanager
    def borrowed(self, doing: str) -> Iterator[Link]:
        """Lend a connection of the pool for a call of an operator's."""
        with self._worded(doing), self._pool.link(Deadline(self._clock, CALL_TIMEOUT_S)) as link:
            yield link

    @contextmanager
    def own_link(self, doing: str) -> Iterator[Link]:
        """Lend a connection that nobody uses before or after."""
        link = Link(self.settings, self._clock)
        with self._worded(doing):
            link.connect(Deadline(self._clock, CALL_TIMEOUT_S))
            try:
                yield link
            finally:
                link.close()

    @contextmanager
    def _worded(self, doing: str) -> Iterator[None]:
        try:
            yield
        except BrokerError:
            raise
        except self.place.failures as error:
            raise self.place.error(error, doing) from error

    def close(self) -> None:
        """Let go of connections."""
        self._pool.close()


def _pause(policy: RetryPolicy | None, tries: int) -> float | None:
    """How long to wait before the next attempt; None: there is none."""
    if policy is None or (policy.max_retries is not None and tries > policy.max_retries):
        return None
    return max(0.0, policy.pause_s(tries - 1))


def _given_up(
    link: Link, failure: BaseException, doing: str, tries: int, deadline: Deadline
) -> BrokerError:
    why, advice = explain(failure)
    many = f" (tried {tries} times)" if tries > 1 else ""
    limit = f" within {deadline.seconds:.3g} s" if deadline.over else ""
    return BrokerError(link.where, f"{doing} failed{limit}{many}: {why}", advice)
