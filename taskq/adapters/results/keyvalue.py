"""Results in any store of keys and values: Celery's keys, and nothing that one of them lacks.

A driver (``KeyValues``) says how a value is read, written and deleted; a file for each of them lies
beside this one.  Here is what they have in common: the keys, that a final state is not overwritten
by one that is less final, compression, waiting by asking, and trying again when the server is out
of reach.

The check and the write are two steps, as in Celery: of two workers that write a state of one task
at the same moment the later one wins, whatever it says.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, Protocol, TypeVar, runtime_checkable

from taskq.adapters.results.asking import AskedStore, Asking
from taskq.adapters.results.packing import Packing
from taskq.adapters.results.redis_records import content_of, state_of
from taskq.errors import OperationalError
from taskq.ports import Clock, ResultRecord, RetryPolicy
from taskq.states import is_less_final

Returned = TypeVar("Returned")

TASK_KEY: Final = "celery-task-meta-"
GROUP_KEY: Final = "celery-taskset-meta-"
# Celery's own: a result that cannot be stored is worth waiting for.
WRITING: Final = RetryPolicy(
    max_retries=20, interval_start=0.0, interval_step=1.0, interval_max=1.0
)
# A reader has a limit of its own and asks again.
READING: Final = RetryPolicy(max_retries=2)


class KeyValues(Protocol):
    """How one kind of server keeps values under keys."""

    @property
    def name(self) -> str:
        """Where it is, for people; passwords are starred."""

    @property
    def lost(self) -> tuple[type[BaseException], ...]:
        """What is raised when the server is out of reach, and worth another try."""

    def get_many(self, keys: Sequence[str]) -> Sequence[bytes | None]:
        """Read; None where there is nothing."""

    def put(self, key: str, value: bytes, life_s: float | None) -> None:
        """Write; ``life_s`` counts where the server lets values expire.  None: for ever."""

    def delete(self, keys: Sequence[str]) -> None:
        """Delete; what is not there is no error."""

    def close(self) -> None:
        """Let go of connections."""


@runtime_checkable
class Sweeps(Protocol):
    """A driver whose server expires nothing, but that can tell how old a value is."""

    def sweep(self, older_than_s: float) -> None:
        """Delete what was written longer ago."""


class KeyValueStore(AskedStore):
    """Implements ``ports.ResultStore`` on a driver."""

    def __init__(
        self,
        values: KeyValues,
        *,
        clock: Clock,
        packing: Packing | None = None,
        prefix: str = "",
        expires_s: float | None = None,
    ) -> None:
        self.values = values
        self._clock, self._packing = clock, packing or Packing()
        self._prefix, self._expires_s = prefix, expires_s
        self._asking = Asking(self.load, clock)

    @property
    def name(self) -> str:
        """What the banner of a worker shows; passwords are starred."""
        return self.values.name

    @property
    def key_prefix(self) -> str:
        """What stands in front of a task id in the key of its result."""
        return self._prefix + TASK_KEY

    # -- results ---------------------------------------------------------------------------------

    def store(self, records: Sequence[ResultRecord]) -> None:
        """Write, where nothing more final is there."""
        known = self.load([record.task_id for record in records])
        for record, there in zip(records, known, strict=True):
            if there is None or not is_less_final(record.state, there.state):
                self._put(self.key_prefix + record.task_id, record.payload, record.expires_s)

    def load(self, task_ids: Sequence[str]) -> Sequence[ResultRecord | None]:
        """Read what is stored now."""
        if not task_ids:
            return []
        kept = self._get([self.key_prefix + task_id for task_id in task_ids])
        return [
            None if payload is None else _record(task_id, payload)
            for task_id, payload in zip(task_ids, kept, strict=True)
        ]

    def wait(self, task_ids: Sequence[str], timeout_s: float | None) -> Sequence[ResultRecord]:
        """Return when something may have changed, or the time is over."""
        return self._asking.wait(task_ids, timeout_s)

    def stop_waiting(self, task_ids: Sequence[str]) -> None:
        """This thread waits for these no more."""
        self._asking.stop(task_ids)

    def forget(self, task_ids: Sequence[str]) -> None:
        """Delete."""
        self._delete([self.key_prefix + task_id for task_id in task_ids])

    # -- groups ----------------------------------------------------------------------------------

    def save_group(self, group_id: str, payload: bytes, expires_s: float | None) -> None:
        """Keep a group's own record."""
        self._put(self._prefix + GROUP_KEY + group_id, payload, expires_s)

    def load_group(self, group_id: str) -> bytes | None:
        """Read it."""
        [payload] = self._get([self._prefix + GROUP_KEY + group_id])
        return payload

    def forget_group(self, group_id: str) -> None:
        """Delete it."""
        self._delete([self._prefix + GROUP_KEY + group_id])

    # -- housekeeping ----------------------------------------------------------------------------

    def clean_up(self) -> None:
        """Delete what is too old, where the server does not do that by itself."""
        values, age_s = self.values, self._expires_s
        if isinstance(values, Sweeps) and age_s:
            self._call(lambda: values.sweep(age_s), READING)

    def close(self) -> None:
        """Let go of connections."""
        self.values.close()

    # -- talking ---------------------------------------------------------------------------------

    def _get(self, keys: Sequence[str]) -> list[bytes | None]:
        kept = self._call(lambda: self.values.get_many(keys), READING)
        return [None if one is None else self._packing.unpack(one) for one in kept]

    def _put(self, key: str, payload: bytes, life_s: float | None) -> None:
        packed = self._packing.pack(payload)
        self._call(lambda: self.values.put(key, packed, life_s), WRITING)

    def _delete(self, keys: Sequence[str]) -> None:
        if keys:
            self._call(lambda: self.values.delete(keys), WRITING)

    def _call(self, act: Callable[[], Returned], policy: RetryPolicy) -> Returned:
        """Do something, again while the server is out of reach: all of it may be repeated."""
        attempt = 0
        while True:
            try:
                return act()
            except self.values.lost as error:
                if policy.max_retries is not None and attempt >= policy.max_retries:
                    raise OperationalError(
                        f"{self.name}: the result store cannot be reached:"
                        f" {type(error).__name__}: {error}"
                    ) from error
            self._clock.sleep(policy.pause_s(attempt))
            attempt += 1


def _record(task_id: str, payload: bytes) -> ResultRecord:
    content_type, content_encoding = content_of(payload)
    return ResultRecord(task_id, state_of(payload), payload, content_type, content_encoding)
