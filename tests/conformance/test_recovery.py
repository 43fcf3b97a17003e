"""What becomes of the messages of a lost worker, and what a commit takes along.

In our Redis driver, and in its model.
"""

from __future__ import annotations

from collections.abc import Iterator

import fakeredis
import pytest

from taskq.adapters.broker.redis import RedisBroker
from taskq.adapters.broker.redis_intake import RedisIntake
from taskq.adapters.clock import SystemClock
from taskq.adapters.randomness import SystemRandomness
from taskq.ports import Intake
from taskq_testing.conformance.broker.recovery import RecoverySuite
from taskq_testing.conformance.broker.taking_along import TakingAlongSuite
from taskq_testing.sim.broker import IntakeEnd
from taskq_testing.sim.profiles import LEASE_S
from tests.conformance.test_brokers import OWN_REDIS, PLACE, ModelRig, Rig, model_rig

SHORT_S = 0.5


class LosingRig(Rig):
    """Workers that let go of everything without a word."""

    lease_s = SHORT_S

    def lose(self, intake: Intake) -> None:
        assert isinstance(intake, RedisIntake)
        intake._let_go()


class LosingModelRig(ModelRig):
    """The same in a world of its own time."""

    lease_s = LEASE_S

    def lose(self, intake: Intake) -> None:
        assert isinstance(intake, IntakeEnd)
        intake.vanish()


class TestRedis(RecoverySuite, TakingAlongSuite):
    @pytest.fixture
    def rig(self, redis_url: str) -> Iterator[LosingRig]:
        rig = LosingRig(
            lambda: RedisBroker(
                redis_url,
                clock=SystemClock(),
                randomness=SystemRandomness(),
                place=PLACE,
                lease_s=SHORT_S,
            ),
            OWN_REDIS,
        )
        yield rig
        rig.close()


class TestRedisOnFake(RecoverySuite, TakingAlongSuite):
    @pytest.fixture
    def rig(self) -> Iterator[LosingRig]:
        server = fakeredis.FakeServer(version=(7,))
        rig = LosingRig(
            lambda: RedisBroker(
                "redis://fake:6379/0",
                clock=SystemClock(),
                randomness=SystemRandomness(),
                place=PLACE,
                lease_s=SHORT_S,
                client_factory=lambda: fakeredis.FakeRedis(server=server),
            ),
            OWN_REDIS,
        )
        yield rig
        rig.close()


class TestModelOfRedis(RecoverySuite, TakingAlongSuite):
    @pytest.fixture
    def rig(self) -> LosingModelRig:
        made = model_rig("redis", OWN_REDIS)
        return LosingModelRig(made.make, made.traits, made.clock)
