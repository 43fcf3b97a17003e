"""The rests of long chains in Redis: a hash for each, its windows under their numbers.

Used by the Redis store, which says how a call is made and tried again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from taskq.adapters.broker.redis_link import Link, Script
from taskq.adapters.results.packing import Packing
from taskq.adapters.results.redis_records import life_ms

REST_KEY: Final = "taskq-rest-"
# Windows in one call: bounds what the server does at once, and the script's stack.
WINDOWS_PER_CALL: Final = 100

# Each call leaves a key that expires, wherever the one who makes many of them is killed.
# KEYS: rest                           ARGV: life in ms, number, window ...
KEEP_REST: Final = Script(
    """
redis.call('HSET', KEYS[1], unpack(ARGV, 2))
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return 1
"""
)


class Rests:
    """Reads and writes them, through ``call``."""

    def __init__(self, prefix: str, packing: Packing, call: Callable[..., Any]) -> None:
        self._prefix, self._packing, self._call = prefix + REST_KEY, packing, call

    def keep(self, rest_id: str, windows: Sequence[bytes], life_s: float) -> None:
        """Write all windows."""
        packed = [self._packing.pack(window) for window in windows]
        for start in range(0, len(packed), WINDOWS_PER_CALL):
            arguments: list[Any] = [life_ms(life_s)]
            for at, window in enumerate(packed[start : start + WINDOWS_PER_CALL], start):
                arguments += (at, window)
            self._call(lambda link: link.run(KEEP_REST, [self._key(rest_id)], arguments))  # noqa: B023 - called here

    def load(self, rest_id: str, window: int, life_s: float) -> bytes | None:
        """Read one window, in one round trip with the life that all of them get."""
        key = self._key(rest_id)

        def act(link: Link) -> Any:
            return link.ask_many([("HGET", key, window), ("PEXPIRE", key, life_ms(life_s))])

        kept, _ = self._call(act)
        return None if kept is None else self._packing.unpack(kept)

    def _key(self, rest_id: str) -> str:
        return self._prefix + rest_id
