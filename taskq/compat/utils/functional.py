"""``celery.utils.functional``: lists, lazy values, and what a function takes."""

from __future__ import annotations

import inspect
from collections import UserList
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice, pairwise
from typing import Any, Final, TypeVar

from kombu.utils.functional import (
    LRUCache,
    dictfilter,
    is_list,
    lazy,
    maybe_evaluate,
    maybe_list,
    memoize,
)

from taskq.app.type_check import header_of

__all__ = [
    "DummyContext",
    "LRUCache",
    "arity_greater",
    "chunks",
    "dictfilter",
    "evaluate_promises",
    "first",
    "firstmethod",
    "fun_accepts_kwargs",
    "fun_takes_argument",
    "head_from_fun",
    "is_list",
    "is_numeric_value",
    "lazy",
    "lookahead",
    "mattrgetter",
    "maybe",
    "maybe_evaluate",
    "maybe_list",
    "memoize",
    "mlazy",
    "noop",
    "padlist",
    "pass1",
    "regen",
    "seq_concat_item",
    "seq_concat_seq",
    "uniq",
]

T = TypeVar("T")


class DummyContext:
    """A context that does nothing."""

    def __enter__(self) -> DummyContext:  # noqa: PYI034 - one class
        return self

    def __exit__(self, *exc_info: object) -> None:
        pass


class mlazy(lazy):  # noqa: N801 - Celery's name
    """A lazy value that is worked out once."""

    evaluated = False
    _value: Any = None

    def evaluate(self) -> Any:
        """Return the value."""
        if not self.evaluated:
            self._value = super().evaluate()  # type: ignore[no-untyped-call]  # kombu
            self.evaluated = True
        return self._value


def noop(*args: Any, **kwargs: Any) -> None:
    """Do nothing."""


def pass1(arg: T, *args: Any, **kwargs: Any) -> T:  # noqa: ARG001 - Celery's signature
    """Return the first argument."""
    return arg


def evaluate_promises(it: Iterable[Any]) -> Iterator[Any]:
    """Return the items, those that are lazy worked out."""
    return (each.evaluate() if isinstance(each, mlazy) else each for each in it)


# -- lists ---------------------------------------------------------------------------------------


def first(predicate: Callable[[Any], object] | None, it: Iterable[Any]) -> Any:
    """Return the first item for which the predicate is true; without one, the first not None."""
    wanted = predicate or (lambda each: each is not None)
    return next((each for each in evaluate_promises(it) if wanted(each)), None)


def firstmethod(method: str, on_call: Callable[..., Any] | None = None) -> Callable[..., Any]:
    """Return a function that asks each of a list by a method, and returns the first answer."""

    def ask(it: Iterable[Any], *args: Any, **kwargs: Any) -> Any:
        for each in it:
            found = getattr(maybe_evaluate(each), method, None)
            if found is None:
                continue
            answer = on_call(found, *args, **kwargs) if on_call else found(*args, **kwargs)
            if answer is not None:
                return answer
        return None

    return ask


def chunks(it: Iterable[T], n: int) -> Iterator[list[T]]:
    """Return the items in lists of ``n``; the last may be shorter."""
    rest = iter(it)
    while chunk := list(islice(rest, n)):
        yield chunk


def padlist(container: Sequence[Any], size: int, default: Any = None) -> list[Any]:
    """Return exactly ``size`` items, the missing ones by a default."""
    return [*container[:size], *([default] * (size - len(container)))]


def mattrgetter(*attrs: str) -> Callable[[Any], dict[str, Any]]:
    """Return a function that reads several attributes; None for those that are not there."""
    return lambda obj: {attr: getattr(obj, attr, None) for attr in attrs}


def uniq(it: Iterable[T]) -> Iterator[T]:
    """Return each item once, in order."""
    return iter(dict.fromkeys(it))


_END: Final = object()


def lookahead(it: Iterable[T]) -> Iterator[tuple[T, T | None]]:
    """Return each item with the one after it; None after the last."""

    def ended() -> Iterator[Any]:
        yield from it
        yield None

    return pairwise(ended())


def seq_concat_item(seq: Any, item: Any) -> Any:
    """Return a sequence of the same kind with one item more."""
    return [*seq, item] if isinstance(seq, list) else (*seq, item)


def seq_concat_seq(a: Any, b: Any) -> Any:
    """Return both sequences as one, of the kind of the first."""
    return [*a, *b] if isinstance(a, list) else (*a, *b)


def regen(it: Any) -> Any:
    """Return something that can be gone through again: a list or tuple as it is."""
    return it if isinstance(it, list | tuple) else _regen(it)


class _regen(UserList[Any], list[Any]):  # type: ignore[misc]  # noqa: N801 - it must pass for a list
    """A list that takes from an iterator what it is asked for, and keeps it."""

    def __init__(self, it: Iterable[Any]) -> None:
        self._taken: list[Any] = []
        self._rest: Iterator[Any] = iter(it)
        self._done = False

    def _take(self) -> bool:
        if self._done:
            return False
        found = next(self._rest, _END)
        if found is _END:
            self._done = True
            return False
        self._taken.append(found)
        return True

    @property
    def data(self) -> list[Any]:  # type: ignore[override]  # all of it, when all is asked for
        """All items."""
        while self._take():
            pass
        return self._taken

    def __iter__(self) -> Iterator[Any]:
        position = 0
        while position < len(self._taken) or self._take():
            yield self._taken[position]
            position += 1

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, int) and index >= 0:
            while len(self._taken) <= index and self._take():
                pass
            return self._taken[index]
        return self.data[index]

    def __len__(self) -> int:
        return len(self.data)

    def __bool__(self) -> bool:
        return bool(self._taken) or self._take()

    def __eq__(self, other: object) -> bool:
        return self.data == (other.data if isinstance(other, _regen) else other)

    __hash__ = None

    def __reduce__(self) -> tuple[Any, ...]:
        return list, (self.data,)

    def __repr__(self) -> str:
        shown = [*map(repr, self._taken), *([] if self._done else ["..."])]
        return f"<_regen: [{', '.join(shown)}]>"


# -- functions -----------------------------------------------------------------------------------


def head_from_fun(fun: Callable[..., Any], bound: bool = False) -> Callable[..., object]:
    """Return a function that takes what ``fun`` takes, and does nothing."""
    if not inspect.isfunction(fun) and not inspect.ismethod(fun) and callable(fun):
        fun, bound = type(fun).__call__, True
    return header_of(fun, bound)


def _spec(fun: Callable[..., Any]) -> inspect.FullArgSpec:
    return inspect.getfullargspec(fun)


def arity_greater(fun: Callable[..., Any], n: int) -> Any:
    """Whether a function takes more than ``n`` positional arguments."""
    spec = _spec(fun)
    return spec.varargs or len(spec.args) > n


def fun_takes_argument(name: str, fun: Callable[..., Any], position: int | None = None) -> Any:
    """Whether a function takes an argument: by name, or as one of so many by position."""
    spec = _spec(fun)
    by_position = position is not None and len(spec.args) >= position
    return spec.varkw or spec.varargs or by_position or name in (*spec.args, *spec.kwonlyargs)


def fun_accepts_kwargs(fun: Callable[..., Any]) -> bool:
    """Whether a function takes any keyword argument."""
    parameters = inspect.signature(fun).parameters.values()
    return any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters)


def maybe(typ: Callable[[Any], Any], val: Any) -> Any:
    """Convert a value, unless it is None."""
    return None if val is None else typ(val)


def is_numeric_value(value: Any) -> bool:
    """Whether this is a number, and no bool."""
    return isinstance(value, int | float) and not isinstance(value, bool)
