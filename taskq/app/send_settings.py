"""What sending needs of the settings, worked out once, and what a call may say instead."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Final

from taskq.app.configuring import AppSettings
from taskq.ports import PublishOptions, RetryPolicy
from taskq.protocol.message import PERSISTENT, TRANSIENT, Call, Parts, to_v1, to_v2

__all__ = ["SendSettings", "delivery_mode", "publish_options"]

_DELIVERY_MODES: Final = {"transient": TRANSIENT, "persistent": PERSISTENT}
_RETRY_FIELDS: Final = frozenset(field.name for field in fields(RetryPolicy))
# Options that say how to hand over, and are not part of the message.
_HANDOVER: Final = ("retry", "retry_policy", "timeout", "confirm_timeout", "mandatory", "immediate")
_LINKS: Final = ("producer", "publisher", "connection")


@dataclass(frozen=True, slots=True)
class SendSettings:
    """What sending needs of the settings, in the form in which it needs it."""

    version: int
    build: Callable[[Call], Parts]
    serializer: str
    compression: str | None
    delivery_mode: int
    inherit_priority: bool
    repr_levels: int
    sent_event: bool
    always_eager: bool
    most_bytes: int
    retry_policy: Mapping[str, Any]
    publish: PublishOptions

    def publish_with(self, retry: bool, policy: Any) -> PublishOptions:
        """Return how to hand over something with a retry policy of its own."""
        chosen = retry_policy({**self.retry_policy, **(policy or {})}) if retry else None
        return replace(self.publish, retry=chosen)

    @classmethod
    def of(cls, conf: AppSettings) -> SendSettings:
        """Read the settings."""
        policy = dict(conf.task_publish_retry_policy or {})
        return cls(
            version=conf.version,
            build=to_v1 if int(conf.task_protocol) == 1 else to_v2,
            serializer=conf.task_serializer,
            compression=conf.task_compression,
            delivery_mode=delivery_mode(conf.task_default_delivery_mode),
            inherit_priority=bool(conf.task_inherit_parent_priority),
            repr_levels=conf.task_repr_maxlevels,
            sent_event=bool(conf.task_send_sent_event),
            always_eager=bool(conf.task_always_eager),
            most_bytes=conf.taskq_max_body_bytes,
            retry_policy=policy,
            publish=PublishOptions(
                retry=retry_policy(policy) if conf.task_publish_retry else None,
                timeout_s=conf.taskq_publish_timeout_s,
            ),
        )


def delivery_mode(value: Any) -> int:
    """Return the number of a delivery mode."""
    return _DELIVERY_MODES[value] if isinstance(value, str) else int(value)


def retry_policy(policy: Mapping[str, Any]) -> RetryPolicy:
    """Read a retry policy; what kombu knows beside this is of no use here."""
    known = {key: value for key, value in policy.items() if key in _RETRY_FIELDS}
    if known.get("retry_errors") is not None:
        known["retry_errors"] = tuple(known["retry_errors"])
    else:
        known.pop("retry_errors", None)
    return RetryPolicy(**known)


def publish_options(options: dict[str, Any], settings: SendSettings) -> PublishOptions:
    """Take out of the options how to hand over; the settings where they say nothing."""
    link = None
    for key in _LINKS:
        given = options.pop(key, None)
        link = given if link is None else link
    said = {key: value for key in _HANDOVER if (value := options.pop(key, None)) is not None}
    if not said and link is None:
        return settings.publish
    retry = settings.publish.retry
    if "retry" in said or "retry_policy" in said:
        policy = {**settings.retry_policy, **said.get("retry_policy", {})}
        retry = retry_policy(policy) if said.get("retry", retry is not None) else None
    return PublishOptions(
        retry=retry,
        timeout_s=said.get("timeout", settings.publish.timeout_s),
        confirm_timeout_s=said.get("confirm_timeout"),
        mandatory=bool(said.get("mandatory")),
        immediate=bool(said.get("immediate")),
        link=link,
    )
