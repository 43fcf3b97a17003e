"""The current app, the current task, and the ports of the place where the code runs.

Context variables typed by protocols: ``canvas`` and user code reach the app without importing it.
A context variable is right in threads, greenlets and asyncio tasks alike.  In a simulation each
node runs in its own context, so one app in one process can stand on the ports of many nodes.
"""

from __future__ import annotations

import copy
import inspect
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from typing import Any, Final, Protocol
from weakref import WeakSet

from taskq.errors import ImproperlyConfigured
from taskq.ports import Ports


class TaskLike(Protocol):
    """What a canvas needs to know of a task."""

    name: str

    def apply_async(self, args: Any = None, kwargs: Any = None, **options: Any) -> Any:
        """Send it; returns a result."""

    def apply(self, args: Any = None, kwargs: Any = None, **options: Any) -> Any:
        """Run it here; returns an eager result."""


class AppLike(Protocol):
    """What a canvas needs to know of an app."""

    main: str | None

    @property
    def conf(self) -> Any:
        """The settings, by attribute."""

    @property
    def tasks(self) -> Mapping[str, Any]:
        """Name to task."""

    @property
    def router(self) -> Any:
        """Where tasks are sent."""

    @property
    def thread_oid(self) -> str:
        """The reply queue of this thread."""

    @property
    def ports(self) -> Ports:
        """What the app stands on, here."""

    def new_id(self) -> str:
        """Return a new id for a task or a group."""

    def send_task(self, name: str, args: Any = None, kwargs: Any = None, **options: Any) -> Any:
        """Send by name; returns a result."""

    @property
    def runs_here(self) -> bool:
        """Whether what is sent now runs in this process."""

    def run_here(self, send: Callable[[], Any], throw: bool | None = None) -> Any:
        """Run in this process what is sent inside of ``send``; returns handles that are ready."""

    def together(self) -> AbstractContextManager[None]:
        """Publish what is sent inside in one go."""

    def AsyncResult(self, task_id: str, **kwargs: Any) -> Any:  # noqa: N802 - Celery's name
        """Return a handle of one result."""

    def GroupResult(  # noqa: N802 - Celery's name
        self, group_id: str, results: Iterable[Any], parent: Any = None
    ) -> Any:
        """Return a handle of a group's results."""


# Set by a driver that runs several nodes in one process; production leaves it unset.
ports_here: Final[ContextVar[Callable[[AppLike], Ports] | None]] = ContextVar(
    "taskq_ports_here", default=None
)


# -- which app -----------------------------------------------------------------------------------
#
# Celery keeps the current app in a thread-local, so that a new thread falls back to an unconfigured
# default app.  Here the app that was made current last anywhere in the process is the fallback.

_lock: Final = threading.RLock()
_app_here: Final[ContextVar[AppLike | None]] = ContextVar("taskq_app_here", default=None)


class _Process:
    """What all threads share."""

    current: AppLike | None = None
    default: AppLike | None = None
    make_default: Callable[[], AppLike] | None = None
    on_guess: Callable[[AppLike, bool], object] | None = None


active_apps: Final[WeakSet[Any]] = WeakSet()


def set_current_app(app: AppLike) -> None:
    """Make it the current app of this context, and the fallback of all others."""
    _app_here.set(app)
    _Process.current = app


def set_default_app(app: AppLike | None) -> None:
    """Make it the app of every context that has none of its own."""
    _Process.default = app


def set_default_factory(make: Callable[[], AppLike]) -> None:
    """Say how to make an app for a process that never made one."""
    _Process.make_default = make


def forget_app(app: AppLike) -> None:
    """Let go of a closed app, wherever it stands."""
    active_apps.discard(app)
    if _app_here.get() is app:
        _app_here.set(None)
    if _Process.current is app:
        _Process.current = None
    if _Process.default is app:
        _Process.default = None


def get_current_app() -> Any:
    """Return the app of this context, else the default, else the last one, else make one."""
    return _app_here.get() or _Process.default or _Process.current or _make_default_app()


def _make_default_app() -> AppLike:
    with _lock:
        if _Process.default is None:
            if _Process.make_default is None:
                raise ImproperlyConfigured(
                    "there is no current app; make one with `taskq.TaskQ(...)` first"
                )
            _Process.default = _Process.make_default()
        return _Process.default


def is_known(app: Any) -> bool:
    """Whether it is the current app, the default, or the one that was made current last."""
    return any(each is app for each in (_app_here.get(), _Process.current, _Process.default))


def app_or_default(app: Any = None) -> Any:
    """Return what was given, else the current app."""
    if app is not None:
        return app
    found = get_current_app()
    if _Process.on_guess is not None:
        _Process.on_guess(found, found is _app_here.get() or found is _Process.current)
    return found


def watch_guesses(tell: Callable[[AppLike, bool], object] | None) -> None:
    """Call this whenever no app was given where one could have been; None: no longer.

    It is told which app was taken, and whether somebody had made that one current.
    """
    _Process.on_guess = tell


# -- which task ----------------------------------------------------------------------------------


class Frame:
    """One task, or one request of it, on the stack of what runs in this context."""

    __slots__ = ("below", "request", "running", "task")

    def __init__(self, task: Any, request: Any, below: Frame | None, running: bool = True) -> None:
        self.task, self.request, self.below, self.running = task, request, below, running


# A linked list, so that entering and leaving is one set and one reset, also on a copied context.
frames: Final[ContextVar[Frame | None]] = ContextVar("taskq_frames", default=None)


def frame_of(task: Any) -> Frame | None:
    """Return the uppermost frame of one task."""
    frame = frames.get()
    while frame is not None and (frame.task is not task or frame.request is None):
        frame = frame.below
    return frame


def push_request(task: Any, request: Any) -> None:
    """Give a task a request, without saying that it runs."""
    frames.set(Frame(task, request, frames.get(), running=False))


def pop_request(task: Any) -> Any:
    """Take back the uppermost request of a task, and return it; None where there is none."""
    passed: list[Frame] = []
    frame = frames.get()
    while frame is not None and (frame.task is not task or frame.request is None):
        passed.append(frame)
        frame = frame.below
    if frame is None:
        return None
    below = frame.below
    for above in reversed(passed):
        below = Frame(above.task, above.request, below, above.running)
    frames.set(below)
    return frame.request


def push_current_task(task: Any) -> None:
    """Say that a task runs, without giving it a request."""
    frames.set(Frame(task, None, frames.get()))


def pop_current_task() -> Any:
    """Take the uppermost task that was pushed without a request."""
    frame = frames.get()
    if frame is None:
        return None
    frames.set(frame.below)
    return frame.task


def get_current_task() -> Any:
    """Return the task whose body runs here; None outside of all."""
    frame = frames.get()
    while frame is not None and not frame.running:
        frame = frame.below
    return None if frame is None else frame.task


def get_current_worker_task() -> Any:
    """Return the task that a worker runs here, looking through tasks that it calls directly."""
    frame = frames.get()
    while frame is not None:
        if frame.running and frame.request is not None and not frame.request.called_directly:
            return frame.task
        frame = frame.below
    return None


# -- may a task wait for another -----------------------------------------------------------------

join_blocks: Final[ContextVar[bool]] = ContextVar("taskq_join_blocks", default=False)


def task_join_will_block() -> bool:
    """Whether waiting for a result here would hold a slot of a worker."""
    return join_blocks.get()


# -- what happens when an app is finalized -------------------------------------------------------

_on_finalize: Final[list[Callable[[Any], object]]] = []


def connect_on_app_finalize(callback: Callable[[Any], object]) -> Callable[[Any], object]:
    """Call this for each app when it is finalized."""
    with _lock:
        if callback not in _on_finalize:
            _on_finalize.append(callback)
    return callback


def announce_app_finalized(app: Any) -> None:
    """Call what ``connect_on_app_finalize`` has collected."""
    with _lock:
        callbacks = list(_on_finalize)
    for callback in callbacks:
        callback(app)


@contextmanager
def kept() -> Iterator[None]:
    """Put back, at the end of the block, who is current and default, and what finalizing calls.

    What modules offer that were imported meanwhile stays: they are not imported again.
    """
    here, last, default = _app_here.get(), _Process.current, _Process.default
    with _lock:
        before = list(_on_finalize)
    try:
        yield
    finally:
        _app_here.set(here)
        _Process.current, _Process.default = last, default
        with _lock:
            _on_finalize[:] = [
                each for each in _on_finalize if each in before or not _is_local(each)
            ]


def _is_local(callback: Callable[[Any], object]) -> bool:
    """Whether it was defined inside of a function, so that nobody else can mean it."""
    return "<locals>" in getattr(inspect.unwrap(callback), "__qualname__", "")


# -- proxies -------------------------------------------------------------------------------------


class Proxy:
    """Stands for the object that a function returns at the moment of use."""

    __slots__ = ("_find",)

    def __init__(self, find: Callable[[], Any]) -> None:
        object.__setattr__(self, "_find", find)

    def _get_current_object(self) -> Any:
        """Return the real object."""
        return object.__getattribute__(self, "_find")()

    @property  # type: ignore[misc]  # the class is that of the object, so that isinstance works
    def __class__(self) -> Any:
        return self._get_current_object().__class__

    @property
    def __doc__(self) -> str | None:  # type: ignore[override]  # asked of the object
        found: str | None = self._get_current_object().__doc__
        return found

    def __getattr__(self, name: str) -> Any:
        return getattr(self._get_current_object(), name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._get_current_object(), name, value)

    def __delattr__(self, name: str) -> None:
        delattr(self._get_current_object(), name)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the object."""
        return self._get_current_object()(*args, **kwargs)

    def __repr__(self) -> str:
        return repr(self._get_current_object())

    def __str__(self) -> str:
        return str(self._get_current_object())

    def __dir__(self) -> list[str]:
        return dir(self._get_current_object())

    def __bool__(self) -> bool:
        return bool(self._get_current_object())

    def __eq__(self, other: object) -> bool:
        return bool(self._get_current_object() == other)

    def __hash__(self) -> int:
        return hash(self._get_current_object())

    def __or__(self, other: Any) -> Any:
        return self._get_current_object() | other

    def __contains__(self, item: Any) -> bool:
        return item in self._get_current_object()

    def __getitem__(self, key: Any) -> Any:
        return self._get_current_object()[key]

    def __iter__(self) -> Any:
        return iter(self._get_current_object())

    def __len__(self) -> int:
        return len(self._get_current_object())

    def __enter__(self) -> Any:
        return self._get_current_object().__enter__()

    def __exit__(self, *exc_info: object) -> Any:
        return self._get_current_object().__exit__(*exc_info)

    def __reduce__(self) -> Any:
        return self._get_current_object().__reduce__()

    def __copy__(self) -> Any:
        return copy.copy(self._get_current_object())

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        return copy.deepcopy(self._get_current_object(), memo)


current_app: Any = Proxy(get_current_app)
current_task: Any = Proxy(get_current_task)
