"""Says which argument of which task cannot be encoded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from taskq.errors import EncodeError
from taskq.ports import Codec

__all__ = ["explain_encode_error"]


def explain_encode_error(
    error: EncodeError,
    *,
    name: str,
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    serializer: str,
    codec: Codec,
) -> EncodeError:
    """Return an error that names task and argument, by trying them one by one."""

    def fails(value: Any) -> bool:
        try:
            codec.encode(value, serializer)
        except EncodeError:
            return True
        return False

    if fails(None):
        return error  # the serializer itself is at fault, and the error says how
    bad = [f"argument {index}" for index, value in enumerate(args) if fails(value)]
    bad += [f"argument {key!r}" for key, value in kwargs.items() if fails(value)]
    what = ", ".join(bad) or "one of its callbacks, its chain or its chord"
    return type(error)(
        f"task {name!r}: {what} cannot be encoded with serializer {serializer!r}: {error}"
    )
