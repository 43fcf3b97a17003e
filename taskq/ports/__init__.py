"""The five ports, and the records that go through them.

Clock, Randomness, Broker (with the Intake of a worker), ResultStore, Pool: everything that
taskq learns from the world or does to it goes through one of these.  ``taskq.adapters`` has
the real ones, ``taskq_testing.sim`` the simulated ones; ``taskq_testing.conformance`` has one
suite for each, which both must pass.  The Codec is no port (it does no I/O): it comes from
outside because what bytes mean is settled by the transport's library.

Ports are batched.  A batch of one is the ordinary case.
"""

from taskq.ports.broker import (
    Broker,
    Inbox,
    Intake,
    KeepsDeadLetters,
    KeepsParked,
    KeepsRevocations,
    TypesEvents,
)
from taskq.ports.chords import end_chords, weigh_chords
from taskq.ports.codec import Codec, Encoded, Ports
from taskq.ports.messages import (
    DEFAULT_PUBLISH,
    DeadLetter,
    Delivery,
    ExchangeSpec,
    LostMessage,
    Malformed,
    Message,
    Outgoing,
    Parked,
    PublishOptions,
    QueueSpec,
    RetryPolicy,
    Revocation,
    Settlement,
    Verdict,
)
from taskq.ports.pool import (
    CancelsCoroutines,
    Ending,
    EndingKind,
    Guard,
    Job,
    JobRunner,
    JobsReturned,
    JobStarted,
    Pool,
    PoolEvent,
    SlotLost,
    SlotReady,
)
from taskq.ports.results import (
    AsksForChords,
    ChordEnding,
    ChordFull,
    ChordPart,
    ChordProgress,
    Completion,
    EndsChords,
    GrowsChords,
    KeepsRests,
    ResultRecord,
    ResultStore,
    TellsEveryChange,
)
from taskq.ports.time import EMPTY, Clock, Place, Randomness, Reading

__all__ = [
    "DEFAULT_PUBLISH",
    "EMPTY",
    "AsksForChords",
    "Broker",
    "CancelsCoroutines",
    "ChordEnding",
    "ChordFull",
    "ChordPart",
    "ChordProgress",
    "Clock",
    "Codec",
    "Completion",
    "DeadLetter",
    "Delivery",
    "Encoded",
    "Ending",
    "EndsChords",
    "EndingKind",
    "ExchangeSpec",
    "GrowsChords",
    "Guard",
    "Inbox",
    "Intake",
    "Job",
    "JobRunner",
    "JobStarted",
    "JobsReturned",
    "KeepsDeadLetters",
    "KeepsParked",
    "KeepsRests",
    "KeepsRevocations",
    "LostMessage",
    "Malformed",
    "Message",
    "Outgoing",
    "Parked",
    "Place",
    "Pool",
    "PoolEvent",
    "Ports",
    "PublishOptions",
    "QueueSpec",
    "Randomness",
    "Reading",
    "ResultRecord",
    "ResultStore",
    "RetryPolicy",
    "Revocation",
    "Settlement",
    "SlotLost",
    "SlotReady",
    "TellsEveryChange",
    "TypesEvents",
    "Verdict",
    "end_chords",
    "weigh_chords",
]
