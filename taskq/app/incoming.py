"""A delivered message, decoded: headers, arguments, and what is embedded for what follows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from taskq.app.context import Context
from taskq.ports import Job
from taskq.protocol.followers import check_followers
from taskq.protocol.message import Call, read, upgrade_v1

__all__ = ["Incoming", "decode", "request_of", "way_back"]

_BODY_PARTS: Final = 3


class Incoming:
    """A task message of protocol 2, or one that was made one."""

    __slots__ = ("args", "embed", "headers", "kwargs")

    def __init__(
        self, headers: Mapping[str, Any], args: Any, kwargs: dict[str, Any], embed: Any
    ) -> None:
        self.headers, self.args, self.kwargs, self.embed = headers, args, kwargs, embed

    @property
    def has_followers(self) -> bool:
        """Whether anything follows a success."""
        embed = self.embed
        return bool(embed and (embed.get("callbacks") or embed.get("chain") or embed.get("chord")))

    @property
    def only_counts(self) -> bool:
        """Whether all that follows a success is that its chord counts it: most members of one."""
        embed = self.embed
        return (
            bool(embed.get("chord"))
            and self.headers.get("group") is not None
            and not (embed.get("callbacks") or embed.get("chain"))
        )

    def call(self, job: Job) -> Call:
        """Return the message as a record."""
        return read(self.headers, job.properties, (self.args, self.kwargs, self.embed))


def decode(app: Any, job: Job) -> Incoming:
    """Decode the body of a job.  Raises ``DecodeError`` or ``InvalidTaskError``.

    What is not accepted is refused before a byte of it is looked at.
    """
    codec, conf = app.ports.codec, app.conf
    headers, body = job.headers, job.body
    compression = headers.get("compression")
    if compression:
        body = codec.decompress(body, compression, conf.taskq_max_body_bytes)
    value = codec.decode(body, job.content_type, job.content_encoding, app.accept)
    if "task" not in headers:
        headers, value = upgrade_v1(value)
        # Protocol 1 cannot say it: the task does.
        headers["ignore_result"] = None
    if type(value) in (list, tuple) and len(value) == _BODY_PARTS:
        args, kwargs, embed = value
        if (
            type(args) in (list, tuple)
            and type(kwargs) is dict
            and isinstance(headers.get("id"), str)
        ):
            check_followers(headers.get("group"), headers.get("group_index"), embed)
            return Incoming(headers, args, kwargs, embed)
    # Anything else is a mixture of protocols, or no task: the long way says what is wrong.
    call = read(headers, job.properties, value)
    embed = {
        "callbacks": call.callbacks,
        "errbacks": call.errbacks,
        "chain": call.chain,
        "chord": call.chord,
    }
    check_followers(headers.get("group"), headers.get("group_index"), embed)
    return Incoming(headers, list(call.args), dict(call.kwargs), embed)


def request_of(job: Job, incoming: Incoming, node: str) -> Context:
    """Make the request of a job."""
    request = Context.__new__(Context)
    known = request.__dict__
    known.update(incoming.headers)
    if incoming.embed:
        known.update(incoming.embed)
    properties = job.properties
    known.update(
        _sent=incoming.headers,
        args=incoming.args,
        kwargs=incoming.kwargs,
        hostname=node,
        delivery_info=job.delivery_info,
        properties=properties,
        reply_to=properties.get("reply_to"),
        correlation_id=properties.get("correlation_id"),
        called_directly=False,
        is_eager=False,
    )
    return request


def way_back(job: Job) -> dict[str, Any]:
    """Return the options that send something to where a job came from."""
    exchange = job.delivery_info.get("exchange")
    key = job.delivery_info.get("routing_key")
    if exchange:
        return {"exchange": exchange, "routing_key": key}
    return {"queue": key} if key else {}
