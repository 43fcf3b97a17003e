"""``celery.utils.objects``: small classes, and where an attribute comes from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import reduce
from typing import Any

__all__ = ["Bunch", "FallbackContext", "getitem_property", "mro_lookup"]


class Bunch:
    """An object with the attributes that it was given."""

    def __init__(self, **kwargs: Any) -> None:
        self.__dict__.update(kwargs)


def mro_lookup(
    cls: type, attr: str, stop: Iterable[type] | None = None, monkey_patched: Sequence[str] = ()
) -> type | None:
    """Return the first class, from ``cls`` upwards, that defines an attribute itself.

    None where none does before a class of ``stop``; unless that one has it from a module that is
    not among ``monkey_patched``, where it was put by somebody else.
    """
    stops = set(stop or ())
    for node in cls.__mro__:
        if node in stops:
            module = getattr(node.__dict__.get(attr), "__module__", None)
            return node if module is not None and _foreign(module, node, monkey_patched) else None
        if attr in node.__dict__:
            return node
    return None


def _foreign(module: str, node: type, own: Sequence[str]) -> bool:
    return bool(own) and module not in own and module != node.__module__


class FallbackContext:
    """Gives what was provided; else what a context manager gives, which it closes again."""

    def __init__(
        self, provided: Any, fallback: Callable[..., Any], *fb_args: Any, **fb_kwargs: Any
    ) -> None:
        self.provided, self.fallback = provided, fallback
        self.fb_args, self.fb_kwargs = fb_args, fb_kwargs
        self._context: Any = None

    def __enter__(self) -> Any:
        if self.provided is not None:
            return self.provided
        self._context = self.fallback(*self.fb_args, **self.fb_kwargs)
        return self._context.__enter__()

    def __exit__(self, *exc_info: object) -> Any:
        context, self._context = self._context, None
        return None if context is None else context.__exit__(*exc_info)


class getitem_property:  # noqa: N801 - Celery's name
    """An attribute that is a key of the object, or of a mapping that is an attribute of it.

    ``getitem_property("args")`` is ``self["args"]``, ``getitem_property("options.queue")`` is
    ``self.options["queue"]``.
    """

    def __init__(self, keypath: str, doc: str | None = None) -> None:
        path, _, self.key = keypath.rpartition(".")
        self.path = path.split(".") if path else []
        self.__doc__ = doc

    def _holder(self, obj: Any) -> Any:
        return reduce(getattr, self.path, obj)

    def __get__(self, obj: Any, type: type | None = None) -> Any:  # noqa: A002 - Python's protocol
        return type if obj is None else self._holder(obj).get(self.key)

    def __set__(self, obj: Any, value: Any) -> None:
        self._holder(obj)[self.key] = value
