"""AMQP frames as bytes: cut out of a stream, made readable, and written.

Used by ``kombu_links`` for every connection of py-amqp, and by ``kombu_amqp``.  py-amqp raises in
the middle of its work when a table of headers or a routing key makes no sense, and the delivery
could then never be settled.  So what a sender has spoiled is replaced by what can be read, and it
is remembered why.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from struct import Struct
from types import MappingProxyType
from typing import Final, TypeAlias

import amqp
from amqp.serialization import decode_properties_basic

from taskq.ports import Settlement, Verdict

Frame: TypeAlias = tuple[int, int, bytes]  # type, channel, payload

_FRAME_HEAD: Final = Struct(">BHI")
_FRAME_OVERHEAD: Final = _FRAME_HEAD.size + 1  # and the end mark
_FRAME_END: Final = 0xCE

# A frame with ``basic.ack`` (tag, multiple) or ``basic.reject`` (tag, requeue).
_VERDICT_FRAME: Final = Struct(">BHIHHQBB")
_VERDICT_SIZE: Final = 13
_BASIC: Final = 60
_ACK: Final = 80
_REJECT: Final = 90

_REQUEUES: Final[Mapping[Verdict, bool]] = MappingProxyType(
    {Verdict.REQUEUE: True, Verdict.REJECT: False}
)

_METHOD: Final = 1
_HEADER: Final = 2
_DELIVER: Final = b"\x00\x3c\x00\x3c"
# Class, weight and size of the body; properties come after them.
_HEADER_START: Final = 12
_NO_PROPERTIES: Final = b"\x00\x00"


def split_frames(buffer: bytes) -> tuple[list[Frame], bytes]:
    """Cut complete frames off; returns them and what remains."""
    frames: list[Frame] = []
    start, length = 0, len(buffer)
    while length - start >= _FRAME_OVERHEAD:
        kind, channel, size = _FRAME_HEAD.unpack_from(buffer, start)
        end = start + _FRAME_OVERHEAD + size
        if end > length:
            break
        if buffer[end - 1] != _FRAME_END:
            raise amqp.exceptions.UnexpectedFrame(f"a frame ends with {buffer[end - 1]:#x}")
        frames.append((kind, channel, buffer[start + _FRAME_HEAD.size : end - 1]))
        start = end
    return frames, buffer[start:]


class ReadableFrames:
    """Stands in front of a connection's own handler of frames."""

    def __init__(self, handle: Callable[[Frame], object]) -> None:
        self._handle = handle
        # Channels whose current message came with properties that nobody can read, and why.
        self._spoiled: dict[int, str] = {}

    def __call__(self, frame: Frame) -> object:
        """Handle a frame, or what can be read of it."""
        kind, channel, payload = frame
        if kind == _METHOD:
            if payload.startswith(_DELIVER):
                frame = (kind, channel, readable_delivery(payload))
        elif kind == _HEADER:
            try:
                return self._handle(frame)
            # A boundary: these bytes are a stranger's, and py-amqp fails on them in a dozen ways.
            except Exception:
                why = why_unreadable(payload)
                if why is None:
                    raise  # it was not the header that failed
            self._spoiled[channel] = why
            frame = (kind, channel, payload[:_HEADER_START] + _NO_PROPERTIES)
        return self._handle(frame)

    def why_spoiled(self, channel: int) -> str | None:
        """Say what was wrong with the message that has just come, once."""
        return self._spoiled.pop(channel, None)


def why_unreadable(header: bytes) -> str | None:
    """Say why the properties of a message cannot be read; None: they can."""
    try:
        decode_properties_basic(header, _HEADER_START)
    except Exception as error:  # noqa: BLE001 - a boundary, as above
        return f"its properties cannot be read: {type(error).__name__}: {error}"
    return None


def readable_delivery(payload: bytes) -> bytes:
    """Return ``basic.deliver`` with an exchange and a routing key that are text."""
    names_at = 5 + payload[4] + 9  # after the consumer tag, the delivery tag and one flag
    if payload.isascii() or payload[names_at:].isascii():
        return payload
    parts = [payload[:names_at]]
    at = names_at
    for _ in range(2):
        end = at + 1 + payload[at]
        name = payload[at + 1 : end].decode("utf-8", "backslashreplace").encode()[:255]
        parts += [bytes([len(name)]), name]
        at = end
    return b"".join(parts)


def verdict_frames(
    channel: int, given_out: Mapping[int, int], settlements: Sequence[Settlement]
) -> list[bytes]:
    """Say as few frames as possible; ``given_out`` maps our tags to the channel's, in order."""
    acked = {settlement.tag for settlement in settlements if settlement.verdict not in _REQUEUES}
    frames = []
    prefix_end = None
    for tag in given_out:
        if tag not in acked:
            break
        prefix_end = given_out[tag]
        acked.discard(tag)
    if prefix_end is not None:
        frames.append(_frame(channel, _ACK, prefix_end, flag=True))
    frames.extend(_frame(channel, _ACK, given_out[tag], flag=False) for tag in sorted(acked))
    frames.extend(
        _frame(channel, _REJECT, given_out[settlement.tag], flag=_REQUEUES[settlement.verdict])
        for settlement in settlements
        if settlement.verdict in _REQUEUES
    )
    return frames


def _frame(channel: int, method: int, tag: int, *, flag: bool) -> bytes:
    return _VERDICT_FRAME.pack(
        _METHOD, channel, _VERDICT_SIZE, _BASIC, method, tag, flag, _FRAME_END
    )
