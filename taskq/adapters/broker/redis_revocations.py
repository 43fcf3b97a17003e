"""What was revoked, in Redis: one sorted set, each entry until its time is over."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from kombu.utils.json import JSONEncoder
from kombu.utils.json import loads as kombu_loads

from taskq.adapters.broker.redis_calling import Caller
from taskq.adapters.broker.redis_layout import Layout
from taskq.adapters.broker.redis_scripts_letters import REVOKE, REVOKED
from taskq.ports import Revocation

# As many as a Celery worker keeps; of more, those go whose time is over first.
MOST: Final = 50_000
AT_ONCE: Final = 500

_encode: Final = JSONEncoder(sort_keys=True).encode


class Revocations:
    """All that is revoked in one database."""

    def __init__(self, caller: Caller, layout: Layout) -> None:
        self._caller, self._layout = caller, layout

    def add(self, revocations: Sequence[Revocation]) -> None:
        """Remember, each until its time is over; of the same one, the last word counts."""
        for at in range(0, len(revocations), AT_ONCE):
            arguments: list[Any] = [MOST]
            for one in revocations[at : at + AT_ONCE]:
                arguments += (repr(one.until_s), _write(one))
            self._caller.run(REVOKE, [self._layout.revoked], arguments)

    def all(self) -> Sequence[Revocation]:
        """Return what is remembered."""
        said = self._caller.run(REVOKED, [self._layout.revoked], [])
        return [
            one
            for text, until in zip(said[::2], said[1::2], strict=True)
            if (one := _read(text, float(until))) is not None
        ]


def _write(one: Revocation) -> str:
    return _encode({"task_id": one.task_id, "headers": dict(one.headers)})


def _read(text: bytes, until_s: float) -> Revocation | None:
    """Read one; None where somebody else wrote what is none."""
    try:
        said = kombu_loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(said, dict) or not isinstance(said.get("headers"), dict):
        return None
    return Revocation(until_s, str(said.get("task_id") or ""), said["headers"])
