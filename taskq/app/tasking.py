"""The second layer of an app: its tasks, and how functions become tasks."""

from __future__ import annotations

import functools
import inspect
import threading
import warnings
from collections.abc import Callable, Coroutine, Iterable, Mapping
from types import ModuleType
from typing import Any, Concatenate, Literal, ParamSpec, Protocol, TypeVar, overload
from weakref import WeakKeyDictionary

from taskq import current, signals
from taskq.app import annotations as annotating
from taskq.app import discovery
from taskq.app.autoretry import add_autoretry_behaviour
from taskq.app.configuring import Configured
from taskq.app.naming import gen_task_name
from taskq.app.pydantic_tasks import with_validation
from taskq.app.registry import LazyTask, TaskRegistry, maybe_evaluate
from taskq.app.task import Task
from taskq.app.type_check import header_of
from taskq.errors import DuplicateTaskNameWarning

__all__ = ["Decorator", "Tasking", "shared_task"]

P = ParamSpec("P")
R = TypeVar("R")

# What each app shares with the others; forgotten with the app.
_shared: WeakKeyDictionary[Any, list[tuple[Callable[..., Any], dict[str, Any]]]] = (
    WeakKeyDictionary()
)
_shared_lock = threading.Lock()


class Decorator(Protocol):
    """What ``app.task(...)`` returns when it is given options."""

    @overload
    def __call__(self, fun: Callable[P, Coroutine[Any, Any, R]], /) -> Task[P, R]: ...
    @overload
    def __call__(self, fun: Callable[P, R], /) -> Task[P, R]: ...


class BoundDecorator(Protocol):
    """The same with ``bind=True``: the first parameter is the task, and is not sent.

    To mypy with ``--extra-checks`` a function with ``**kwargs`` fits only if it is written
    ``def fun(self, /, **kwargs)``, since else one of them might be called ``self``.
    """

    @overload
    def __call__(
        self, fun: Callable[Concatenate[Any, P], Coroutine[Any, Any, R]], /
    ) -> Task[P, R]: ...
    @overload
    def __call__(self, fun: Callable[Concatenate[Any, P], R], /) -> Task[P, R]: ...


class Tasking(Configured):
    """An app's registry, and the ways into it."""

    registry_cls: type[TaskRegistry] = TaskRegistry
    task_cls: Any = "taskq.app.task:Task"

    def __init__(
        self,
        tasks: Any = None,
        autofinalize: bool = True,
        strict_typing: bool = True,
        **configuration: Any,
    ) -> None:
        super().__init__(**configuration)
        self.finalized = False
        self.autofinalize = autofinalize
        self.strict_typing = strict_typing
        self._finalize_mutex = threading.RLock()
        self._pending: list[LazyTask] = []
        self._base: type[Task[..., Any]] | None = None
        self._annotations: tuple[int, list[Any]] | None = None
        if isinstance(tasks, TaskRegistry):
            self._tasks = tasks
        else:
            self._tasks = self.registry_cls(tasks or {})
        self.on_after_finalize = signals.Signal(name="app.on_after_finalize")

    # -- the registry -----------------------------------------------------------------------------

    @property
    def tasks(self) -> TaskRegistry:
        """All tasks by name; the first look at it makes what was only promised."""
        if not self.finalized:
            self.finalize(auto=True)
        return self._tasks

    def finalize(self, auto: bool = False) -> None:
        """Make all tasks that were decorated, and take in those that other apps share."""
        with self._finalize_mutex:
            if self.finalized:
                return
            if auto and not self.autofinalize:
                raise RuntimeError(
                    f"{self!r} is not finalized, and autofinalize is off; call app.finalize()"
                )
            self.finalized = True
            # Its own tasks first: what another app shares does not take the name of one of them.
            while self._pending:
                maybe_evaluate(self._pending.pop(0))
            current.announce_app_finalized(self)
            self._take_shared()
            for task in list(self._tasks.values()):
                task.bind(self)
            self.on_after_finalize.send(sender=self)

    def _take_shared(self) -> None:
        with _shared_lock:
            offered = [each for app, tasks in _shared.items() if app is not self for each in tasks]
        for fun, options in offered:
            name = options.get("name") or self.gen_task_name(fun.__name__, fun.__module__)
            if name not in self._tasks:
                self._task_from_fun(fun, **{**options, "name": name})

    def _stop_sharing(self) -> None:
        with _shared_lock:
            _shared.pop(self, None)

    def gen_task_name(self, name: str, module: str | None) -> str:
        """Return the name of a task for its function's name and module; may be overridden."""
        return gen_task_name(self.main, name, module)

    # -- functions become tasks -------------------------------------------------------------------

    @overload
    def task(self, fun: Callable[P, Coroutine[Any, Any, R]], /) -> Task[P, R]: ...
    @overload
    def task(self, fun: Callable[P, R], /) -> Task[P, R]: ...
    @overload
    def task(self, *, bind: Literal[True], **opts: Any) -> BoundDecorator: ...
    @overload
    def task(self, *, bind: Literal[False] = False, **opts: Any) -> Decorator: ...
    def task(self, *args: Any, **opts: Any) -> Any:
        """Make a task of a function; a decorator, with and without options."""
        if not args:
            return lambda fun: self._decorate(fun, **opts)
        if len(args) > 1:
            raise TypeError(f"@task() takes exactly 1 argument ({len(args)} given)")
        if not callable(args[0]):
            raise TypeError(f"argument 1 to @task() must be a callable, not {args[0]!r}")
        return self._decorate(args[0], **opts)

    def _decorate(
        self,
        fun: Callable[..., Any],
        *,
        shared: bool = True,
        filter: Callable[[Any], Any] | None = None,  # noqa: A002 - Celery's name
        lazy: bool = True,
        **options: Any,
    ) -> Any:
        if shared:
            with _shared_lock:
                _shared.setdefault(self, []).append((fun, options))
        if lazy and not self.finalized:
            task: Any = LazyTask(lambda: self._task_from_fun(fun, **options))
            self._pending.append(task)
        else:
            task = self._task_from_fun(fun, **options)
        return task if filter is None else filter(task)

    def _task_from_fun(
        self,
        fun: Callable[..., Any],
        name: str | None = None,
        base: type[Task[..., Any]] | None = None,
        bind: bool = False,
        **options: Any,
    ) -> Task[..., Any]:
        """Make a class of its own for a function, with one instance, and register it."""
        if not self.finalized and not self.autofinalize:
            raise RuntimeError(
                f"{self!r} is not finalized, and autofinalize is off; call app.finalize()"
            )
        with self._finalize_mutex:
            name = name or self.gen_task_name(fun.__name__, fun.__module__)
            if name in self._tasks:
                return self._known_task(name, fun)
            base = maybe_evaluate(base) or self.Task
            run = with_validation(self, fun, name, bind, options)
            made = type(
                fun.__name__,
                (base,),
                {
                    "app": self,
                    "name": name,
                    "run": run if bind else staticmethod(run),
                    "_decorated": True,
                    "__doc__": fun.__doc__,
                    "__module__": fun.__module__,
                    "__annotations__": fun.__annotations__
                    if hasattr(fun, "__annotations__")
                    else {},
                    "__header__": staticmethod(self.type_checker(fun, bound=bind)),
                    "__wrapped__": run,
                    "__qualname__": getattr(fun, "__qualname__", fun.__name__),
                    **options,
                },
            )()
            task: Task[..., Any] = made
            self._tasks[name] = task
            task.bind(self)
            add_autoretry_behaviour(task, **options)
            return task

    def _known_task(self, name: str, fun: Callable[..., Any]) -> Task[..., Any]:
        known: Task[..., Any] = self._tasks[name]
        if not _same_function(known, fun):
            warnings.warn(
                f"{self!r} has a task called {name!r} already, from {_place_of(known)}; "
                f"{_place_of(fun)} is passed over; give one of them another name=",
                DuplicateTaskNameWarning,
                stacklevel=4,
            )
        return known

    def type_checker(self, fun: Callable[..., Any], bound: bool = False) -> Callable[..., object]:
        """Return a function that takes what the task takes, and does nothing."""
        return header_of(fun, bound)

    def register_task(self, task: Any, **options: Any) -> Any:
        """Take in an instance (or the class) of a task class that was written by hand."""
        task = task() if inspect.isclass(task) else task
        if not task.name:
            task.name = self.gen_task_name(type(task).__name__, type(task).__module__)
        add_autoretry_behaviour(task, **options)
        self._tasks[task.name] = task
        task.bind(self)
        return task

    @property
    def Task(self) -> type[Task[..., Any]]:  # noqa: N802 - Celery's name
        """The class that tasks of this app derive from."""
        if self._base is None:
            self._base = self.create_task_cls()
        return self._base

    @Task.setter
    def Task(self, value: type[Task[..., Any]]) -> None:  # noqa: N802 - Celery's name
        self._base = value

    def create_task_cls(self) -> type[Any]:
        """Derive the app's own base class from ``task_cls``."""
        return self.subclass_with_self(
            self.task_cls, name="Task", attribute="_app", keep_reduce=True, abstract=True
        )

    def subclass_with_self(
        self,
        Class: Any,  # noqa: N803 - Celery's name
        name: str | None = None,
        attribute: str = "app",
        reverse: str | None = None,  # noqa: ARG002 - what pickles these names them otherwise
        keep_reduce: bool = False,  # noqa: ARG002 - the class decides on its own pickling
        **kw: Any,
    ) -> type[Any]:
        """Derive from a class (or from the path of one) a class that knows this app."""
        base = discovery.symbol(Class)
        attributes = {
            attribute: self,
            "__module__": base.__module__,
            "__doc__": base.__doc__,
            **kw,
        }
        return type(name or base.__name__, (base,), attributes)

    @property
    def annotations(self) -> list[Any]:
        """``task_annotations``, prepared."""
        if self._annotations is None or self._annotations[0] != self.conf.version:
            prepared = annotating.prepare(self.conf.task_annotations)
            self._annotations = (self.conf.version, prepared)
        return self._annotations[1]

    # -- modules with tasks -----------------------------------------------------------------------

    def autodiscover_tasks(
        self,
        packages: Iterable[str] | Callable[[], Iterable[str]] | None = None,
        related_name: str | None = "tasks",
        force: bool = False,
    ) -> list[ModuleType] | None:
        """Import ``package.tasks`` of each package, when the worker wants its modules, or now."""
        named = self.packages_of_fixups if packages is None else packages
        if force:
            return discovery.autodiscover(named, related_name)

        def later(**_named: Any) -> None:
            discovery.autodiscover(named, related_name)

        signals.import_modules.connect(later, sender=self, weak=False)
        return None

    def packages_of_fixups(self) -> list[str]:
        """Name the packages in which tasks are looked for where none are named."""
        return []

    def import_default_modules(self) -> list[ModuleType]:
        """Import what ``imports`` and ``include`` name, and what is to be discovered."""
        answers = signals.import_modules.send(sender=self)
        for _receiver, answer in answers:
            if isinstance(answer, Exception):
                raise answer
        return discovery.import_modules_of(self)


def _same_function(task: Any, fun: Callable[..., Any]) -> bool:
    """Whether a task was made of this function, or of an earlier import of it."""
    known = inspect.unwrap(getattr(task, "__wrapped__", task))
    if known is fun:
        return True
    one, other = getattr(known, "__code__", None), getattr(fun, "__code__", None)
    if one is None or other is None:
        return False
    return (one.co_filename, one.co_firstlineno) == (other.co_filename, other.co_firstlineno)


def _place_of(thing: Any) -> str:
    fun = inspect.unwrap(getattr(thing, "__wrapped__", thing))
    code = getattr(fun, "__code__", None)
    return f"{code.co_filename}:{code.co_firstlineno}" if code else repr(fun)


@overload
def shared_task(fun: Callable[P, Coroutine[Any, Any, R]], /) -> Task[P, R]: ...
@overload
def shared_task(fun: Callable[P, R], /) -> Task[P, R]: ...
@overload
def shared_task(*, bind: Literal[True], **options: Any) -> BoundDecorator: ...
@overload
def shared_task(*, bind: Literal[False] = False, **options: Any) -> Decorator: ...
def shared_task(*args: Any, **kwargs: Any) -> Any:
    """Make a task of a function on every app of the process; calls go to the current one."""

    def decorate(fun: Callable[..., Any]) -> Any:
        return _share(fun, dict(kwargs))

    if len(args) == 1 and callable(args[0]):
        return decorate(args[0])
    if args:
        raise TypeError(f"@shared_task takes a function or options, not {args!r}")
    return decorate


def _share(fun: Callable[..., Any], options: Mapping[str, Any]) -> Any:
    given = {key: value for key, value in options.items() if key not in ("shared", "lazy")}

    @functools.wraps(fun)
    def make(app: Any) -> Any:
        return app._task_from_fun(fun, **given)  # noqa: SLF001 - this module's own class

    # A name that is given keeps two definitions apart; else the function does.
    current.connect_on_app_finalize(make)
    for app in list(current.active_apps):
        if app.finalized:
            make(app)

    def find() -> Any:
        app = current.get_current_app()
        name = given.get("name") or app.gen_task_name(fun.__name__, fun.__module__)
        return app.tasks[name]

    return current.Proxy(find)
