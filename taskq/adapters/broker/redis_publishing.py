"""Sending in Redis: one round trip for a batch, tried again as its options say.

Used by the Redis broker, from many threads.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from taskq.adapters.broker.errors import BrokerError
from taskq.adapters.broker.kombu_publish import send_by_users_link
from taskq.adapters.broker.redis_link import ANY, FINAL, LOST, LinkPool
from taskq.adapters.broker.redis_routes import Routes, UnroutableError
from taskq.ports import Clock, Outgoing, RetryPolicy

# Messages in one pipeline: enough to make the round trip nothing, few enough to bound a buffer.
PIPELINE: Final = 1000


class Publisher:
    """Hands messages over."""

    def __init__(self, pool: LinkPool, routes: Routes, clock: Clock) -> None:
        self._pool, self._routes, self._clock = pool, routes, clock

    def publish(self, messages: Sequence[Outgoing]) -> None:
        """Hand over; when it returns the broker has them."""
        for start in range(0, len(messages), PIPELINE):
            batch = messages[start : start + PIPELINE]
            if any(one.options.link is not None for one in batch):
                self._publish_by_link(batch)
            else:
                self._publish(batch)

    def _publish_by_link(self, messages: Sequence[Outgoing]) -> None:
        """A user's own kombu producer or connection is used as it is, message by message."""
        for one in messages:
            if one.options.link is None:
                self._publish([one])
            else:
                send_by_users_link([one], one.options.link)

    def _publish(self, messages: Sequence[Outgoing]) -> None:
        policy, timeout_s = _strictest(messages)
        caught: tuple[type[BaseException], ...] = (*ANY, *policy.retry_errors) if policy else ANY
        texts = [self._routes.envelope(one) for one in messages]
        started_s = self._clock.read().elapsed_s if timeout_s is not None else 0.0
        left_s, attempt = timeout_s, 0
        while True:
            try:
                self._hand_over(messages, texts, left_s)
            except UnroutableError as error:
                raise BrokerError(
                    self._pool.name, str(error), "declare a queue that is bound so"
                ) from error
            except caught as error:
                self._pool.doubt(error)
                self._routes.forget()
                if timeout_s is not None:
                    left_s = timeout_s - (self._clock.read().elapsed_s - started_s)
                pause_s = _pause(policy, attempt, left_s, error)
                if pause_s is None:
                    raise self._pool.error(error) from error
            else:
                return
            self._clock.sleep(pause_s)
            if left_s is not None:
                left_s -= pause_s
            attempt += 1

    def _hand_over(
        self, messages: Sequence[Outgoing], texts: Sequence[str], left_s: float | None
    ) -> None:
        link = self._pool.take(left_s)
        link.limit(left_s)
        routes = self._routes
        try:
            if len(messages) == 1 and routes.is_direct(messages[0]):
                link.ask("LPUSH", routes.list_of(messages[0]), texts[0])
            else:
                commands = routes.commands(routes.pushes(link, messages, texts))
                if commands:
                    link.ask_many(commands)
        except BaseException:
            # Whatever interrupts, a reply may be under way: nobody else may read it as theirs.
            link.close()
            raise
        self._pool.give(link)


def _strictest(messages: Sequence[Outgoing]) -> tuple[RetryPolicy | None, float | None]:
    """One batch is one attempt: the first message's policy, the shortest time of all."""
    options = messages[0].options
    if len(messages) == 1:
        return options.retry, options.timeout_s
    times = [one.options.timeout_s for one in messages if one.options.timeout_s is not None]
    return options.retry, min(times, default=None)


def _pause(
    policy: RetryPolicy | None, attempt: int, left_s: float | None, error: BaseException
) -> float | None:
    """How long to wait before trying again; None: do not."""
    if policy is None or isinstance(error, FINAL):
        return None
    if not isinstance(error, (*LOST, *policy.retry_errors)):
        return None
    if policy.max_retries is not None and attempt >= policy.max_retries:
        return None
    pause_s = max(0.0, policy.pause_s(attempt))
    if left_s is not None and pause_s >= left_s:
        return None
    return pause_s
