"""A message of a task, as strategies get it: with the names of kombu's."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

from taskq.ports import Delivery, Verdict

__all__ = ["TaskMessage"]


class TaskMessage:
    """One delivery."""

    def __init__(self, delivery: Delivery, diversion: Any) -> None:
        self._delivery, self._diversion = delivery, diversion
        message = delivery.message
        self.headers: Mapping[str, Any] = message.headers
        self.properties: Mapping[str, Any] = message.properties
        self.body = message.body
        self.content_type, self.content_encoding = message.content_type, message.content_encoding
        self.delivery_tag = delivery.tag
        self.delivery_info: Mapping[str, Any] = {
            "exchange": delivery.exchange,
            "routing_key": delivery.routing_key,
            "priority": message.properties.get("priority"),
            "redelivered": delivery.redelivered,
            "queue": delivery.queue,
        }
        self.acknowledged = False
        self.errors: list[BaseException] = []

    @cached_property
    def payload(self) -> Any:
        """The body, decoded.  Raises ``DecodeError``; what is not accepted is not looked at."""
        app, body = self._diversion.app, self.body
        codec = app.ports.codec
        compression = self.headers.get("compression")
        if compression:
            body = codec.decompress(body, compression, app.conf.taskq_max_body_bytes)
        return codec.decode(body, self.content_type, self.content_encoding, app.accept)

    def decode(self) -> Any:
        """Return the body, decoded."""
        return self.payload

    # -- settling ----------------------------------------------------------------------------------

    def ack(self, multiple: bool = False) -> None:  # noqa: ARG002 - kombu's signature
        """It is done with."""
        self._settle(Verdict.ACK)

    def reject(self, requeue: bool = False) -> None:
        """It goes to the dead letters, or back for anyone."""
        self._settle(Verdict.REQUEUE if requeue else Verdict.REJECT)

    def requeue(self) -> None:
        """It goes back, for anyone."""
        self._settle(Verdict.REQUEUE)

    def ack_log_error(self, *_told: Any) -> None:
        """Do as ``ack``; a broker that is lost meanwhile gives the message again."""
        self.ack()

    def reject_log_error(
        self, _logger: Any = None, _errors: Any = None, requeue: Any = False
    ) -> None:
        """Do as ``reject``."""
        self.reject(bool(requeue))

    def _settle(self, verdict: Verdict) -> None:
        if not self.acknowledged:
            self.acknowledged = True
            self._diversion.settle(self.delivery_tag, verdict, "rejected by its strategy")

    # -- handing on --------------------------------------------------------------------------------

    def release(self, request: Any) -> None:
        """Let the worker go on with it."""
        self._diversion.release(self._delivery, request)

    def is_revoked(self) -> bool:
        """Whether its task was revoked."""
        core = self._diversion.controller.core
        task_id = self.headers.get("id")
        return any(one.task_id == task_id for one in core.revocations)
