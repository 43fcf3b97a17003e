"""A result store that stands on a user's class: one adapter from Celery's backends to the port.

Made by ``wiring/stores.py`` where ``result_backend`` names such a class.  Each thread has an object
of its own, unless ``result_backend_thread_safe`` says that one will do; ``app.backend`` is the one
of the thread that asks.

Chords: a class that has its own ``apply_chord`` or ``on_chord_part_return`` ends them itself, and
is called as Celery calls it; for all others ``celery.chord_unlock`` asks.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

from taskq import states
from taskq.adapters.results.asking import AskedStore, Asking
from taskq.app.result import result_from_tuple
from taskq.compat.backends_transport import Told, read_record
from taskq.ports import Clock, ResultRecord
from taskq.protocol.result import group_meta, read_group_meta, read_tree
from taskq.states import is_less_final

__all__ = ["BackendStore"]


class BackendStore(AskedStore):
    """Implements ``ports.ResultStore`` by calls of a class."""

    def __init__(self, make: Callable[[], Any], *, clock: Clock, thread_safe: bool = False) -> None:
        self._make, self._thread_safe = make, thread_safe
        self._local = threading.local()
        self._shared: Any = None
        self._lock = threading.RLock()
        self._asking = Asking(self.load, clock)

    def own_backend(self) -> Any:
        """Return the object of this thread."""
        if self._thread_safe:
            with self._lock:
                if self._shared is None:
                    self._shared = self._made()
                return self._shared
        backend = getattr(self._local, "backend", None)
        if backend is None:
            backend = self._local.backend = self._made()
        return backend

    def _made(self) -> Any:
        backend = self._make()
        backend._port = self  # noqa: SLF001 - of this package: both are one thing
        return backend

    @property
    def name(self) -> str:
        """What the banner of a worker shows; passwords are starred."""
        backend = self.own_backend()
        return backend.as_uri() or type(backend).__name__

    @property
    def key_prefix(self) -> str:
        """What stands in front of a task id in the key of its result."""
        key = self.own_backend().get_key_for_task("")
        return key.decode() if isinstance(key, bytes) else str(key)

    # -- results ---------------------------------------------------------------------------------

    def store(self, records: Sequence[ResultRecord]) -> None:
        """Write, where nothing more final is there."""
        backend = self.own_backend()
        for record in records:
            told = Told(backend, record)
            if told.state != states.SUCCESS and self._keeps(backend, told):
                continue
            backend.store_result(
                told.task_id,
                told.result,
                told.state,
                traceback=told.traceback,
                request=told.request,
            )
            if self.ends_chords and told.state in states.READY_STATES:
                self._count(backend, told)

    @staticmethod
    def _keeps(backend: Any, told: Told) -> bool:
        known = backend.get_task_meta(told.task_id, cache=False)
        return is_less_final(told.state, known.get("status") or states.PENDING)

    @staticmethod
    def _count(backend: Any, told: Told) -> None:
        """Tell a class that counts by itself that a member has ended."""
        request = told.request
        if request is not None and request.chord and request.group:
            backend.on_chord_part_return(request, told.state, told.result)

    def load(self, task_ids: Sequence[str]) -> Sequence[ResultRecord | None]:
        """Read what is stored now."""
        backend = self.own_backend()
        metas = [backend.get_task_meta(task_id, cache=False) for task_id in task_ids]
        return [
            None if meta.get("status") == states.PENDING else read_record(backend, meta, task_id)
            for task_id, meta in zip(task_ids, metas, strict=True)
        ]

    def wait(self, task_ids: Sequence[str], timeout_s: float | None) -> Sequence[ResultRecord]:
        """Return when something may have changed, or the time is over."""
        return self._asking.wait(task_ids, timeout_s)

    def stop_waiting(self, task_ids: Sequence[str]) -> None:
        """This thread waits for these no more."""
        self._asking.stop(task_ids)

    def forget(self, task_ids: Sequence[str]) -> None:
        """Delete."""
        for task_id in task_ids:
            self.own_backend().forget(task_id)

    # -- groups ----------------------------------------------------------------------------------

    def save_group(self, group_id: str, payload: bytes, expires_s: float | None) -> None:  # noqa: ARG002 - the class knows its own
        """Keep a group's own record."""
        backend = self.own_backend()
        tree = read_group_meta(backend.decode(payload))
        backend.save_group(group_id, result_from_tuple(tree.as_tuple(), backend.app))

    def load_group(self, group_id: str) -> bytes | None:
        """Read it."""
        backend = self.own_backend()
        found = backend.restore_group(group_id, cache=False)
        if found is None:
            return None
        as_tuple = found.as_tuple() if hasattr(found, "as_tuple") else found
        encoded = backend.encode(group_meta(read_tree(as_tuple)))
        return encoded.encode() if isinstance(encoded, str) else encoded

    def forget_group(self, group_id: str) -> None:
        """Delete it."""
        self.own_backend().delete_group(group_id)

    # -- chords ----------------------------------------------------------------------------------

    @property
    def ends_chords(self) -> bool:
        """Whether the class opens and ends chords by itself."""
        return bool(self.own_backend().ends_chords)

    def begin_chord(self, header: Any, body: Any) -> None:
        """Let the class open a chord."""
        args = (header.id, list(header.results))
        self.own_backend().apply_chord(args, body)

    # -- housekeeping ----------------------------------------------------------------------------

    def clean_up(self) -> None:
        """Delete what is too old."""
        self.own_backend().cleanup()

    def close(self) -> None:
        """The class keeps its own connections."""
