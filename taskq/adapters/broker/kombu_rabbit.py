"""The Broker on RabbitMQ: what kombu's transports have in common, and what only RabbitMQ can.

Made by ``taskq.wiring``, through ``kombu_broker``, for URLs that py-amqp serves.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kombu.connection import Connection

from taskq.adapters.broker.kombu import PY_AMQP, KombuBroker
from taskq.adapters.broker.kombu_revoked import RevocationStream
from taskq.ports import Clock, Parked, Randomness, Revocation


class RabbitBroker(KombuBroker):
    """Implements ``ports.KeepsParked`` and ``ports.KeepsRevocations`` beside the rest."""

    def __init__(
        self,
        urls: str | Sequence[str],
        *,
        clock: Clock,
        randomness: Randomness,
        **options: Any,
    ) -> None:
        super().__init__(urls, clock=clock, randomness=randomness, **options)
        self._revoked = RevocationStream(self._reader, clock, randomness)

    def parked(self, queues: Sequence[str], limit: int) -> Sequence[Parked]:
        """Return what this process has parked, as far as it remembers, the earliest first.

        RabbitMQ itself cannot be asked.
        """
        return self._parked.listed(queues, limit, self._clock.read().wall_s)

    def unpark(self, task_ids: Sequence[str]) -> int:
        """List these no more; returns 0, because none is due earlier for it.

        Nothing comes out of RabbitMQ's delay queues before its time: a revoked task that is parked
        meets its revocation when it is due.
        """
        self._parked.forget(task_ids)
        return 0

    def revoke(self, revocations: Sequence[Revocation]) -> None:
        """Remember, each until its time is over; RabbitMQ keeps none for longer than a week."""
        self._revoked.write(revocations)

    def revocations(self) -> Sequence[Revocation]:
        """Return what is remembered."""
        return self._revoked.read()


def kombu_broker(urls: str | Sequence[str], **options: Any) -> KombuBroker:
    """Make the driver for the transport that the first URL names."""
    first = urls.split(";")[0] if isinstance(urls, str) else urls[0]
    transport: Any = Connection(first).get_transport_cls()
    kind = RabbitBroker if transport.driver_name == PY_AMQP else KombuBroker
    return kind(urls, **options)
