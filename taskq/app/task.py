# ruff: noqa: PLR0917 - the parameters are Celery's, and so is their order
"""What a user's task can do: be sent, be run here, be retried, be replaced.

A function becomes a task by ``app.task`` (``tasking.py``): a class of its own derived from this
one, with one instance.  A class may also be written by hand and given as ``base=`` or registered.

Not owned here: what its class says (``task_class.py``), how a call becomes a message
(``sending.py``), how a body is run (``run_task.py``), what a retry is (``retrying.py``), what a
replacement is (``replacing.py``).
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Generic, ParamSpec, TypeVar, overload

from taskq import current
from taskq.app import replacing, retrying
from taskq.app.context import Context
from taskq.app.discovery import symbol
from taskq.app.eager.place import store_state
from taskq.app.eager_result import EagerResult
from taskq.app.events import event_message
from taskq.app.request_stack import RequestStack
from taskq.app.result import AsyncResult
from taskq.app.sending_options import EXEC_OPTIONS
from taskq.app.task_class import TaskClass
from taskq.canvas.primitives import chunks, xmap, xstarmap
from taskq.canvas.signature import Signature, signature
from taskq.errors import MaxRetriesExceededError, OperationalError

if TYPE_CHECKING:
    from taskq.app.backend import Backend

__all__ = ["Task"]

P = ParamSpec("P")
R = TypeVar("R")


class Task(TaskClass, Generic[P, R]):
    """A unit of work that can be run by a worker; its options are those of ``@app.task``."""

    MaxRetriesExceededError = MaxRetriesExceededError
    OperationalError = OperationalError

    # -- running ----------------------------------------------------------------------------------

    def run(self, *_args: Any, **_kwargs: Any) -> Any:
        """Do the work; a task that is written as a class defines this."""
        raise NotImplementedError(f"task {self.name!r} has no run(); define it")

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run the body here and now: no message, no result, no retry."""
        frame = current.frames.get()
        if frame is not None and frame.task is self and self._runs_protected(frame.request):
            return self.run(*args, **kwargs)  # type: ignore[no-any-return]  # run is any function
        request = Context(args=args, kwargs=kwargs)
        if self.is_async:
            return self._run_awaited(request, args, kwargs)  # type: ignore[return-value]  # its caller awaits R
        token = current.frames.set(current.Frame(self, request, current.frames.get()))
        try:
            result: R = self.run(*args, **kwargs)
        finally:
            current.frames.reset(token)
        return result

    @staticmethod
    def _runs_protected(request: Any) -> bool:
        """Whether a worker is calling us through an own ``__call__``: once, with its request."""
        if request is None or request.called_directly or request._protected != 0:  # noqa: SLF001 - see run_task.enter
            return False
        request._protected = 1  # noqa: SLF001 - see run_task.enter
        return True

    async def _run_awaited(self, request: Context, args: Any, kwargs: Any) -> Any:
        token = current.frames.set(current.Frame(self, request, current.frames.get()))
        try:
            return await self.run(*args, **kwargs)
        finally:
            current.frames.reset(token)

    @property
    def takes_failure(self) -> bool:
        """Whether, as an errback, it takes request, exception and traceback: more than an id."""
        parameters = inspect.signature(self.__header__ or self.run).parameters.values()
        positional = [
            each
            for each in parameters
            if each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD)
        ]
        return len(positional) > 1 or any(each.kind is each.VAR_POSITIONAL for each in parameters)

    @property
    def is_async(self) -> bool:
        """Whether the body is a coroutine function."""
        return inspect.iscoroutinefunction(inspect.unwrap(self.run))

    # -- sending ----------------------------------------------------------------------------------

    def delay(self, *args: P.args, **kwargs: P.kwargs) -> AsyncResult[R]:
        """Send the task with these arguments."""
        return self.apply_async(args, kwargs)

    def apply_async(
        self,
        args: Sequence[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        task_id: str | None = None,
        producer: Any = None,
        link: Any = None,
        link_error: Any = None,
        shadow: str | None = None,
        **options: Any,
    ) -> AsyncResult[R]:
        """Send the task.

        ``options``: countdown, eta, expires, queue, exchange, routing_key, priority, serializer,
        compression, headers, retry, retry_policy, time_limit, soft_time_limit, ignore_result ...
        """
        if self.typing and self.__header__ is not None:
            self._check_arguments(args, kwargs)
        app = self.app
        shadow = shadow or self.shadow_name(args, kwargs, options)
        options = {**self._get_exec_options(), **options}
        if options.get("ignore_result") is None:
            options["ignore_result"] = bool(self.ignore_result)
        options.update(task_id=task_id, producer=producer, link=link, link_error=link_error)
        options["shadow"] = shadow
        result: AsyncResult[R]
        if app.runs_here:
            result = app.run_here(lambda: app.send_call(self.name, args, kwargs, options, self))
        else:
            result = app.send_call(self.name, args, kwargs, options, self)
        return result

    def _check_arguments(self, args: Any, kwargs: Any) -> None:
        if args is not None and not isinstance(args, list | tuple):
            raise TypeError(
                f"task {self.name!r}: args must be a list or a tuple, not {args!r}; "
                "a single argument is written (value,)"
            )
        if kwargs is not None and not isinstance(kwargs, Mapping):
            raise TypeError(f"task {self.name!r}: kwargs must be a mapping, not {kwargs!r}")
        self.__header__(*(args or ()), **(kwargs or {}))

    def _get_exec_options(self) -> dict[str, Any]:
        """Return the attributes of the task that are options of its calls."""
        found = {}
        for option in EXEC_OPTIONS:
            value = getattr(self, option)
            if value is not None:
                found[option] = value
        return found

    def shadow_name(self, args: Any, kwargs: Any, options: Any) -> str | None:  # noqa: ARG002 - for subclasses
        """Return the name under which logs and events show this call."""
        return None

    def apply(
        self,
        args: Sequence[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        link: Any = None,
        link_error: Any = None,
        task_id: str | None = None,
        retries: int = 0,
        throw: bool | None = None,
        logfile: Any = None,  # noqa: ARG002 - Celery's
        loglevel: Any = None,  # noqa: ARG002 - Celery's
        headers: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> EagerResult[R]:
        """Run the task here and now, as a worker would: through codec, request and retries."""
        options.update(link=link, link_error=link_error, task_id=task_id, retries=retries)
        options.update(headers=headers, add_to_parent=False)
        app = self.app
        result: EagerResult[R] = app.run_here(
            lambda: app.send_call(self.name, args, kwargs, options, self), throw
        )
        return result

    # -- signatures -------------------------------------------------------------------------------

    def signature(
        self, args: Sequence[Any] | None = None, *starargs: Any, **starkwargs: Any
    ) -> Signature[R]:
        """Return a signature of the task; ``args``, ``kwargs`` and options as ``apply_async``."""
        starkwargs.setdefault("app", self.app)
        return signature(self, args, *starargs, **starkwargs)

    subtask = signature

    @overload
    def s(self, *args: P.args, **kwargs: P.kwargs) -> Signature[R]: ...
    @overload
    def s(self, *args: Any, **kwargs: Any) -> Signature[R]: ...
    def s(self, *args: Any, **kwargs: Any) -> Signature[R]:
        """Return a signature with these arguments; in a canvas others come in front of them."""
        return self.signature(args, kwargs)

    def si(self, *args: P.args, **kwargs: P.kwargs) -> Signature[R]:
        """Return a signature that takes these arguments and no others."""
        return self.signature(args, kwargs, immutable=True)

    def map(self, it: Iterable[Any]) -> xmap:
        """Return a signature of one task that runs this one for each item."""
        return xmap(self.s(), it, app=self.app)

    def starmap(self, it: Iterable[Any]) -> xstarmap:
        """Return the same for items that are argument lists."""
        return xstarmap(self.s(), it, app=self.app)

    def chunks(self, it: Iterable[Any], n: int) -> chunks:
        """Return a group of tasks that each run this one for ``n`` argument lists."""
        return chunks(self.s(), it, n, app=self.app)

    def signature_from_request(
        self,
        request: Context | None = None,
        args: Any = None,
        kwargs: Any = None,
        queue: Any = None,
        **extra_options: Any,
    ) -> Signature[R]:
        """Return a signature of the call that is being carried out."""
        found: Signature[R] = retrying.signature_from_request(
            self, request, args, kwargs, queue, **extra_options
        )
        return found

    subtask_from_request = signature_from_request

    # -- while it runs ----------------------------------------------------------------------------

    @property
    def request(self) -> Any:
        """The call that is being carried out here; an empty one outside of all."""
        return self._get_request()

    def _get_request(self) -> Any:
        frame = current.frame_of(self)
        return Context() if frame is None else frame.request

    @property
    def request_stack(self) -> RequestStack:
        """All calls of this task that are being carried out here."""
        return RequestStack(self)

    def push_request(self, *args: Any, **kwargs: Any) -> None:
        """Put a request on top, of the attributes that are given."""
        current.push_request(self, Context(*args, **kwargs))

    def pop_request(self) -> Any:
        """Take the uppermost request."""
        return current.pop_request(self)

    def retry(
        self,
        args: Sequence[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        exc: BaseException | None = None,
        throw: bool = True,
        eta: Any = None,
        countdown: float | None = None,
        max_retries: int | None = None,
        **options: Any,
    ) -> Any:
        """Run again later: raises ``Retry``; when no retry is left, ``exc`` or an error of its own.

        Written ``raise self.retry(...)``, so that readers see that the body ends here.
        """
        return retrying.retry(
            self,
            args,
            kwargs,
            exc=exc,
            throw=throw,
            eta=eta,
            countdown=countdown,
            max_retries=max_retries,
            **options,
        )

    def replace(self, sig: Signature[Any]) -> Any:
        """Let a signature take the place of this task, under its id; raises ``Ignore``."""
        return replacing.replace(self, sig)

    def on_replace(self, sig: Signature[Any]) -> Any:
        """Send the replacement; for subclasses."""
        replacing.send_replacement(sig)

    def add_to_chord(self, sig: Signature[Any], lazy: bool = False) -> Any:
        """Add one more member to the chord that this task belongs to."""
        return replacing.add_to_chord(self, sig, lazy)

    def update_state(
        self, task_id: str | None = None, state: str = "", meta: Any = None, **kwargs: Any
    ) -> None:
        """Store a state of one's own, now."""
        request = self.request
        task_id = task_id or request.id
        if task_id is None:
            raise RuntimeError(
                f"task {self.name!r}: update_state outside of a running task needs a task_id"
            )
        store = partial(self.backend.store_result, task_id, meta, state, request=request, **kwargs)
        if request.is_eager:
            store_state(self.app, store, beneath=bool(self.store_eager_result))
        else:
            store()

    def send_event(
        self, type_: str, retry: bool = True, retry_policy: Any = None, **fields: Any
    ) -> None:
        """Publish an event about this call, if events are on."""
        app, request = self.app, self.request
        if not (app.conf.worker_send_task_events or app.conf.task_send_sent_event):
            return
        settings = app.send_settings
        options = settings.publish_with(retry, retry_policy)
        told = {"uuid": request.id, **fields}
        hostname = request.hostname or f"gen{app.ports.place.pid}@{app.ports.place.hostname}"
        app.ports.broker.publish([event_message(app, type_, told, hostname, options)])

    def add_trail(self, result: Any) -> Any:
        """Remember a task that was sent from here as a child."""
        if self.trail:
            self.request.children.append(result)
        return result

    @property
    def backend(self) -> Backend:
        """Where results of this task are kept."""
        found: Backend = self.app.backend if self._backend is None else self._backend
        return found

    @backend.setter
    def backend(self, value: Any) -> None:
        self._backend = value

    def AsyncResult(self, task_id: str, **kwargs: Any) -> AsyncResult[R]:  # noqa: N802 - Celery's name
        """Return a handle of one result of this task."""
        return AsyncResult(
            task_id, backend=self._backend, task_name=self.name, app=self.app, **kwargs
        )

    def start_strategy(self, app: Any, consumer: Any, **kwargs: Any) -> Any:
        """Make what handles the messages of this task in a worker that asks for a ``Strategy``."""
        return symbol(self.Strategy)(self, app, consumer, **kwargs)

    @classmethod
    def overrides(cls, name: str) -> bool:
        """Whether the class defines something that ``Task`` has."""
        return getattr(cls, name) is not getattr(Task, name)

    # -- Python -----------------------------------------------------------------------------------

    @property
    def __name__(self) -> str:
        kind: type[object] = type(self)
        return kind.__name__

    def __repr__(self) -> str:
        app = self._app
        if app is None:
            return f"<unbound @task: {self.name}>"
        return f"<@task: {self.name} of {app.main} at {id(app):#x}>"

    def __reduce__(self) -> tuple[Any, ...]:
        # A task travels as its name: the other side has its own.
        module: str = type(self).__module__
        return _find_task, (self.name, None if module == _HERE else module)


_HERE: Final = __name__  # in the class this is the name of the task


def _find_task(name: str, module: str | None) -> Any:
    if module is not None:
        __import__(module)
    return current.get_current_app().tasks[name]
