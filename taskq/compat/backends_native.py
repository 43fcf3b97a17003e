"""Celery's names of stores that are our own: the class is there, our store does the work.

A program makes one of these to read and write elsewhere than its app does, asks ``app.backend`` for
its class, or inherits from one.  A subclass that overrides nothing of how results are kept stays on
our store; one that overrides some of it is used as any other class of a user's.
"""

from __future__ import annotations

from typing import Any, ClassVar, Final

from taskq.app.backend import Backend as AppBackend
from taskq.compat.backends_base import Backend
from taskq.ports import ResultRecord, ResultStore
from taskq.wiring.stores import store_at

__all__ = ["Native"]

# What a class overrides that keeps results in a way of its own.
HOOKS: Final = (
    *("_store_result", "_get_task_meta_for", "_forget", "store_result", "get_task_meta"),
    *("_save_group", "_restore_group", "_delete_group", "save_group", "restore_group"),
    *("get", "set", "mget", "delete", "_set_with_state", "get_key_for_task"),
    *("encode", "decode", "encode_result", "decode_result", "prepare_exception", "prepare_value"),
    *("exception_to_python", "meta_from_decoded", "_get_result_meta", "forget"),
    *("apply_chord", "on_chord_part_return", "fallback_chord_unlock", "cleanup"),
)


class Native(Backend):
    """A backend on one of our stores."""

    default_url: ClassVar[str] = ""
    is_native: ClassVar[bool] = True

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        ours = cls.__module__.startswith("taskq.")
        if not ours and any(name in vars(cls) for name in HOOKS):
            cls.is_native = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._native: ResultStore | None = None
        self.follows_app = False  # it is what ``app.backend`` is: where the app stands, here

    @property
    def native(self) -> ResultStore:
        """Our store at the place of this object."""
        if self.follows_app:
            here: ResultStore = self.app.ports.store
            return here
        if self._native is None:
            self._native = store_at(self.app, self.place)
        return self._native

    @property
    def place(self) -> str:
        """The URL, also where none was given."""
        return self.url or self.default_url

    @property
    def store(self) -> ResultStore:
        """Our store; or what stands on the class, where that has its own ways."""
        if not self.is_native:
            return super().store
        return self._port or self.native

    @property
    def ends_chords(self) -> bool:
        """Whether a class does by itself what our store does."""
        return not self.is_native and super().ends_chords

    # -- as in an app without a class of its own -------------------------------------------------

    def encode(self, data: Any) -> Any:
        """Return what is stored for a value."""
        return AppBackend.encode(self, data) if self.is_native else super().encode(data)

    def record(self, task_id: str, result: Any, state: str, *args: Any, **kwargs: Any) -> Any:
        """Build what the store gets."""
        make: Any = AppBackend.record if self.is_native else Backend.record
        record: ResultRecord = make(self, task_id, result, state, *args, **kwargs)
        return record

    def store_result(self, task_id: str, result: Any, state: str, *args: Any, **kwargs: Any) -> Any:
        """Store the state of a task, now."""
        act: Any = AppBackend.store_result if self.is_native else Backend.store_result
        return act(self, task_id, result, state, *args, **kwargs)

    def get_task_meta(self, task_id: str, cache: bool = True, **_options: Any) -> dict[str, Any]:
        """Read the meta of a task."""
        if self.is_native:
            return AppBackend.get_task_meta(self, task_id)
        return super().get_task_meta(task_id, cache)

    def get_many_metas(self, task_ids: Any) -> list[dict[str, Any]]:
        """Read the metas of many tasks in one round trip."""
        if self.is_native:
            return AppBackend.get_many_metas(self, task_ids)
        return super().get_many_metas(task_ids)

    def decode_record(self, record: ResultRecord) -> dict[str, Any]:
        """Read one record."""
        read: Any = AppBackend.decode_record if self.is_native else Backend.decode_record
        found: dict[str, Any] = read(self, record)
        return found

    def forget(self, task_id: str) -> None:
        """Delete what is stored for a task."""
        if self.is_native:
            AppBackend.forget(self, task_id)
        else:
            super().forget(task_id)

    def save_group(self, group_id: str, result: Any) -> Any:
        """Keep the ids of a group."""
        save: Any = AppBackend.save_group if self.is_native else Backend.save_group
        return save(self, group_id, result)

    def restore_group(self, group_id: str, cache: bool = True) -> Any:
        """Return a saved group; None where there is none."""
        if self.is_native:
            return AppBackend.restore_group(self, group_id)
        return super().restore_group(group_id, cache)

    def delete_group(self, group_id: str) -> Any:
        """Forget a saved group."""
        delete: Any = AppBackend.delete_group if self.is_native else Backend.delete_group
        return delete(self, group_id)

    def task_result_exists(self, task_id: str) -> bool:
        """Whether anything is stored for a task."""
        return self.store.load([task_id])[0] is not None

    def cleanup(self) -> None:
        """Delete what is too old, where the server does not do that by itself."""
        clean_up = getattr(self.native, "clean_up", None)
        if clean_up is not None:
            clean_up()
