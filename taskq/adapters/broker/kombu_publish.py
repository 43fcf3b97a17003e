"""Hands messages to a broker through a link, and knows when the broker has them.

Called by ``KombuBroker`` with a link that it has borrowed.  On AMQP a batch goes out as a whole
and is then waited for as a whole: one round trip, however many messages.  RabbitMQ confirms a
message that no queue took as well; so whoever names the queue that must take it is told about
it (``mandatory``), and a queue that was deleted behind our back is declared again.

What is sent is what was given: bodies are never encoded or compressed here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, Self

from amqp import spec
from kombu.messaging import Producer

from taskq.adapters.broker.errors import BrokerError
from taskq.adapters.broker.kombu_entities import to_entity
from taskq.adapters.broker.kombu_links import Deadline, Link, is_virtual
from taskq.ports import Outgoing, PublishOptions, QueueSpec

# Unconfirmed messages at one time: bounds what a lost connection makes us send again.
WINDOW: Final = 500

ALARM_ADVICE: Final = "free memory or disk on it, or raise the limit that it names in its log"


def send(
    link: Link,
    pending: list[Outgoing],
    options: PublishOptions,
    deadline: Deadline,
    *,
    confirm: bool,
) -> None:
    """Send; each message that the broker has is taken off ``pending``."""
    if not link.speaks_amqp:
        return _send_one_by_one(link, pending)
    while pending:
        if confirm or options.mandatory:
            _send_confirmed(link, pending, options, deadline)
        else:
            window = pending[:WINDOW]
            _send_unconfirmed(link, window, options)
            del pending[: len(window)]
    return None


def _send_one_by_one(link: Link, pending: list[Outgoing]) -> None:
    while pending:
        outgoing = pending[0]
        link.declare(outgoing.declare)
        _refuse_nowhere(link, outgoing)
        # Made anew for each attempt: the channel writes into what it is given.
        link.channel.basic_publish(
            _prepared(link.channel, outgoing),
            exchange=outgoing.exchange,
            routing_key=outgoing.routing_key,
        )
        del pending[0]


def _refuse_nowhere(link: Link, outgoing: Outgoing) -> None:
    """Emulated exchanges drop what no queue is bound for; say so where it matters."""
    if outgoing.options.mandatory and outgoing.exchange and is_virtual(link.channel):
        found = link.channel._lookup(outgoing.exchange, outgoing.routing_key)  # noqa: SLF001 - kombu has no other way to ask
        if not found:
            raise _nowhere(link, outgoing)


def _prepared(channel: Any, outgoing: Outgoing) -> Any:
    message = outgoing.message
    properties = dict(message.properties)
    return channel.prepare_message(
        message.body,
        priority=properties.pop("priority", 0) or 0,
        content_type=message.content_type,
        content_encoding=message.content_encoding,
        headers=dict(message.headers),
        properties=properties,
    )


def put(link: Link, outgoing: Outgoing, options: PublishOptions, *, mandatory: bool) -> None:
    """Write one message to the socket, and wait for nothing."""
    # ``basic_publish`` looks for news on the socket before each message, and waits after it.
    link.channel.send_method(
        spec.Basic.Publish,
        "Bssbb",
        (0, outgoing.exchange, outgoing.routing_key, mandatory, options.immediate),
        _prepared(link.channel, outgoing),
    )


def _send_unconfirmed(link: Link, window: Sequence[Outgoing], options: PublishOptions) -> None:
    for outgoing in window:
        link.declare(outgoing.declare)
        put(link, outgoing, options, mandatory=False)


def _send_confirmed(
    link: Link, pending: list[Outgoing], options: PublishOptions, deadline: Deadline
) -> None:
    """Send a window; what was not taken, for whatever reason, stays in ``pending``."""
    if not _round(link, pending, WINDOW, options, deadline):
        return
    # A queue that we knew may have been deleted since: once more with new declarations.
    link.forget_declared()
    if returned := _round(link, pending, WINDOW, options, deadline):
        raise _nowhere(link, returned[0])


def _round(
    link: Link, pending: list[Outgoing], size: int, options: PublishOptions, deadline: Deadline
) -> list[Outgoing]:
    """Send some and wait for them; returns what no queue took."""
    window = pending[:size]
    with Confirms(link) as confirms:
        try:
            for outgoing in window:
                link.declare(outgoing.declare)
                confirms.expect(outgoing)
                put(link, outgoing, options, mandatory=options.mandatory or _must_arrive(outgoing))
            confirms.wait(deadline, options.confirm_timeout_s)
        finally:
            pending[: len(window)] = confirms.left_of(window)
    return confirms.returned


def _must_arrive(outgoing: Outgoing) -> bool:
    """Whether the sender knows the queue; a fan-out may well have nobody who listens."""
    return outgoing.exchange_type != "fanout" and any(
        isinstance(entity, QueueSpec) for entity in outgoing.declare
    )


class Confirms:
    """What a channel still has to confirm."""

    def __init__(self, link: Link) -> None:
        self._link, self._channel = link, link.channel
        self._waiting: dict[int, Outgoing] = {}  # by publish number, in order
        self._numbers: list[int] = []  # of all that was sent
        self._taken: set[int] = set()
        self._refused = 0
        self._returned: dict[int, Outgoing] = {}

    def __enter__(self) -> Self:
        self._link.select_confirms()
        events = self._channel.events
        events["basic_ack"].add(self._on_ack)
        events["basic_nack"].add(self._on_nack)
        events["basic_return"].add(self._on_return)
        return self

    def __exit__(self, *error: object) -> None:
        events = self._channel.events
        events["basic_ack"].discard(self._on_ack)
        events["basic_nack"].discard(self._on_nack)
        events["basic_return"].discard(self._on_return)

    def expect(self, outgoing: Outgoing) -> None:
        """Count the message that is sent next."""
        number = self._link.count_publish()
        self._waiting[number] = outgoing
        self._numbers.append(number)

    @property
    def unanswered(self) -> list[Outgoing]:
        """What may be on its way still."""
        return list(self._waiting.values())

    @property
    def returned(self) -> list[Outgoing]:
        """What no queue took."""
        return list(self._returned.values())

    def left_of(self, window: Sequence[Outgoing]) -> list[Outgoing]:
        """Say which of those that were to be sent the broker does not have."""
        taken = self._taken - self._returned.keys()
        unsent = window[len(self._numbers) :]
        sent = zip(self._numbers, window, strict=False)
        return [*(outgoing for number, outgoing in sent if number not in taken), *unsent]

    def wait(self, deadline: Deadline, timeout_s: float | None) -> None:
        """Return when everything is confirmed; raises where something was refused."""
        while self._waiting:
            left = deadline.left() if timeout_s is None else deadline.left(timeout_s)
            try:
                self._link.wait(left)
            except TimeoutError:
                raise self._unanswered(deadline) from None
        if self._refused:
            raise BrokerError(
                self._link.where,
                f"the broker refused {self._refused} message(s)",
                "is the queue full (x-max-length with reject-publish), or its leader gone?",
            )

    def _unanswered(self, deadline: Deadline) -> BrokerError:
        what = f"{len(self._waiting)} message(s) were sent and not confirmed"
        if deadline.seconds is not None:
            what += f" within {deadline.seconds:.3g} s"
        if self._link.blocked_why is not None:
            return BrokerError(
                self._link.where, f"{what}; it takes no messages for now", ALARM_ADVICE
            )
        return BrokerError(self._link.where, what, "it may have them or not")

    def _settled(self, number: int, multiple: bool) -> list[int]:
        numbers = [number]
        if multiple:
            numbers = [waiting for waiting in self._waiting if waiting <= number]
        return [one for one in numbers if self._waiting.pop(one, None) is not None]

    def _on_ack(self, number: int, multiple: bool) -> None:
        self._taken.update(self._settled(number, multiple))

    def _on_nack(self, number: int, multiple: bool) -> None:
        self._refused += len(self._settled(number, multiple))

    def _on_return(self, _error: Exception, exchange: str, routing_key: str, message: Any) -> None:
        # It comes back before its confirmation, without its number.
        for number, outgoing in self._waiting.items():
            if (
                outgoing.exchange == exchange
                and outgoing.routing_key == routing_key
                and outgoing.message.body == message.body
                and number not in self._returned
            ):
                self._returned[number] = outgoing
                return


def _nowhere(link: Link, outgoing: Outgoing) -> BrokerError:
    return BrokerError(
        link.where,
        f"no queue took a message for exchange {outgoing.exchange!r}"
        f" with routing key {outgoing.routing_key!r}",
        "bind a queue to it, or check task_routes and the names in task_queues",
    )


def send_by_users_link(messages: Sequence[Outgoing], user_link: Any) -> None:
    """Publish through a producer, connection or channel that the caller brought along."""
    producer = user_link if hasattr(user_link, "publish") else Producer(user_link)
    for outgoing in messages:
        message, options = outgoing.message, outgoing.options
        properties: dict[str, Any] = dict(message.properties)
        if (expiration_ms := properties.pop("expiration", None)) is not None:
            properties["expiration"] = float(expiration_ms) / 1000  # kombu wants seconds
        producer.publish(
            message.body,
            exchange=outgoing.exchange,
            routing_key=outgoing.routing_key,
            content_type=message.content_type,
            content_encoding=message.content_encoding,
            headers=dict(message.headers),
            declare=[to_entity(entity) for entity in outgoing.declare],
            mandatory=options.mandatory,
            immediate=options.immediate,
            timeout=options.timeout_s,
            confirm_timeout=options.confirm_timeout_s,
            **_retrying(options),
            **properties,
        )


def _retrying(options: PublishOptions) -> Mapping[str, Any]:
    policy = options.retry
    if policy is None:
        return {"retry": False}
    return {
        "retry": True,
        "retry_policy": {
            "max_retries": policy.max_retries,
            "interval_start": policy.interval_start,
            "interval_step": policy.interval_step,
            "interval_max": policy.interval_max,
            "retry_errors": policy.retry_errors or None,
        },
    }
