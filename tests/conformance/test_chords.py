"""Members of chords, committed by each pair of broker and store, and by the models."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import fakeredis
import pytest

from taskq.adapters.broker.kombu import KombuBroker
from taskq.adapters.broker.redis import RedisBroker
from taskq.adapters.clock import SystemClock
from taskq.adapters.randomness import SystemRandomness
from taskq.adapters.results.cache import MemoryStore
from taskq.adapters.results.packing import Packing
from taskq.adapters.results.redis import RedisStore
from taskq.ports import Broker, Clock, Intake, Place, Reading, ResultStore
from taskq_testing.conformance.broker.chords import ChordsSuite
from taskq_testing.conformance.broker.rig import Traits
from taskq_testing.sim.broker import BrokerModel, broker_end
from taskq_testing.sim.clock import Time
from taskq_testing.sim.hands import Hands
from taskq_testing.sim.profiles import PROFILES
from taskq_testing.sim.randomness import Choices
from taskq_testing.sim.scheduler import Scheduler
from taskq_testing.sim.store import StoreEnd, StoreModel
from taskq_testing.sim.trace import Trace

PLACE = Place("here", 1)
NUMBERS = itertools.count(1)
RUN = SystemRandomness().uuid()[:8]  # a given server keeps what earlier runs left


@dataclass
class Rig:
    """Brokers and stores that two functions make."""

    make_broker: Callable[[], Broker]
    make_store: Callable[[], ResultStore]
    at_once: bool
    traits: Traits = field(default_factory=Traits)
    clock: Clock = field(default_factory=SystemClock)
    made: list[Broker | ResultStore] = field(default_factory=list)

    def broker(self) -> Broker:
        self.made.append(made := self.make_broker())
        return made

    def store(self) -> ResultStore:
        self.made.append(made := self.make_store())
        return made

    def unique(self, name: str) -> str:
        return f"{name}-{RUN}-{next(NUMBERS)}"

    def cut(self, intake: Intake) -> None:
        """These give up a connection that works."""

    def close(self) -> None:
        for one in self.made:
            one.close()


def redis_broker(url: str, **options: Any) -> Broker:
    return RedisBroker(
        url, clock=SystemClock(), randomness=SystemRandomness(), place=PLACE, **options
    )


def redis_store(url: str, **options: Any) -> ResultStore:
    return RedisStore(url, clock=SystemClock(), **options)


def kombu_broker(url: str) -> Broker:
    return KombuBroker(url, clock=SystemClock(), randomness=SystemRandomness(), place=PLACE)


def fake_redis() -> dict[str, Any]:
    server = fakeredis.FakeServer(version=(7,))
    return {"client_factory": lambda: fakeredis.FakeRedis(server=server)}


class TestRedis(ChordsSuite):
    @pytest.fixture
    def rig(self, redis_url: str) -> Iterator[Rig]:
        rig = Rig(lambda: redis_broker(redis_url), lambda: redis_store(redis_url), at_once=True)
        yield rig
        rig.close()


class TestRedisOnFake(ChordsSuite):
    @pytest.fixture
    def rig(self) -> Iterator[Rig]:
        url, fake = "redis://fake:6379/0", fake_redis()
        rig = Rig(
            lambda: redis_broker(url, **fake),
            lambda: redis_store(url, packing=Packing("gzip"), **fake),
            at_once=True,
        )
        yield rig
        rig.close()


class TestTwoRedis(ChordsSuite):
    @pytest.fixture
    def rig(self) -> Iterator[Rig]:
        one, other = fake_redis(), fake_redis()
        rig = Rig(
            lambda: redis_broker("redis://one:6379/0", **one),
            lambda: redis_store("redis://other:6379/0", **other),
            at_once=False,
        )
        yield rig
        rig.close()


class TestMemory(ChordsSuite):
    @pytest.fixture
    def rig(self) -> Iterator[Rig]:
        rig = Rig(
            lambda: kombu_broker("memory://"),
            lambda: MemoryStore("cache+memory://chords", clock=SystemClock()),
            at_once=False,
        )
        yield rig
        rig.close()


class TestRabbitMQAndRedis(ChordsSuite):
    @pytest.fixture
    def rig(self, amqp_url: str, redis_url: str) -> Iterator[Rig]:
        rig = Rig(lambda: kombu_broker(amqp_url), lambda: redis_store(redis_url), at_once=False)
        yield rig
        rig.close()


class WorldClock:
    """The time of a simulated world."""

    def __init__(self, hands: Hands) -> None:
        self._hands = hands

    def read(self) -> Reading:
        return Reading(self._hands.now_s(), self._hands.now_s())

    def sleep(self, seconds: float) -> None:
        self._hands.sleep(seconds)


def model_rig(profile: str) -> Rig:
    time = Time()
    scheduler, trace = Scheduler(time, Choices(0)), Trace()
    model = BrokerModel(PROFILES[profile], lambda: time.now_s)
    stored = StoreModel(lambda: time.now_s)
    names = itertools.count(1)

    def hands() -> Hands:
        return Hands(f"node{next(names)}", scheduler, trace)

    return Rig(
        lambda: broker_end(model, hands()),
        lambda: StoreEnd(stored, hands(), profile, lambda _awaited: scheduler.sleep(0.01)),
        at_once=PROFILES[profile].atomic_commit,
        traits=Traits(threads=False),
        clock=WorldClock(hands()),
    )


@pytest.mark.parametrize("profile", sorted(PROFILES))
class TestModels(ChordsSuite):
    @pytest.fixture
    def rig(self, profile: str) -> Rig:
        return model_rig(profile)
