"""Rests of long chains in stores of keys and values that let go of old values.

A rest has a head, which says until when it lives, and a value for each window.  Reading a window
writes the head anew; the windows themselves are written anew when half of their time is over.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

from taskq.adapters.results.keyvalue import KeyValueStore

REST_KEY: Final = "taskq-rest-"
# Windows live longer than their head says, so that they need not be written with it.
SHARE: Final = 2.0


class RestingStore(KeyValueStore):
    """Implements ``ports.KeepsRests`` besides."""

    def keep_rest(self, rest_id: str, windows: Sequence[bytes], life_s: float) -> None:
        """Keep all windows; the head comes last, and says that they are there."""
        for number, window in enumerate(windows):
            self._put(self._window(rest_id, number), window, life_s * SHARE)
        now_s = self._now_s
        head = {"until": now_s + life_s, "kept": now_s, "life": life_s, "count": len(windows)}
        self._put_head(rest_id, head)

    def load_rest(self, rest_id: str, window: int, life_s: float) -> bytes | None:
        """Read one window, and let all of them live so long from now on; None where it is gone."""
        packed, found = self._get([self._head(rest_id), self._window(rest_id, window)])
        if packed is None:
            return None
        head: dict[str, Any] = json.loads(packed)
        now_s = self._now_s
        if head["until"] <= now_s:
            return None
        if now_s + life_s > head["kept"] + head["life"] * SHARE:
            self._keep_again(rest_id, head, life_s)
        head["until"] = now_s + life_s
        self._put_head(rest_id, head)
        return found

    def _keep_again(self, rest_id: str, head: dict[str, Any], life_s: float) -> None:
        keys = [self._window(rest_id, number) for number in range(head["count"])]
        for key, payload in zip(keys, self._get(keys), strict=True):
            if payload is not None:
                self._put(key, payload, life_s * SHARE)
        head.update(kept=self._now_s, life=life_s)

    def _put_head(self, rest_id: str, head: dict[str, Any]) -> None:
        self._put(self._head(rest_id), json.dumps(head).encode(), head["life"] * SHARE)

    @property
    def _now_s(self) -> float:
        return self._clock.read().wall_s

    def _head(self, rest_id: str) -> str:
        return f"{self._prefix}{REST_KEY}{rest_id}"

    def _window(self, rest_id: str, number: int) -> str:
        return f"{self._head(rest_id)}.{number}"
