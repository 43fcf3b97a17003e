# ruff: noqa: PLR0917 - the parameters are Celery's, and so is their order
"""``celery.backends.base.Backend``: what a user's own class of results is made from.

A class overrides the methods with an underscore in front (``_store_result``,
``_get_task_meta_for``, ``_forget``, ``_save_group``, ...), or those that encode; it gets what
Celery gives it.  ``backends_store.py`` makes a result store of such a class, so that workers and
clients use it through the same port as any other.

Owned here: reading, writing, encoding.  Not owned: what happens when a task ends, and chords
(``backends_ending.py``), keys and values (``backends_keyvalue.py``).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any, ClassVar, Final

from taskq import states
from taskq.app.backend import Backend as AppBackend
from taskq.app.backend import is_ours, storable
from taskq.compat.backends_ending import Ending
from taskq.compat.backends_payload import decompress_payload
from taskq.compat.backends_transport import read_transport, transport_record
from taskq.compat.backends_waiting import SyncBackendMixin
from taskq.current import app_or_default
from taskq.errors import (
    BackendGetMetaError,
    BackendStoreError,
    ContentDisallowed,
    DecodeError,
    EncodeError,
)
from taskq.errors import TimeoutError as ResultTimeoutError
from taskq.ports import ResultRecord, ResultStore
from taskq.protocol.exceptions import exception_data, exception_from
from taskq.protocol.result import Extended, task_meta

__all__ = ["Backend", "BaseBackend", "BaseDictBackend"]

# Serializers that keep an exception as it is.
KEEPS_OBJECTS: Final = frozenset({"pickle", "application/x-python-serialize"})


class Backend(Ending, AppBackend):
    """Results at a place that a class knows; to be overridden."""

    TimeoutError = ResultTimeoutError
    subpolling_interval: ClassVar[float | None] = None
    supports_native_join = False
    supports_autoexpire = False
    supports_failure_expires = False
    supports_result_compression = False
    persistent = True
    retry_policy: Any = MappingProxyType(
        {"max_retries": 20, "interval_start": 0, "interval_step": 1, "interval_max": 1}
    )

    def __init__(
        self,
        app: Any = None,
        serializer: str | None = None,
        max_cached_results: int | None = None,
        accept: Any = None,
        expires: Any = None,
        expires_type: Any = None,
        url: str | None = None,
        **_kwargs: Any,
    ) -> None:
        app = app_or_default(app)
        super().__init__(app)
        conf = app.conf
        self.url = url
        self.serializer = serializer or self.serializer
        if accept is not None:
            self.accept = app.ports.codec.accepted(accept)
        self.expires = self.prepare_expires(expires, expires_type)
        self.compression = self.prepare_compression(conf.result_compression)
        self.always_retry: bool = conf.result_backend_always_retry
        self.max_retries: float = conf.result_backend_max_retries
        self.max_sleep_between_retries_ms = conf.result_backend_max_sleep_between_retries_ms
        self.base_sleep_between_retries_ms = conf.result_backend_base_sleep_between_retries_ms
        self.thread_safe: bool = conf.result_backend_thread_safe
        self.max_cached_results = max_cached_results or conf.result_cache_max
        self._cache: dict[str, Any] = {}
        self._port: ResultStore | None = None

    @property
    def store(self) -> ResultStore:
        """The result store that stands on this object."""
        if self._port is None:
            from taskq.compat.backends_store import BackendStore  # noqa: PLC0415 - it stands on this

            self._port = BackendStore(lambda: self, clock=self.app.ports.clock)
        return self._port

    def as_uri(self, include_password: bool = False) -> str:
        """Return the URL; without a password unless it is asked for."""
        from taskq.conf import sanitize_url  # noqa: PLC0415

        url = self.url or ""
        return url if include_password else sanitize_url(url)

    # -- settings --------------------------------------------------------------------------------

    def prepare_expires(self, value: Any, type: Any = None) -> Any:  # noqa: A002 - Celery's name
        """Return a lifetime in seconds; that of the settings where none is given."""
        if value is None:
            value = self.app.conf.result_expires
        seconds = value.total_seconds() if isinstance(value, timedelta) else value
        return type(seconds) if seconds is not None and type is not None else seconds

    def prepare_persistent(self, enabled: bool | None = None) -> bool:
        """Return whether results outlive the server's restart."""
        if enabled is not None:
            return enabled
        said = self.app.conf.result_persistent
        return self.persistent if said is None else said

    def prepare_compression(self, compression: str | None) -> str | None:
        """Return the method, where this class can compress."""
        return compression if self.supports_result_compression else None

    # -- encoding --------------------------------------------------------------------------------

    def encode(self, data: Any) -> Any:
        """Return what is stored for a value: text where the serializer makes text."""
        return self._encode(data)[2]

    def _encode(self, data: Any) -> tuple[str, str, Any]:
        made = self._codec.encode(data, self.serializer)
        body: Any = made.body
        if made.content_encoding == "utf-8":
            body = body.decode()
        return made.content_type, made.content_encoding, body

    def decode(self, payload: Any) -> Any:
        """Return the value of what is stored."""
        if payload is None:
            return None
        body = payload.encode() if isinstance(payload, str) else bytes(payload)
        body = decompress_payload(body)
        made = self._codec.encode(None, self.serializer)
        return self._codec.decode(body, made.content_type, made.content_encoding, self.accept)

    def is_encodable(self, value: Any) -> bool:
        """Whether a value can be stored."""
        try:
            self._codec.encode(value, self.serializer)
        except EncodeError:
            return False
        return True

    def _comes_back(self, error: BaseException) -> bool:
        """Whether a reader gets an exception again, which its constructor may refuse."""
        try:
            made = self._codec.encode(error, self.serializer)
            accept = frozenset({made.content_type})
            again = self._codec.decode(made.body, made.content_type, made.content_encoding, accept)
        except (EncodeError, DecodeError):
            return False
        return isinstance(again, BaseException)

    def decode_result(self, payload: Any) -> Any:
        """Return the meta of what is stored."""
        return self.meta_from_decoded(self.decode(payload))

    def encode_result(self, result: Any, state: str) -> Any:
        """Return what a meta has as its result."""
        if state in self.EXCEPTION_STATES and isinstance(result, BaseException):
            return self.prepare_exception(result)
        return self.prepare_value(result)

    def prepare_value(self, result: Any) -> Any:
        """Return what stands for a value: handles of results go as their tuples."""
        return result if self.serializer == "pickle" else storable(result)

    def prepare_exception(self, exc: BaseException, serializer: str | None = None) -> Any:
        """Return what stands for an exception: itself, where the serializer keeps it."""
        keeps = (serializer or self.serializer) in KEEPS_OBJECTS
        if keeps and not is_ours(exc) and self._comes_back(exc):
            return exc
        return exception_data(exc, self.is_encodable)

    def exception_to_python(self, exc: Any) -> Any:
        """Return the exception that some data stands for."""
        return exc if not exc or isinstance(exc, BaseException) else exception_from(exc)

    def meta_from_decoded(self, meta: Any) -> Any:
        """Return a meta with an exception in the place of its data."""
        if meta["status"] in self.EXCEPTION_STATES:
            meta["result"] = self.exception_to_python(meta["result"])
        return meta

    def current_task_children(self, request: Any = None) -> list[Any] | None:
        """Return what the task of a request, or the running one, has sent."""
        from taskq.current import get_current_task  # noqa: PLC0415

        request = request or getattr(get_current_task(), "request", None)
        if request is None:
            return None
        return [result.as_tuple() for result in getattr(request, "children", None) or ()]

    def _get_result_meta(
        self,
        result: Any,
        state: str,
        traceback: str | None,
        request: Any,
        format_date: bool = True,
        encode: bool = False,
    ) -> dict[str, Any]:
        """Build what is stored for a task.  With ``encode`` its arguments are encoded apart."""
        extended = None
        if request is not None and self.app.conf.result_extended:
            info = getattr(request, "delivery_info", None) or {}
            args, kwargs = getattr(request, "args", None), getattr(request, "kwargs", None)
            extended = Extended(
                name=getattr(request, "task", None),
                args=self.encode(args) if encode else args,
                kwargs=self.encode(kwargs) if encode else kwargs,
                worker=getattr(request, "hostname", None),
                retries=getattr(request, "retries", None),
                queue=info.get("routing_key"),
            )
        now = datetime.fromtimestamp(self.app.ports.clock.read().wall_s, UTC)
        meta = task_meta(
            "",
            state,
            result,
            date_done=now.isoformat(),
            traceback=traceback,
            children=self.current_task_children(request),
            parent_id=getattr(request, "parent_id", None),
            group_id=getattr(request, "group", None),
            extended=extended,
        )
        del meta["task_id"]
        if not format_date:
            meta["date_done"] = now if state in self.READY_STATES else None
        return meta

    # -- writing ---------------------------------------------------------------------------------

    def record(
        self,
        task_id: str,
        result: Any,
        state: str,
        traceback: str | None = None,
        request: Any = None,
        reply_to: str | None = None,
    ) -> ResultRecord:
        """Build what goes to ``BackendStore``, which calls ``store_result`` with all of it."""
        return transport_record(self, task_id, result, state, traceback, request, reply_to)

    def store_result(
        self,
        task_id: str,
        result: Any,
        state: str,
        traceback: str | None = None,
        request: Any = None,
        **kwargs: Any,
    ) -> Any:
        """Store the state of a task, now."""
        encoded = self.encode_result(result, state)
        self._ensure_retryable(
            self._store_result,
            task_id,
            encoded,
            state,
            traceback,
            request=request,
            fallback_exc=BackendStoreError,
            fallback_msg="failed to store result on the backend",
            task_id_of_error=task_id,
            **kwargs,
        )
        return encoded

    def forget(self, task_id: str) -> None:
        """Delete what is stored for a task."""
        self._cache.pop(task_id, None)
        self._forget(task_id)

    # -- reading ---------------------------------------------------------------------------------

    def get_task_meta(self, task_id: str, cache: bool = True) -> dict[str, Any]:
        """Read the meta of a task; one of which nothing is stored is PENDING."""
        if cache and task_id in self._cache:
            kept: dict[str, Any] = self._cache[task_id]
            return kept
        meta: dict[str, Any] = self._ensure_retryable(
            self._get_task_meta_for,
            task_id,
            fallback_exc=BackendGetMetaError,
            fallback_msg="failed to get meta",
            task_id_of_error=task_id,
        )
        if cache and self.max_cached_results != -1 and meta.get("status") == states.SUCCESS:
            self._keep(task_id, meta)
        return meta

    def get_many_metas(self, task_ids: Sequence[str]) -> list[dict[str, Any]]:
        """Read the metas of many tasks."""
        return [self.get_task_meta(task_id) for task_id in task_ids]

    def decode_record(self, record: ResultRecord) -> dict[str, Any]:
        """Read what ``BackendStore`` has read."""
        return read_transport(self, record)

    def get_status(self, task_id: str) -> Any:
        """Read the state of a task."""
        return self.get_state(task_id)

    def get_children(self, task_id: str) -> Any:
        """Read what a task has sent."""
        return self.get_task_meta(task_id).get("children")

    def is_cached(self, task_id: str) -> bool:
        """Whether the meta of a task is kept here."""
        return task_id in self._cache

    def reload_task_result(self, task_id: str) -> None:
        """Read it again, and keep it."""
        self._keep(task_id, self.get_task_meta(task_id, cache=False))

    def task_result_exists(self, task_id: str) -> bool:
        """Whether anything is stored for a task."""
        return bool(self._get_task_meta_for(task_id).get("status") != states.PENDING)

    def _keep(self, key: str, value: Any) -> None:
        self._cache[key] = value
        most = self.max_cached_results or 0
        while 0 < most < len(self._cache):
            del self._cache[next(iter(self._cache))]

    # -- groups ----------------------------------------------------------------------------------

    def save_group(self, group_id: str, result: Any) -> Any:
        """Keep the ids of a group."""
        return self._save_group(group_id, result)

    def get_group_meta(self, group_id: str, cache: bool = True) -> Any:
        """Read what is stored for a group."""
        if cache and group_id in self._cache:
            return self._cache[group_id]
        meta = self._restore_group(group_id)
        if cache and self.max_cached_results != -1 and meta is not None:
            self._keep(group_id, meta)
        return meta

    def restore_group(self, group_id: str, cache: bool = True) -> Any:
        """Return a saved group; None where there is none."""
        meta = self.get_group_meta(group_id, cache=cache)
        return meta["result"] if meta else None

    def reload_group_result(self, group_id: str) -> None:
        """Read it again, and keep it."""
        self._keep(group_id, self.get_group_meta(group_id, cache=False))

    def delete_group(self, group_id: str) -> Any:
        """Forget a saved group; its members stay."""
        self._cache.pop(group_id, None)
        return self._delete_group(group_id)

    # -- to be overridden ------------------------------------------------------------------------

    def _store_result(
        self,
        task_id: str,
        result: Any,
        state: str,
        traceback: str | None = None,
        request: Any = None,
        **kwargs: Any,
    ) -> Any:
        raise NotImplementedError(f"{type(self).__name__} has no _store_result")

    def _get_task_meta_for(self, task_id: str) -> dict[str, Any]:
        raise NotImplementedError(f"{type(self).__name__} has no _get_task_meta_for")

    def _forget(self, task_id: str) -> Any:
        raise NotImplementedError("backend does not implement forget.")

    def _save_group(self, group_id: str, result: Any) -> Any:
        raise NotImplementedError(f"{type(self).__name__} has no _save_group")

    def _restore_group(self, group_id: str) -> Any:
        raise NotImplementedError(f"{type(self).__name__} has no _restore_group")

    def _delete_group(self, group_id: str) -> Any:
        raise NotImplementedError(f"{type(self).__name__} has no _delete_group")

    def cleanup(self) -> None:
        """Delete what is too old; told once a day by ``celery.backend_cleanup``."""

    def process_cleanup(self) -> None:
        """Let go of what one task needed."""

    # -- trying again ----------------------------------------------------------------------------

    def exception_safe_to_retry(self, exc: BaseException) -> bool:  # noqa: ARG002 - to be overridden
        """Whether what was raised is worth another try, under ``result_backend_always_retry``."""
        return False

    def on_backend_retryable_error(self, exc: BaseException) -> None:
        """Called before another try."""

    def _ensure_retryable(
        self,
        func: Callable[..., Any],
        *args: Any,
        fallback_exc: type[Exception] | None = None,
        fallback_msg: str | None = None,
        max_retries: float | None = None,
        task_id_of_error: str | None = None,
        **kwargs: Any,
    ) -> Any:
        """Call; again for as long as that is worth it, and was asked for."""
        most = self.max_retries if max_retries is None else max_retries
        attempt = 0
        while True:
            try:
                return func(*args, **kwargs)
            except (DecodeError, ContentDisallowed, EncodeError):
                raise
            except Exception as error:
                if not self.always_retry or not self.exception_safe_to_retry(error):
                    raise
                if attempt >= most:
                    if fallback_exc is None:
                        raise
                    raise fallback_exc(fallback_msg, task_id=task_id_of_error) from error  # type: ignore[call-arg]  # both kinds take it
                self.on_backend_retryable_error(error)
                self._sleep(self._pause_s(attempt))
                attempt += 1

    def _pause_s(self, attempt: int) -> float:
        base: int = self.base_sleep_between_retries_ms
        longest: int = self.max_sleep_between_retries_ms
        pause_s: float = min(base * 2 ** min(attempt, 30), longest) / 1000
        return pause_s

    def _sleep(self, amount: float) -> None:
        time.sleep(amount)  # noqa: TID251 - Celery's hook, which classes override


class BaseBackend(Backend, SyncBackendMixin):
    """``celery.backends.base.BaseBackend``: who waits asks again and again."""


BaseDictBackend = BaseBackend
