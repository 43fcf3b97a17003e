"""Messages: as they are sent, as they are given to a worker, and what it says of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final


@dataclass(frozen=True, slots=True)
class Message:
    """A message as it travels.  The body is opaque; who runs the task decodes it."""

    headers: Mapping[str, Any]
    body: bytes
    content_type: str
    content_encoding: str
    # correlation_id, reply_to, delivery_mode, priority, expiration (text, ms), and what else came
    properties: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ExchangeSpec:
    """An exchange as taskq needs to know it."""

    name: str
    type: str = "direct"
    durable: bool = True
    auto_delete: bool = False
    arguments: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class QueueSpec:
    """A queue and its binding.  ``native`` is the user's own kombu object, if there is one."""

    name: str
    exchange: ExchangeSpec
    routing_key: str
    durable: bool = True
    exclusive: bool = False
    auto_delete: bool = False
    expires_s: float | None = None
    message_ttl_s: float | None = None
    max_priority: int | None = None
    # sent as x-... arguments of the declaration
    arguments: Mapping[str, Any] = field(default_factory=dict)
    # further (exchange, routing key) pairs that this queue is bound to
    bindings: tuple[tuple[ExchangeSpec, str], ...] = ()
    no_ack: bool = False
    no_declare: bool = False
    native: Any = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often and how long to try again after the broker did not answer."""

    max_retries: int | None = 3
    interval_start: float = 0.0
    interval_step: float = 0.2
    interval_max: float = 1.0
    # classes of errors to retry beside those of the connection
    retry_errors: tuple[type[BaseException], ...] = ()

    def pause_s(self, attempt: int) -> float:
        """How long to wait before the given attempt, the first retry being 0."""
        return min(self.interval_start + attempt * self.interval_step, self.interval_max)


@dataclass(frozen=True, slots=True)
class PublishOptions:
    """How one message is handed over."""

    retry: RetryPolicy | None = RetryPolicy()  # None: one attempt
    # A call that publishes ends within this time, whatever the broker does.
    timeout_s: float | None = None
    confirm_timeout_s: float | None = None
    mandatory: bool = False
    immediate: bool = False
    # The user's own kombu producer or connection, to be used instead of the pooled one.
    link: Any = field(default=None, compare=False)


DEFAULT_PUBLISH: Final = PublishOptions()


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message and where it goes.  Exchange ``""`` means: the queue named by the routing key."""

    message: Message
    exchange: str
    routing_key: str
    exchange_type: str = "direct"
    declare: tuple[QueueSpec | ExchangeSpec, ...] = ()  # made sure of, once per connection
    options: PublishOptions = DEFAULT_PUBLISH


@dataclass(frozen=True, slots=True)
class Delivery:
    """A message that a broker has given to this worker, and will not give to another for now."""

    tag: int  # unique within one Intake, also over reconnects
    message: Message
    queue: str
    exchange: str
    routing_key: str
    redelivered: bool = False
    # How often it was given out before, as the broker counts; None where it does not.
    attempts: int | None = None
    claimed: bool = False  # in the step that took it: see ``TakesAlong``


@dataclass(frozen=True, slots=True)
class Malformed:
    """Something in the queue that is no message.  It holds a place until it is settled."""

    tag: int
    queue: str
    raw: bytes
    reason: str


@dataclass(frozen=True, slots=True)
class LostMessage:
    """A claimed message of a lost worker.  It may have run, so it is given to nobody again.

    Who found it has it under a lease of its own, under ``tag``: it stores the end of the task and
    settles with REJECT, as one step where it can.  Should that worker be lost as well, the next
    one finds the message again, so the end of its task is always told.
    """

    tag: int
    message: Message
    queue: str
    exchange: str
    routing_key: str
    node: str  # the worker that was lost
    reason: str


class Verdict(Enum):
    """What becomes of a delivery."""

    ACK = "ack"  # done with
    # Its body is about to start and must never start again by itself.  A broker that can keep
    # such a message apart until ACK does (so that it is accounted for if the worker is lost);
    # for any other this is ACK, and the ACK that follows is nothing.
    CLAIM = "claim"
    REQUEUE = "requeue"  # back, for anyone
    REJECT = "reject"  # to the dead letters, with the reason
    # To where the broker keeps what is not due yet, until ``Settlement.due_s``.  No worker has it
    # then; at its time it is in its queue again, for anyone.  Only if ``Intake.parks``.
    PARK = "park"


@dataclass(frozen=True, slots=True)
class Settlement:
    """One verdict on one delivery."""

    tag: int
    verdict: Verdict
    reason: str = ""  # for the dead-letter queue
    due_s: float | None = None  # PARK: until when, as wall time
    # REQUEUE: a body had begun; counts as an attempt in ``Delivery.attempts`` of the next one.
    attempted: bool = False


@dataclass(frozen=True, slots=True)
class Parked:
    """A message that the broker keeps until its time."""

    message: Message
    queue: str
    due_s: float  # wall time


@dataclass(frozen=True, slots=True)
class Revocation:
    """A task, or all tasks with some stamps, must not begin (any more)."""

    until_s: float  # wall time after which this may be forgotten
    task_id: str = ""
    # Stamps: a task that has one of the values under one of the keys is meant.
    headers: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message that was given up, and why.  ``letter_id`` names it for replay and purge."""

    letter_id: str
    message: Message | None  # None: it is no message at all; ``raw`` is what came
    queue: str
    exchange: str
    routing_key: str
    reason: str
    node: str  # the worker that gave it up
    at_s: float  # wall time
    attempts: int | None = None
    raw: bytes = b""
