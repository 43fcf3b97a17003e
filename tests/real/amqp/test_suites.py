"""What only some brokers promise, and RabbitMQ does: one suite for all of them."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field

import pytest

from taskq.adapters.broker.kombu_amqp import AmqpIntake
from taskq.adapters.clock import SystemClock
from taskq.ports import Broker, Clock, Intake
from taskq_testing.conformance.broker import Traits
from taskq_testing.conformance.broker.dead_letters import ClaimedSuite, DeadLettersSuite
from taskq_testing.conformance.broker.listening import ListeningSuite
from taskq_testing.conformance.broker.parking import ParkingSuite
from taskq_testing.conformance.broker.revocations import RevocationsSuite
from tests.real.amqp.conftest import Words

NUMBERS = itertools.count()


@dataclass
class Rig:
    """Brokers on a vhost of their own."""

    words: Words
    traits: Traits = field(default_factory=lambda: Traits(priority="high", refuses_unroutable=True))
    clock: Clock = field(default_factory=SystemClock)

    def broker(self) -> Broker:
        return self.words.rabbit()

    def unique(self, name: str) -> str:
        return f"{name}-{next(NUMBERS)}"

    def cut(self, intake: Intake) -> None:
        assert isinstance(intake, AmqpIntake)
        intake._link.sock.close()


class OnRabbitMQ:
    @pytest.fixture
    def rig(self, words: Words) -> Rig:
        return Rig(words)


class TestParking(OnRabbitMQ, ParkingSuite):
    """Messages wait in RabbitMQ's delay queues."""


class TestListening(OnRabbitMQ, ListeningSuite):
    """Listeners have a queue of their own."""


class TestDeadLetters(OnRabbitMQ, DeadLettersSuite, ClaimedSuite):
    """They are in the queue ``taskq.dead``."""


class TestRevocations(OnRabbitMQ, RevocationsSuite):
    """They are in the stream ``taskq.revoked``."""
