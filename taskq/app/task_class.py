# ruff: noqa: PLR0917 - the parameters are Celery's, and so is their order
"""What the class of a task says: its options, and what a subclass may do at each turn.

``Task`` inherits it.  Options that are None are filled in from the settings when the class begins
to belong to an app; ``task_annotations`` may change all of it.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, ClassVar

from taskq import current
from taskq.app import annotations as annotating

__all__ = ["TaskClass"]


class _AppOfClass:
    """``Task.app``: that of the class, else the current one; on the class and on its instances."""

    def __get__(self, instance: object, owner: type[Any]) -> Any:
        return owner._app or current.get_current_app()  # noqa: SLF001 - its own attribute


class TaskClass:
    """The attributes of a task."""

    # -- options ----------------------------------------------------------------------------------

    name: str | None = None
    typing: bool | None = None
    max_retries: int | None = 3
    default_retry_delay: float = 180
    rate_limit: str | float | None = None
    ignore_result: bool | None = None
    trail: bool = True
    send_events: bool = True
    store_errors_even_if_ignored: bool | None = None
    store_eager_result: bool | None = None
    serializer: str | None = None
    compression: str | None = None
    time_limit: float | None = None
    soft_time_limit: float | None = None
    autoregister: bool = True
    track_started: bool | None = None
    acks_late: bool | None = None
    acks_on_failure_or_timeout: bool | None = None
    acks_on_failure: bool | None = None
    acks_on_timeout: bool | None = None
    reject_on_worker_lost: bool | None = None
    retry_on_worker_lost: bool | None = None
    throws: tuple[type[BaseException], ...] = ()
    expires: Any = None
    priority: int | None = None
    resultrepr_maxsize: int = 1024
    abstract: bool = True
    override_max_retries: int | None = None
    queue: Any = None
    exchange: Any = None
    exchange_type: str | None = None
    routing_key: str | None = None
    delivery_mode: int | str | None = None
    immediate: bool | None = None
    mandatory: bool | None = None

    # The worker looks these up; they stay paths, so that a client does not load a worker.
    Strategy: str = "taskq.worker.strategy:default"
    Request: Any = "taskq.worker.request:Request"

    # Attributes that come from a setting where the class says None.
    from_config: ClassVar[tuple[tuple[str, str], ...]] = (
        ("serializer", "task_serializer"),
        ("rate_limit", "task_default_rate_limit"),
        ("priority", "task_default_priority"),
        ("time_limit", "task_time_limit"),
        ("soft_time_limit", "task_soft_time_limit"),
        ("track_started", "task_track_started"),
        ("acks_late", "task_acks_late"),
        ("acks_on_failure_or_timeout", "task_acks_on_failure_or_timeout"),
        ("acks_on_failure", "task_acks_on_failure"),
        ("acks_on_timeout", "task_acks_on_timeout"),
        ("reject_on_worker_lost", "task_reject_on_worker_lost"),
        ("retry_on_worker_lost", "task_retry_on_worker_lost"),
        ("ignore_result", "task_ignore_result"),
        ("store_eager_result", "task_store_eager_result"),
        ("store_errors_even_if_ignored", "task_store_errors_even_if_ignored"),
    )

    _app: ClassVar[Any] = None
    _backend: Any = None
    __bound__: ClassVar[bool] = False
    __header__: Any = None
    app = _AppOfClass()

    # -- belonging to an app ----------------------------------------------------------------------

    @classmethod
    def _get_app(cls) -> Any:
        """Return ``app``, by the name that subclasses of other packages know."""
        return cls.app

    @classmethod
    def bind(cls, app: Any) -> Any:
        """Belong to an app: take its settings where the class says nothing."""
        was_bound, cls.__bound__ = cls.__bound__, True
        cls.app = cls._app = app
        for attribute, setting in cls.from_config:
            if getattr(cls, attribute, None) is None:
                setattr(cls, attribute, app.conf[setting])
        if cls.typing is None:
            cls.typing = app.strict_typing
        if not was_bound:
            cls.annotate()
        cls.on_bound(app)
        return app

    @classmethod
    def on_bound(cls, app: Any) -> None:
        """Do something when the class begins to belong to an app; for subclasses."""

    @classmethod
    def annotate(cls) -> None:
        """Set what ``task_annotations`` says."""
        for found in annotating.resolve_all(cls.app.annotations, cls):
            for key, value in found.items():
                if key.startswith("@"):
                    cls.add_around(key[1:], value)
                else:
                    setattr(cls, key, value)

    @classmethod
    def add_around(cls, attr: str, around: Callable[..., Any]) -> None:
        """Wrap a method: ``around`` gets it, and returns what takes its place."""
        original = getattr(cls, attr)
        wrapped = around(original)
        wrapped.__wrapped__ = original
        is_static = isinstance(inspect.getattr_static(cls, attr), staticmethod)
        setattr(cls, attr, staticmethod(wrapped) if is_static else wrapped)

    # -- what a subclass may want to know ---------------------------------------------------------

    def before_start(self, task_id: str, args: Any, kwargs: Any) -> None:
        """Called before the body."""

    def on_success(self, retval: Any, task_id: str, args: Any, kwargs: Any) -> None:
        """Called when the body returned."""

    def on_retry(
        self, exc: BaseException, task_id: str, args: Any, kwargs: Any, einfo: Any
    ) -> None:
        """Called when the task is to be retried."""

    def on_failure(
        self, exc: BaseException, task_id: str, args: Any, kwargs: Any, einfo: Any
    ) -> None:
        """Called when the body failed."""

    def after_return(
        self, status: str, retval: Any, task_id: str, args: Any, kwargs: Any, einfo: Any
    ) -> None:
        """Called after the body, however it ended."""
