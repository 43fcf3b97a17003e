"""The five ports, and the records that go through them.

Clock, Randomness, Broker (with the Intake of a worker), ResultStore, Pool: everything that
taskq learns from the world or does to it goes through one of these.  ``taskq.adapters`` has
the real ones, ``taskq_testing.sim`` the simulated ones; ``taskq_testing.conformance`` has one
suite for each, which both must pass.  The Codec is no port (it does no I/O): it comes from
outside because what bytes mean is settled by the transport's library.

Ports are batched.  A batch of one is the ordinary case.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import Enum
from types import MappingProxyType
from typing import Any, Final, Protocol, TypeAlias, runtime_checkable

EMPTY: Final[Mapping[str, Any]] = MappingProxyType({})

# -- time, chance, place -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Reading:
    """One look at the clock.  Its two values are never compared with each other."""

    wall_s: float  # POSIX time; goes into messages; other machines see it; may jump
    elapsed_s: float  # from an arbitrary start; for timeouts and rates; never goes back

    @property
    def wall(self) -> datetime:
        """The wall time, aware, in UTC."""
        return datetime.fromtimestamp(self.wall_s, UTC)


class Clock(Protocol):
    """Where taskq learns the time.  The core never calls it: a driver reads, and passes it in."""

    def read(self) -> Reading:
        """Look once."""

    def sleep(self, seconds: float) -> None:
        """Wait.  For clients and drivers; the core never waits."""


class Randomness(Protocol):
    """Where taskq gets ids, jitter and choices from."""

    def uuid(self) -> str:
        """Return a new id, as 36 characters."""

    def uniform(self, low: float, high: float) -> float:
        """Draw a number between two bounds."""


@dataclass(frozen=True, slots=True)
class Place:
    """Which process this is, as messages and results name it."""

    hostname: str
    pid: int


# -- messages ------------------------------------------------------------------------------------


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


@dataclass(frozen=True, slots=True)
class Malformed:
    """Something in the queue that is no message.  It holds a place until it is settled."""

    tag: int
    queue: str
    raw: bytes
    reason: str


@dataclass(frozen=True, slots=True)
class LostMessage:
    """A message that went to the dead letters because the worker that had it was lost."""

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
    REJECT = "reject"  # dead-lettered where the broker can, else dropped


@dataclass(frozen=True, slots=True)
class Settlement:
    """One verdict on one delivery."""

    tag: int
    verdict: Verdict
    reason: str = ""  # for the dead-letter queue


# -- results -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ResultRecord:
    """What is stored for one task: its meta, already encoded with ``result_serializer``."""

    task_id: str
    state: str
    payload: bytes
    content_type: str = "application/json"
    content_encoding: str = "utf-8"
    expires_s: float | None = None  # None: never
    # Where a store that answers by message sends it.
    reply_to: str | None = None
    correlation_id: str | None = None


@dataclass(frozen=True, slots=True)
class ChordPart:
    """One member of a chord's header has ended.  Counted once for each index."""

    group_id: str
    index: int
    task_id: str
    payload: bytes  # JSON ``[1, id, state, result]``, encoded by the result serializer
    expires_s: float | None = None
    # Further members that have ended with it: index, task id, payload.
    also: tuple[tuple[int, str, bytes], ...] = ()

    @property
    def each(self) -> tuple[ChordPart, ...]:
        """A part for each member, to be counted one by one."""
        if not self.also:
            return (self,)
        first = replace(self, also=())
        return (
            first,
            *(
                replace(first, index=index, task_id=task_id, payload=payload)
                for index, task_id, payload in self.also
            ),
        )


@dataclass(frozen=True, slots=True)
class ChordProgress:
    """What a store says after it has counted."""

    group_id: str
    done: int
    size: int | None  # None: the size is not known yet
    first: bool  # False: this index was counted before


@dataclass(frozen=True, slots=True)
class Completion:
    """What one ended delivery asks of the outside, in the order in which it takes effect.

    Follow-ups are published, then the result is stored, then the delivery is settled.  What a
    broker and a store can do as one atomic step, they do as one.
    """

    follow_ups: tuple[Outgoing, ...] = ()
    result: ResultRecord | None = None
    settlement: Settlement | None = None


class ResultStore(Protocol):
    """Where results are kept."""

    @property
    def name(self) -> str:
        """What the banner of a worker shows; passwords are starred."""

    @property
    def address(self) -> str | None:
        """Server and database, for stores whose writes can ride on the broker's; else None."""

    @property
    def key_prefix(self) -> str:
        """What stands in front of a task id in the key of its result."""

    def store(self, records: Sequence[ResultRecord]) -> None:
        """Write.  A final state is not overwritten by one that is less final."""

    def load(self, task_ids: Sequence[str]) -> Sequence[ResultRecord | None]:
        """Read what is stored now; None where there is nothing."""

    def wait(self, task_ids: Sequence[str], timeout_s: float | None) -> Sequence[ResultRecord]:
        """Return when something may have changed, or the time is over.

        What it returns are hints, in the order in which they came (intermediate states too);
        the truth is what ``load`` says.  The first call for an id begins to listen for it, and
        may return at once.
        """

    def stop_waiting(self, task_ids: Sequence[str]) -> None:
        """Nobody waits for these any more."""

    def forget(self, task_ids: Sequence[str]) -> None:
        """Delete."""

    def save_group(self, group_id: str, payload: bytes, expires_s: float | None) -> None:
        """Keep a group's own record."""

    def load_group(self, group_id: str) -> bytes | None:
        """Read it."""

    def forget_group(self, group_id: str) -> None:
        """Delete it."""

    @property
    def counts_chords(self) -> bool:
        """Whether the five calls below work."""

    def open_chord(self, group_id: str, size: int, expires_s: float | None) -> None:
        """Say how many members a header has."""

    def count_chord(self, part: ChordPart) -> ChordProgress:
        """Keep a member's result and count it, once for each index."""

    def chord_parts(self, group_id: str) -> Sequence[bytes]:
        """Return the payloads of all counted parts, by index."""

    def close_chord(self, group_id: str, owner: str) -> bool:
        """Take the right to send the body: True for the first owner, and again for the same.

        The owner is the member that found the count complete.  Its delivery is settled only after
        ``end_chord``, so if its worker is lost it comes again and goes on where that one was.
        """

    def end_chord(self, group_id: str) -> None:
        """The body is sent: from now on nobody gets the right."""

    def close(self) -> None:
        """Let go of connections."""


@runtime_checkable
class SendsBodies(Protocol):
    """A result store that stands where the broker is: a body is sent and its chord ended at once.

    Whoever has lost the right meanwhile (its lease ran out, another did its work) sends nothing.
    """

    def end_chord_with(self, group_id: str, owner: str, messages: Sequence[Outgoing]) -> bool:
        """Publish, and end the chord, as one step; False and nothing if the right is gone."""


@runtime_checkable
class GrowsChords(Protocol):
    """A result store that can also add members to a chord that is open."""

    def grow_chord(self, group_id: str, by: int) -> int:
        """Expect more members; returns how many there are then."""


@runtime_checkable
class TellsEveryChange(Protocol):
    """A result store whose hints cannot get lost: who waits need not ask now and then."""

    @property
    def tells_every_change(self) -> bool:
        """Whether ``wait`` may be called once, for the whole time that there is."""


# -- broker --------------------------------------------------------------------------------------


class Intake(Protocol):
    """One worker's end of the broker: what it is given, and what it says of it.

    ``receive`` and ``settle`` never wait for messages.  Any call may raise ``BrokerLostError``;
    then ``reconnect`` is called until it succeeds.
    """

    @property
    def keeps_deliveries(self) -> bool:
        """True where a delivery outlives the connection (leases); False where it goes back."""

    @property
    def watched(self) -> Sequence[int]:
        """File descriptors that become readable when ``receive`` may have something."""

    @property
    def poll_s(self) -> float | None:
        """How often to call ``receive`` though nothing became readable; None: never."""

    def set_prefetch(self, count: int) -> None:
        """How many deliveries may be unsettled and unclaimed at once; 0 means any number."""

    def receive(self) -> Sequence[Delivery | Malformed]:
        """Take what is there, as far as the prefetch allows.

        Where it returns nothing, ``watched`` has been armed.
        """

    def settle(self, settlements: Sequence[Settlement]) -> None:
        """Carry out the verdicts, in order.  CLAIM has taken effect when this returns."""

    def commit(self, completions: Sequence[Completion], store: ResultStore) -> None:
        """Publish follow-ups, store results, settle: in this order, atomically where possible."""

    def renew(self) -> float | None:
        """Renew leases; returns in how many seconds it is due again, None: never."""

    def lost_claims(self) -> Sequence[LostMessage]:
        """Return what this intake has dead-lettered of lost workers since the last call."""

    def lost_tags(self) -> Sequence[int]:
        """Return tags of its own that another worker has taken over since the last call."""

    def add_queue(self, queue: QueueSpec) -> None:
        """Take from one more queue."""

    def cancel_queue(self, name: str) -> None:
        """Stop taking from a queue."""

    def reconnect(self) -> None:
        """Try once to connect again and to consume as before; raises ``BrokerLostError``."""

    def close(self) -> None:
        """Hand back what is unsettled and unclaimed, and let go of connections."""


@runtime_checkable
class TypesEvents(Protocol):
    """A broker on which the exchange of events is of another type than ``topic``."""

    @property
    def event_exchange_type(self) -> str:
        """What monitors on this broker listen to."""


class Broker(Protocol):
    """Where messages go.  Safe to use from many threads, and after a fork."""

    @property
    def name(self) -> str:
        """The URL with its password starred."""

    @property
    def address(self) -> str | None:
        """Server and database, if a store at the same place can share a transaction."""

    def publish(self, messages: Sequence[Outgoing]) -> None:
        """Hand over; when it returns the broker has them.  Raises ``OperationalError``."""

    def consume(
        self, queues: Sequence[QueueSpec], node: str, *, unattended: bool = False
    ) -> Intake:
        """Begin to take from queues, on behalf of the named node.

        An ``unattended`` intake is not called for as long as a body runs (a solo pool blocks its
        loop): leases and connection must hold by themselves meanwhile.
        """

    def declare(self, queues: Sequence[QueueSpec]) -> None:
        """Make sure that queues exist."""

    def length(self, queue: str) -> int:
        """How many messages wait in a queue."""

    def purge(self, queue: str) -> int:
        """Throw away what waits in a queue; returns how many."""

    def ping(self) -> None:
        """Connect, or raise ``OperationalError`` that says where and why not."""

    def close(self) -> None:
        """Let go of connections."""


# -- pool ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Job:
    """One delivery on its way to a slot.  Small and plain: it crosses a pipe."""

    token: int
    headers: Mapping[str, Any]
    body: bytes
    content_type: str
    content_encoding: str
    properties: Mapping[str, Any]
    delivery_info: Mapping[str, Any]  # exchange, routing_key, priority, redelivered
    time_limit_s: float | None = None
    soft_time_limit_s: float | None = None
    announce: bool = False  # the pool says ``JobStarted`` when the body begins


class EndingKind(Enum):
    """How a body, or the attempt to run it, ended.  ``core.outcome`` says what follows."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    RETRIED = "retried"
    IGNORED = "ignored"
    REJECTED = "rejected"
    REQUEUED = "requeued"  # Reject(requeue=True)
    REPLACED = "replaced"  # another message of the same id takes its place
    TIMED_OUT = "timed out"  # the hard limit
    REVOKED = "revoked"  # by command, or expired
    LOST = "lost"  # its process is gone
    UNKNOWN = "unknown"  # no task of that name
    MALFORMED = "malformed"  # the body cannot be decoded, or is no task


@dataclass(frozen=True, slots=True)
class Ending:
    """What a slot says of a job.  Follow-ups and result are ready to be sent."""

    token: int
    kind: EndingKind
    runtime_s: float = 0.0
    result: ResultRecord | None = None  # None: nothing is stored
    follow_ups: tuple[Outgoing, ...] = ()
    chord: ChordPart | None = None  # None: in no chord, or its error has been dealt with
    summary: str = ""  # the result's or the exception's repr, bounded
    traceback: str = ""
    expected: bool = False  # a failure that the task declares in ``throws``


@dataclass(frozen=True, slots=True)
class JobStarted:
    """The body of a job begins."""

    token: int
    pid: int


@dataclass(frozen=True, slots=True)
class SlotLost:
    """The process or thread behind a slot is gone, with all that it had been given."""

    slot: int
    started: tuple[int, ...]  # tokens whose body had begun and not ended
    unstarted: tuple[int, ...]  # tokens whose body had not begun
    reason: str
    expected: bool = False  # the worker itself ended it (recycled, terminated, limit)


@dataclass(frozen=True, slots=True)
class JobsReturned:
    """The answer to ``recall``: what the slot had not begun, and never begins.  May be empty."""

    slot: int
    tokens: tuple[int, ...]  # in the order in which they were given


@dataclass(frozen=True, slots=True)
class SlotReady:
    """A slot can take jobs."""

    slot: int
    pid: int


PoolEvent: TypeAlias = Ending | JobStarted | JobsReturned | SlotLost | SlotReady


class Pool(Protocol):
    """Where bodies run.  A slot runs one job at a time, in the order in which it got them."""

    @property
    def watched(self) -> Sequence[int]:
        """File descriptors that become readable when ``collect`` may have something."""

    @property
    def poll_s(self) -> float | None:
        """When to call ``collect`` though nothing became readable; None: never.

        Asked before each wait, as ``watched`` is: what a pool waits for changes.
        """

    @property
    def keeps_limits(self) -> tuple[bool, bool]:
        """Whether it keeps hard and soft time limits.

        Hard: ``terminate`` ends any body.  Soft: the pool itself raises in the body.
        """

    def start(self, slots: int, run: JobRunner) -> None:
        """Make slots; each is usable when its ``SlotReady`` has come.

        ``run(job)`` never raises an ``Exception``.  A pool that can await uses
        ``run.awaitable(job)`` where ``run.is_async(job)`` says so.
        """

    def submit(self, slot: int, jobs: Sequence[Job]) -> None:
        """Give jobs to a slot; never waits for it.

        A slot that is not there, or is about to go, gives them back as ``SlotLost.unstarted``.
        """

    def recall(self, slot: int) -> None:
        """Ask a slot to give back what it has not begun; never waits for it.

        ``JobsReturned`` follows; should the slot be lost before, its ``SlotLost.unstarted``
        takes the place of it.  Asked again before it has answered, a slot may answer once.
        A body that has begun is never returned, and a returned one never begins there.  What
        is submitted after this is not recalled.
        """

    def collect(self) -> Sequence[PoolEvent]:
        """Return what happened since the last call; never waits."""

    def grow(self, count: int = 1) -> None:
        """Add slots."""

    def shrink(self, count: int = 1) -> None:
        """Remove slots, idle ones first; a busy one goes when its job ends.

        Each that is gone is told as ``SlotLost``, expected, and no ``SlotReady`` follows.
        """

    def terminate(self, slot: int, signal: int) -> None:
        """End a slot at once; ``SlotLost`` follows, then a new slot's ``SlotReady``.

        A pool that cannot end the body logs that, and nothing follows.
        """

    def stop(self, *, at_once: bool = False) -> None:
        """No job follows.  Idle slots end; with ``at_once`` busy ones are killed.

        Told as in ``shrink``; a slot that cannot be killed is given up, and no more is heard of it.
        """

    def describe(self) -> Mapping[str, Any]:
        """What ``inspect stats`` shows."""


class JobRunner(Protocol):
    """What a pool calls to run a job."""

    def __call__(self, job: Job) -> Ending:
        """Run it here and now; a coroutine is run to its end on a loop of this thread."""

    def begin_process(self) -> None:
        """Called once in each new process of a pool, before its first job."""

    def end_process(self, exitcode: int) -> None:
        """Called once in each process of a pool that ends by itself, after its last job."""

    def is_async(self, job: Job) -> bool:
        """Whether its body is a coroutine function."""

    async def awaitable(self, job: Job) -> Ending:
        """Run it on the caller's loop."""


# -- codec, and all of it ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Encoded:
    """A value as bytes, and how to read them."""

    body: bytes
    content_type: str
    content_encoding: str


class Codec(Protocol):
    """Values to bytes and back, by serializer name or content type."""

    def encode(self, value: Any, serializer: str) -> Encoded:
        """Raises ``EncodeError``."""

    def decode(
        self, body: bytes, content_type: str, content_encoding: str, accept: frozenset[str]
    ) -> Any:
        """Raises ``ContentDisallowed`` before a byte is looked at, else ``DecodeError``."""

    def accepted(self, names: Sequence[str]) -> frozenset[str]:
        """Content types for a list of serializer names and content types."""

    def compress(self, body: bytes, method: str) -> tuple[bytes, str]:
        """Returns the bytes, and the content type of the method for the header."""

    def decompress(self, body: bytes, method: str, limit_bytes: int) -> bytes:
        """Raises ``DecodeError``, also when there would be more bytes than allowed."""


@dataclass(frozen=True, slots=True)
class Ports:
    """What an application stands on."""

    clock: Clock
    randomness: Randomness
    place: Place
    codec: Codec
    broker: Broker
    store: ResultStore
