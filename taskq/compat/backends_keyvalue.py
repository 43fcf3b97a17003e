# ruff: noqa: PLR0917 - the parameters are Celery's, and so is their order
"""``KeyValueStoreBackend``: results under keys, by ``get``, ``set``, ``mget`` and ``delete``."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar

from taskq import states
from taskq.app.backend import CHORD_PREFIX, GROUP_PREFIX, TASK_PREFIX
from taskq.app.result import result_from_tuple
from taskq.compat.backends_base import Backend
from taskq.compat.backends_waiting import DEFAULT_INTERVAL_S, SyncBackendMixin

__all__ = ["BaseKeyValueStoreBackend", "KeyValueStoreBackend"]


class BaseKeyValueStoreBackend(Backend):
    """Results in something that keeps values under keys."""

    task_keyprefix: Any = TASK_PREFIX
    group_keyprefix: Any = GROUP_PREFIX
    chord_keyprefix: Any = CHORD_PREFIX
    implements_incr = False
    supports_result_compression = True
    global_keyprefix: ClassVar[str] = ""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._add_global_keyprefix()
        self._encode_prefixes()

    @staticmethod
    def key_t(s: Any) -> Any:
        """Return a key as the server wants it."""
        return s.encode() if isinstance(s, str) else s

    def _add_global_keyprefix(self) -> None:
        options = self.app.conf.result_backend_transport_options or {}
        prefix = options.get("global_keyprefix") or ""
        if not prefix:
            return
        for name in ("task_keyprefix", "group_keyprefix", "chord_keyprefix"):
            known = getattr(self, name)
            text = known.decode() if isinstance(known, bytes) else known
            setattr(self, name, f"{_separated(prefix)}{text}")

    def _encode_prefixes(self) -> None:
        for name in ("task_keyprefix", "group_keyprefix", "chord_keyprefix"):
            setattr(self, name, self.key_t(getattr(self, name)))

    @property
    def chord_expires(self) -> Any:
        """How long what is kept of a chord lives."""
        return self.chord_expires_s

    # -- to be overridden ------------------------------------------------------------------------

    def get(self, key: Any) -> Any:
        """Read; None where there is nothing."""
        raise NotImplementedError("Must implement the get method.")

    def mget(self, keys: Sequence[Any]) -> Any:
        """Read many: a list in their order, or a mapping of those that are there."""
        raise NotImplementedError("Does not support get_many")

    def set(self, key: Any, value: Any) -> Any:
        """Write."""
        raise NotImplementedError("Must implement the set method.")

    def delete(self, key: Any) -> Any:
        """Delete."""
        raise NotImplementedError("Must implement the delete method")

    def incr(self, key: Any) -> Any:
        """Count; not needed here, since chords are asked for."""
        raise NotImplementedError("Does not implement incr")

    def expire(self, key: Any, value: Any) -> Any:
        """Let a value live so long."""

    def _set_with_state(self, key: Any, value: Any, state: str) -> Any:  # noqa: ARG002 - to be overridden
        return self.set(key, value)

    # -- keys ------------------------------------------------------------------------------------

    def get_key_for_task(self, task_id: str, key: str | bytes = "") -> Any:
        """Return the key of a task's result."""
        return self._get_key_for(self.task_keyprefix, task_id, key)

    def get_key_for_group(self, group_id: str, key: str | bytes = "") -> Any:
        """Return the key of a group's record."""
        return self._get_key_for(self.group_keyprefix, group_id, key)

    def get_key_for_chord(self, group_id: str, key: str | bytes = "") -> Any:
        """Return the key of a chord's counter."""
        return self._get_key_for(self.chord_keyprefix, group_id, key)

    def _get_key_for(self, prefix: Any, id: str, key: str | bytes = "") -> Any:  # noqa: A002 - Celery's name
        parts = [self.key_t(prefix), self.key_t(id), self.key_t(key)]
        return self.key_t("").join(parts)

    def _strip_prefix(self, key: Any) -> str:
        """Return the id that a key is for."""
        for prefix in (self.task_keyprefix, self.group_keyprefix):
            if self.key_t(key).startswith(prefix):
                return _text(self.key_t(key)[len(prefix) :])
        return _text(key)

    def _filter_ready(
        self, values: Any, READY_STATES: Any = states.READY_STATES  # noqa: N803 - Celery's name
    ) -> Iterator[tuple[Any, Any]]:  # fmt: skip
        """Return pairs of key and meta of what has ended."""
        for key, value in values:
            if value is None:
                continue
            meta = self.decode_result(value)
            if meta["status"] in READY_STATES:
                yield key, meta

    def _mget_to_results(
        self, values: Any, keys: Sequence[Any], READY_STATES: Any = states.READY_STATES  # noqa: N803 - Celery's name
    ) -> dict[str, Any]:  # fmt: skip
        """Return id and meta of what has ended; ``values`` are what ``mget`` has returned."""
        if hasattr(values, "items"):
            pairs = list(values.items())
        else:
            pairs = list(zip(keys, values, strict=False))
        return {
            self._strip_prefix(key): meta for key, meta in self._filter_ready(pairs, READY_STATES)
        }

    # -- results ---------------------------------------------------------------------------------

    def _store_result(
        self,
        task_id: str,
        result: Any,
        state: str,
        traceback: str | None = None,
        request: Any = None,
        **_kwargs: Any,
    ) -> Any:
        meta = self._get_result_meta(result, state, traceback, request)
        meta["task_id"] = _text(task_id)
        current = self._get_task_meta_for(task_id)
        if current["status"] == states.SUCCESS:
            return result  # nothing undoes a success
        self._set_with_state(self.get_key_for_task(task_id), self.encode(meta), state)
        return result

    def _get_task_meta_for(self, task_id: str) -> dict[str, Any]:
        meta = self.get(self.get_key_for_task(task_id))
        if not meta:
            return {"status": states.PENDING, "result": None}
        found: dict[str, Any] = self.decode_result(meta)
        return found

    def _forget(self, task_id: str) -> None:
        self.delete(self.get_key_for_task(task_id))

    def get_many_metas(self, task_ids: Sequence[str]) -> list[dict[str, Any]]:
        """Read the metas of many tasks, at once where the class can."""
        if type(self).mget is BaseKeyValueStoreBackend.mget:
            return super().get_many_metas(task_ids)
        keys = [self.get_key_for_task(task_id) for task_id in task_ids]
        values = self.mget(keys)
        if hasattr(values, "items"):
            values = [values.get(key, values.get(_text(key))) for key in keys]
        return [
            self.decode_result(value) if value else {"status": states.PENDING, "result": None}
            for value in values
        ]

    def get_many(
        self,
        task_ids: Sequence[str],
        timeout: float | None = None,
        interval: float = DEFAULT_INTERVAL_S,
        no_ack: bool = True,  # noqa: ARG002 - Celery's
        on_message: Callable[..., Any] | None = None,
        on_interval: Callable[..., Any] | None = None,
        max_iterations: int | None = None,
        READY_STATES: Any = states.READY_STATES,  # noqa: N803 - Celery's name
    ) -> Iterator[tuple[str, Any]]:
        """Return pairs of id and meta, as they end."""
        left = {_text(task_id): None for task_id in task_ids}
        looks, waited_s = 0, 0.0
        while left:
            ids = list(left)
            for task_id, meta in zip(ids, self.get_many_metas(ids), strict=True):
                if meta["status"] in READY_STATES:
                    del left[task_id]
                    if on_message is not None:
                        on_message(meta)
                    yield task_id, meta
            looks += 1
            if not left or (max_iterations and looks >= max_iterations):
                return
            if timeout and waited_s >= timeout:
                raise self.TimeoutError(f"Operation timed out ({timeout})")
            if on_interval is not None:
                on_interval()
            self._sleep(interval)
            waited_s += interval

    # -- groups ----------------------------------------------------------------------------------

    def _save_group(self, group_id: str, result: Any) -> Any:
        payload = self.encode({"result": result.as_tuple()})
        self._set_with_state(self.get_key_for_group(group_id), payload, states.SUCCESS)
        return result

    def _restore_group(self, group_id: str) -> Any:
        meta = self.get(self.get_key_for_group(group_id))
        if not meta:
            return None
        found = self.decode(meta)
        found["result"] = result_from_tuple(found["result"], self.app)
        return found

    def _delete_group(self, group_id: str) -> None:
        self.delete(self.get_key_for_group(group_id))


class KeyValueStoreBackend(BaseKeyValueStoreBackend, SyncBackendMixin):
    """The same, where who waits asks again and again."""


def _separated(prefix: str) -> str:
    return prefix if prefix[-1] in ":_-." else f"{prefix}_"


def _text(key: Any) -> str:
    return key.decode() if isinstance(key, bytes) else str(key)
