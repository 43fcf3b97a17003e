"""A signature: a task and what it is to be called with, as data.

Made by ``task.s(...)`` and ``signature(...)``, sent as JSON inside messages, and read back by
workers.  Owned here: the one task, its options, links and stamps, and the registry of kinds.  Not
owned: what composite kinds do (``primitives.py``), and what follows a task (``plan.py``).

A signature reaches its app through the one it was given, else the current one; it sends nothing by
itself but asks the task or the app to.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import (
    TYPE_CHECKING,
    Any,
    ClassVar,
    Final,
    Generic,
    Self,
    TypeAlias,
    TypeVar,
    cast,
    overload,
)

from taskq.canvas.joining import join
from taskq.canvas.parts import DEFAULTS, Fixing, Item, Result, listed, task_name_from, type_name
from taskq.canvas.showing import MOST, tree
from taskq.canvas.stamping import StampingVisitor, merged_stamps, with_stamps
from taskq.canvas.steps import Step, Unfolded, is_chunks, send
from taskq.current import app_or_default
from taskq.errors import InvalidTaskError
from taskq.protocol.saferepr import safe_repr

__all__ = [
    "Signature",
    "copied",
    "maybe_signature",
    "maybe_subtask",
    "reprcall",
    "signature",
    "subtask",
]

if TYPE_CHECKING:
    from typing_extensions import TypeVar as TypeVarWithDefault

    # For type checkers only: the interpreter knows defaults from 3.13 on.
    R = TypeVarWithDefault("R", default=Any)
else:
    R = TypeVar("R")
S = TypeVar("S")
# Named here: in the class body ``type`` is a property.
Kind: TypeAlias = "type[Signature[Any]]"
KindT = TypeVar("KindT", bound="type[Signature[Any]]")


class Signature(dict[str, Any], Generic[R]):
    """One call of one task, not made yet.

    ``R`` is what the task returns.
    """

    TYPES: ClassVar[dict[str, Kind]] = {}

    task = Item("task")
    args = Item("args")
    kwargs = Item("kwargs")
    options = Item("options")
    subtask_type = Item("subtask_type")
    immutable = Item("immutable")
    id = Item("options", "task_id")
    parent_id = Item("options", "parent_id")
    root_id = Item("options", "root_id")

    def __init__(  # noqa: PLR0917 - Celery's signature
        self,
        task: Any = None,
        args: Iterable[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        options: Mapping[str, Any] | None = None,
        type: Any = None,  # noqa: A002 - Celery's name
        subtask_type: str | None = None,
        immutable: bool = False,
        app: Any = None,
        **ex: Any,
    ) -> None:
        self._app = app
        self._type = type
        if isinstance(task, dict):
            super().__init__(task)
            self._complete()
            return
        if task is not None and not isinstance(task, str):
            self._type = type or task
        super().__init__(
            task=task_name_from(task),
            args=tuple(args or ()),
            kwargs=dict(kwargs or {}),
            options=dict(options or {}, **ex),
            subtask_type=subtask_type,
            immutable=immutable,
        )

    def _complete(self) -> None:
        """Fill in what data from elsewhere left out, and stop sharing what may be changed."""
        for key, default in DEFAULTS.items():
            if self.get(key) is None:
                self[key] = default()
        self["kwargs"], self["options"] = dict(self["kwargs"]), dict(self["options"])

    # -- kinds -----------------------------------------------------------------------------------

    @classmethod
    def register_type(cls, name: str | None = None) -> Callable[[KindT], KindT]:
        """Register a kind, under the ``subtask_type`` that stands in its data."""

        def register(kind: KindT) -> KindT:
            cls.TYPES[name or kind.__name__] = kind
            return kind

        return register

    @classmethod
    def from_dict(cls, d: Mapping[str, Any], app: Any = None) -> Signature[Any]:
        """Read the data of any kind of signature."""
        kind = d.get("subtask_type") or ("chunks" if is_chunks(d) else None)
        if not kind:
            return Signature(dict(d), app=app)
        if kind not in cls.TYPES:
            known = ", ".join(sorted(cls.TYPES))
            raise InvalidTaskError(
                f"signature of {d.get('task')!r}: no subtask_type is called {kind!r}; "
                f"there are {known}"
            )
        return cls.TYPES[kind]._read(d, app)  # noqa: SLF001 - the same class

    @classmethod
    def _read(cls, d: Mapping[str, Any], app: Any) -> Signature[Any]:
        """Read the data of this kind: no constructor runs, it may want other things."""
        made = cls.__new__(cls)
        Signature.__init__(made, dict(d), app=app)
        made._adopt()  # noqa: SLF001 - the same class
        return made

    def _adopt(self) -> None:
        """Make signatures of the data that this consists of."""

    # -- calling ---------------------------------------------------------------------------------

    def __call__(self, *partial_args: Any, **partial_kwargs: Any) -> Any:
        """Call the task here and now, without a message."""
        args, kwargs, _ = self._merge(partial_args, partial_kwargs, {})
        return self.type(*args, **kwargs)

    def delay(self, *partial_args: Any, **partial_kwargs: Any) -> Result[R]:
        """Send it."""
        return self.apply_async(partial_args, partial_kwargs)

    def apply(
        self, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None, **options: Any
    ) -> Result[R]:
        """Run it here, as if a worker did."""
        args, kwargs, options = self._merge(args, kwargs or {}, options)
        result: Result[R] = self.type.apply(args, kwargs, **options)
        return result

    def apply_async(
        self,
        args: Sequence[Any] | None = (),
        kwargs: Mapping[str, Any] | None = None,
        route_name: str | None = None,
        **options: Any,
    ) -> Result[R]:
        """Send it; ``args`` stand in front of its own."""
        if route_name is not None:
            options["route_name"] = route_name
        result: Result[R] = send(self._step(args, kwargs, options), self.app)
        return result

    def __invert__(self) -> R:
        """Send it, and wait for its value."""
        return self.apply_async().get()

    def unfold(
        self, args: Sequence[Any] | None = (), kwargs: Any = None, **options: Any
    ) -> Unfolded:
        """Say what ``apply_async`` with these arguments would do; this is not changed."""
        return Unfolded((self._step(args, kwargs, options),))

    def _step(self, args: Any, kwargs: Any, options: Mapping[str, Any]) -> Step:
        merged = self._merge(args or (), kwargs or {}, options)
        return Step(self, *merged)

    def _merge(
        self, args: Iterable[Any], kwargs: Mapping[str, Any], options: Mapping[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any], dict[str, Any]]:
        """Put what a call says together with what this says; the call wins."""
        merged = merged_stamps(self.options, options) if options else dict(self.options)
        if self.immutable:
            return tuple(self.args), dict(self.kwargs), merged
        return (*args, *self.args), {**self.kwargs, **kwargs}, merged

    # -- changing --------------------------------------------------------------------------------

    def clone(
        self, args: Iterable[Any] = (), kwargs: Mapping[str, Any] | None = None, **opts: Any
    ) -> Self:
        """Copy it, with more in front of its args, more kwargs and other options."""
        data: dict[str, Any] = {}
        for key, value in self.items():
            data[key] = value if type(value) in _SHARED else copied(value)
        if args or kwargs or opts:
            data["args"], data["kwargs"], data["options"] = self._merge(
                args or (), kwargs or {}, opts
            )
        # Not ``from_dict``: the data of some kinds does not say which they are.
        cloned: Any = self._read(data, self._app)
        cloned._type = self._type  # noqa: SLF001 - the same class
        return cast("Self", cloned)

    partial = clone

    def replace(
        self,
        args: Iterable[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> Self:
        """Copy it, with other args, kwargs or options in the place of its own."""
        cloned = self.clone()
        if args is not None:
            cloned.args = args
        if kwargs is not None:
            cloned.kwargs = kwargs
        if options is not None:
            cloned.options = options
        return cloned

    def set(self, immutable: bool | None = None, **options: Any) -> Self:
        """Set options; returns itself."""
        if immutable is not None:
            self.set_immutable(immutable)
        self.options.update(options)
        return self

    def set_immutable(self, immutable: bool) -> None:
        """Say whether it takes the result of what stands before it."""
        self.immutable = immutable

    def freeze(
        self,
        _id: str | None = None,
        group_id: str | None = None,
        chord: Any = None,
        root_id: str | None = None,
        parent_id: str | None = None,
        group_index: int | None = None,
    ) -> Any:
        """Fix the id it will be sent with, and its place in a group; returns its result.

        Who belongs to a group already stays in it.
        """
        return self._fix(Fixing(_id, group_id, chord, root_id, parent_id, group_index))

    _freeze = freeze

    def _fix(self, said: Fixing) -> Any:
        """Do what ``freeze`` says, for this kind."""
        options = self.options
        task_id = options["task_id"] = said.id or options.get("task_id") or self.app.new_id()
        options.update(said.lineage)
        options.setdefault("reply_to", self.app.thread_oid)
        if "group_id" not in options:
            options.update(said.place)
        return self.app.AsyncResult(task_id)

    def election(self) -> Any:
        """Let the workers elect one of them, which then sends it; returns its result.

        It is for what all workers of a cluster would do and only one should.  Elections take
        workers that hear each other: heartbeats and gossip are on unless they are switched off.
        """
        chosen = self.clone()
        chosen._give_app(self._known_app())  # noqa: SLF001 - its own copy
        result = chosen.freeze()
        self.app.control.election(chosen.id, "task", chosen)
        return result

    # -- links -----------------------------------------------------------------------------------

    def append_to_list_option(self, key: str, value: S) -> S:
        """Add to a list among the options, unless an equal value is there; returns the value."""
        values = self._list_option(key)
        if value not in values:
            values.append(value)
        return value

    def extend_list_option(self, key: str, value: Any) -> None:
        """Add one value, or those of a list."""
        self._list_option(key).extend(listed(value))

    def _list_option(self, key: str) -> list[Any]:
        values = self.options[key] = listed(self.options.get(key))
        return values

    def link(self, callback: Any) -> Any:
        """Send this with the result after success; returns the callback."""
        return self.append_to_list_option("link", callback)

    def link_error(self, errback: Any) -> Any:
        """Send this after a failure; returns the errback."""
        return self.append_to_list_option("link_error", errback)

    def on_error(self, errback: Any) -> Self:
        """Do as ``link_error``, but return itself."""
        self.link_error(errback)
        return self

    def flatten_links(self) -> list[Signature[Any]]:
        """Return itself, its callbacks, their callbacks, and so on."""
        found: list[Signature[Any]] = [self]
        for link in listed(self.options.get("link")):
            found.extend(maybe_signature(link, app=self._app).flatten_links())
        return found

    # -- stamps ----------------------------------------------------------------------------------

    def stamp(
        self,
        visitor: StampingVisitor | None = None,
        append_stamps: bool = False,
        **headers: Any,
    ) -> Self:
        """Stamp this and its links; returns itself."""
        self.stamp_links(visitor, append_stamps, **headers)
        found = visitor.on_signature(self, **headers) if visitor is not None else None
        return self._put_stamps(with_stamps(headers, found), append_stamps)

    def _put_stamps(self, stamps: Mapping[str, Any], append_stamps: bool) -> Self:
        self.options = merged_stamps(self.options, stamps, append=append_stamps)
        return self

    def stamp_links(
        self, visitor: StampingVisitor | None, append_stamps: bool = False, **headers: Any
    ) -> None:
        """Stamp callbacks and errbacks."""
        hooks = (
            ("link", None if visitor is None else visitor.on_callback),
            ("link_error", None if visitor is None else visitor.on_errback),
        )
        for key, hook in hooks:
            if not self.options.get(key):
                continue
            links = [maybe_signature(each, app=self._app) for each in self._list_option(key)]
            self.options[key] = links
            for link in links:
                found = hook(link, **headers) if hook is not None else None
                link.stamp(visitor, append_stamps, **with_stamps(headers, found))

    # -- joining ---------------------------------------------------------------------------------

    @overload  # type: ignore[override]  # a signature is data, but its ``|`` is not a merge
    def __or__(self, other: Signature[S]) -> Signature[S]: ...
    @overload
    def __or__(self, other: Any) -> Any: ...
    def __or__(self, other: Any) -> Any:
        """Send the other one with the result of this one."""
        if not isinstance(other, Signature):
            # Not left to the other side: a dictionary would quietly take the signature apart.
            raise TypeError(
                f"only a signature can follow a signature, not {type_name(other)}; "
                "write task.s() instead of task"
            )
        return join(self, other, self.TYPES)

    def __ror__(self, other: Any) -> Any:
        """Refuse what is no signature; signatures are joined by ``__or__``."""
        raise TypeError(f"a signature can follow a signature, not {type_name(other)}")

    __ior__ = __or__  # type: ignore[assignment]  # the dictionary's own would write into this

    # -- the app ---------------------------------------------------------------------------------

    @property
    def app(self) -> Any:
        """The app that it is sent with."""
        return app_or_default(self._known_app())

    def _leaves(self) -> int:
        """Count the messages whose results are the result of this."""
        return 1

    def _known_app(self) -> Any:
        """Return the app that it was given; None means the current one, whichever that is."""
        return self._app

    def _give_app(self, app: Any) -> None:
        """Give it, and all that it consists of, an app, where it has none."""
        if self._app is None:
            self._app = app

    @property
    def type(self) -> Any:
        """The task itself; raises ``NotRegistered`` where there is none of that name."""
        return self._type or self.app.tasks[self.task]

    @property
    def name(self) -> str:
        """The name of the task."""
        found: str = self.task
        return found

    @property
    def AsyncResult(self) -> Callable[..., Any]:  # noqa: N802 - Celery's name
        """Make a handle of a result."""
        found: Callable[..., Any] = self.app.AsyncResult
        return found

    # -- as data ---------------------------------------------------------------------------------

    def __json__(self) -> dict[str, Any]:
        return dict(self)

    def __reduce__(self) -> Any:
        return signature, (dict(self),)

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        memo[id(self)] = cloned = self.clone()
        return cloned

    def __copy__(self) -> Self:
        return self.clone()

    copy = __copy__  # not a dictionary

    def reprcall(self, *args: Any, **kwargs: Any) -> str:
        """Show the call as it would be written."""
        all_args, all_kwargs, _ = self._merge(args, kwargs, {})
        return reprcall(self.task, all_args, all_kwargs)

    def tree(self, most: int = MOST) -> str:
        """Show the whole workflow as a tree; of many members or steps the first ones."""
        return tree(self, most)

    def __repr__(self) -> str:
        return self.reprcall()


def reprcall(name: str, args: Iterable[Any] = (), kwargs: Mapping[str, Any] | None = None) -> str:
    """Show a call as it would be written, bounded in length."""
    shown = [_shown(arg) for arg in args]
    shown += [f"{key}={_shown(value)}" for key, value in (kwargs or {}).items()]
    return f"{name}({', '.join(shown)})"


def _shown(value: Any) -> str:
    if isinstance(value, Signature):
        return repr(value)
    if isinstance(value, list) and any(isinstance(each, Signature) for each in value):
        return f"[{', '.join(map(_shown, value))}]"
    return safe_repr(value)


# What most values in signatures are: nothing in them can be changed, or is ours to copy.
_SHARED: Final = frozenset({str, int, float, bool, bytes, tuple, type(None)})


def copied(value: Any) -> Any:
    """Copy dictionaries, lists and signatures all the way down; other values are shared."""
    if isinstance(value, Signature):
        return value.clone()
    # Loops: a comprehension takes a place on the stack, and workflows may be deep.
    if isinstance(value, dict):
        data = {}
        for key, each in value.items():
            data[key] = each if type(each) in _SHARED else copied(each)
        return data
    if isinstance(value, list):
        values = []
        for each in value:
            values.append(copied(each))  # noqa: PERF401 - see above
        return values
    return value


def signature(varies: Any, *args: Any, **kwargs: Any) -> Signature[Any]:
    """Make a signature of a task, of a name, of another signature or of its data."""
    app = kwargs.get("app")
    if isinstance(varies, Signature):
        return varies.clone()
    if isinstance(varies, dict):
        return Signature.from_dict(varies, app=app)
    return Signature(varies, *args, **kwargs)


@overload
def maybe_signature(d: None, app: Any = None, clone: bool = False) -> None: ...
@overload
def maybe_signature(d: Any, app: Any = None, clone: bool = False) -> Any: ...
def maybe_signature(d: Any, app: Any = None, clone: bool = False) -> Any:
    """Make a signature of a dictionary; anything else is returned as it is.

    The app, if given, becomes that of a signature that has none.
    """
    if d is None:
        return None
    if isinstance(d, Signature):
        found: Any = d.clone() if clone else d
    elif isinstance(d, dict):
        found = Signature.from_dict(d, app=app)
    else:
        return d
    if app is not None:
        found._give_app(app)  # noqa: SLF001 - this module owns it
    return found


subtask = signature
maybe_subtask = maybe_signature
