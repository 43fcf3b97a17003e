"""The promises of a broker, kept by each driver, and by the models of the simulation."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import fakeredis
import pytest

from taskq.adapters.broker.kombu import KombuBroker
from taskq.adapters.broker.redis import RedisBroker
from taskq.adapters.clock import SystemClock
from taskq.adapters.randomness import SystemRandomness
from taskq.ports import Broker, Clock, Intake, Place, Reading
from taskq_testing.conformance.broker import BrokerSuite, Traits
from taskq_testing.conformance.broker.dead_letters import ClaimedSuite, DeadLettersSuite
from taskq_testing.conformance.broker.listening import ListeningSuite
from taskq_testing.conformance.broker.parking import KeepsParkedSuite, ParkingSuite
from taskq_testing.conformance.broker.revocations import RevocationsSuite
from taskq_testing.sim.broker import BrokerModel, IntakeEnd, broker_end
from taskq_testing.sim.clock import Time
from taskq_testing.sim.hands import Hands
from taskq_testing.sim.profiles import PROFILES
from taskq_testing.sim.randomness import Choices
from taskq_testing.sim.scheduler import Scheduler
from taskq_testing.sim.trace import Trace

PLACE = Place("here", 1)
NUMBERS = itertools.count(1)
RUN = SystemRandomness().uuid()[:8]  # a given server keeps what earlier runs left


@dataclass
class Rig:
    """Brokers that a function makes."""

    make: Callable[[], Broker]
    traits: Traits
    clock: Clock = field(default_factory=SystemClock)
    made: list[Broker] = field(default_factory=list)

    def broker(self) -> Broker:
        self.made.append(self.make())
        return self.made[-1]

    def unique(self, name: str) -> str:
        return f"{name}-{RUN}-{next(NUMBERS)}"

    def cut(self, intake: Intake) -> None:
        """These give up a connection that works."""

    def close(self) -> None:
        for broker in self.made:
            broker.close()


def kombu_rig(url: str, traits: Traits, **options: Any) -> Rig:
    return Rig(
        lambda: KombuBroker(
            url, clock=SystemClock(), randomness=SystemRandomness(), place=PLACE, **options
        ),
        traits,
    )


class TestKombuMemory(BrokerSuite, ListeningSuite, DeadLettersSuite, ClaimedSuite):
    @pytest.fixture
    def rig(self) -> Iterator[Rig]:
        rig = kombu_rig("memory://", Traits(priority="high", refuses_unroutable=True))
        yield rig
        rig.close()


class TestKombuFilesystem(BrokerSuite, DeadLettersSuite, ClaimedSuite):
    @pytest.fixture
    def rig(self, tmp_path: Path) -> Iterator[Rig]:
        folders = {
            "data_folder_in": str(tmp_path),
            "data_folder_out": str(tmp_path),
            "control_folder": str(tmp_path / "control"),
            "processed_folder": str(tmp_path / "processed"),
        }
        # Files are named by the millisecond, and by chance within one.
        traits = Traits(fifo=False, requeues_first=False, refuses_unroutable=True)
        rig = kombu_rig("filesystem://", traits, transport_options=folders)
        yield rig
        rig.close()


class TestKombuAmqp(BrokerSuite):  # its further promises: tests/real/amqp/test_suites.py
    @pytest.fixture
    def rig(self, amqp_url: str) -> Iterator[Rig]:
        rig = kombu_rig(amqp_url, Traits(priority="high", refuses_unroutable=True))
        yield rig
        rig.close()


class TestKombuRedis(BrokerSuite, ListeningSuite, DeadLettersSuite, ClaimedSuite):
    @pytest.fixture
    def rig(self, redis_url: str) -> Iterator[Rig]:
        rig = kombu_rig(redis_url, Traits(requeues_first=False, refuses_unroutable=True))
        yield rig
        rig.close()


OWN_REDIS = Traits(
    keeps_deliveries=True, priority="low", requeues_first=False, refuses_unroutable=True
)


class TestRedis(
    BrokerSuite,
    ParkingSuite,
    KeepsParkedSuite,
    ListeningSuite,
    DeadLettersSuite,
    ClaimedSuite,
    RevocationsSuite,
):
    @pytest.fixture
    def rig(self, redis_url: str) -> Iterator[Rig]:
        rig = Rig(
            lambda: RedisBroker(
                redis_url, clock=SystemClock(), randomness=SystemRandomness(), place=PLACE
            ),
            OWN_REDIS,
        )
        yield rig
        rig.close()


class TestRedisOnFake(
    BrokerSuite,
    ParkingSuite,
    KeepsParkedSuite,
    ListeningSuite,
    DeadLettersSuite,
    ClaimedSuite,
    RevocationsSuite,
):
    @pytest.fixture
    def rig(self) -> Iterator[Rig]:
        server = fakeredis.FakeServer(version=(7,))
        rig = Rig(
            lambda: RedisBroker(
                "redis://fake:6379/0",
                clock=SystemClock(),
                randomness=SystemRandomness(),
                place=PLACE,
                client_factory=lambda: fakeredis.FakeRedis(server=server),
            ),
            OWN_REDIS,
        )
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


def model_rig(profile: str, traits: Traits) -> Rig:
    time = Time()
    scheduler = Scheduler(time, Choices(0))
    trace = Trace()
    model = BrokerModel(PROFILES[profile], lambda: time.now_s)
    nodes = itertools.count(1)

    def make() -> Broker:
        return broker_end(model, Hands(f"node{next(nodes)}", scheduler, trace))

    return ModelRig(make, traits, WorldClock(Hands("clock", scheduler, trace)))


class ModelRig(Rig):
    """Brokers whose connections break when they are told to."""

    def cut(self, intake: Intake) -> None:
        assert isinstance(intake, IntakeEnd)
        intake.break_off()


class TestModelOfRedis(
    BrokerSuite,
    ParkingSuite,
    KeepsParkedSuite,
    ListeningSuite,
    DeadLettersSuite,
    ClaimedSuite,
    RevocationsSuite,
):
    @pytest.fixture
    def rig(self) -> Rig:
        traits = replace(OWN_REDIS, threads=False, refuses_unroutable=False)
        return model_rig("redis", traits)


class TestModelOfRabbitMQ(
    BrokerSuite, ParkingSuite, ListeningSuite, DeadLettersSuite, ClaimedSuite, RevocationsSuite
):
    @pytest.fixture
    def rig(self) -> Rig:
        return model_rig("rabbitmq", Traits(priority="high", threads=False))
