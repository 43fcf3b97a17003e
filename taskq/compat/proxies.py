"""``celery.local``: objects that stand for others, and modules whose names are loaded when used."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterable, Mapping
from types import ModuleType
from typing import Any

from taskq import current

__all__ = [
    "LazyModule",
    "PromiseProxy",
    "Proxy",
    "class_property",
    "create_module",
    "fun_of_method",
    "get_compat_module",
    "get_origins",
    "getappattr",
    "maybe_evaluate",
    "reclassmethod",
    "recreate_module",
    "try_import",
]

# What a name is worked out of, for operators that Python looks up on the class.
_UNARY = ("abs", "neg", "pos", "invert", "int", "float", "complex", "index")
_BINARY = (
    *("add", "sub", "mul", "truediv", "floordiv", "mod", "divmod", "pow", "lshift", "rshift"),
    *("and", "xor", "radd", "rsub", "rmul", "rtruediv", "ror", "rand", "lt", "le", "gt", "ge"),
)


class Proxy(current.Proxy):
    """Stands for what a function returns at the moment of use."""

    __slots__ = ("_args", "_kwargs", "_name")

    def __init__(
        self,
        local: Callable[..., Any],
        args: Any = None,
        kwargs: Any = None,
        name: str | None = None,
        __doc__: str | None = None,  # noqa: A002, ARG002 - the object has its own
    ) -> None:
        super().__init__(lambda: local(*(args or ()), **(kwargs or {})))
        object.__setattr__(self, "_args", args)
        object.__setattr__(self, "_kwargs", kwargs)
        object.__setattr__(self, "_name", name)

    @property
    def __name__(self) -> str:
        name: str | None = object.__getattribute__(self, "_name")
        return name if name is not None else self._get_current_object().__name__

    def _get_current_object(self) -> Any:
        """Return the real object."""
        return object.__getattribute__(self, "_find")()

    def __call__(self, *a: Any, **kw: Any) -> Any:
        """Call the object."""
        return self._get_current_object()(*a, **kw)

    def __or__(self, other: Any) -> Any:
        return self._get_current_object() | other

    def __setitem__(self, key: Any, value: Any) -> None:
        self._get_current_object()[key] = value

    def __delitem__(self, key: Any) -> None:
        del self._get_current_object()[key]

    @property
    def __dict__(self) -> Any:  # type: ignore[override]  # that of the object
        return self._get_current_object().__dict__


def _forward(name: str) -> Callable[..., Any]:
    def call(self: Proxy, *args: Any) -> Any:
        return getattr(self._get_current_object(), name)(*args)

    call.__name__ = name
    return call


for _name in (*_UNARY, *_BINARY):
    setattr(Proxy, f"__{_name}__", _forward(f"__{_name}__"))


class PromiseProxy(Proxy):
    """Stands for what a function returns, and calls it once."""

    __slots__ = ("_thing", "_waiting")

    def _get_current_object(self) -> Any:
        """Return the real object; the first call makes it."""
        try:
            return object.__getattribute__(self, "_thing")
        except AttributeError:
            return self.__evaluate__()

    def __then__(self, fun: Callable[..., object], *args: Any, **kwargs: Any) -> Any:
        """Call this once the object is there."""
        if self.__evaluated__():
            return fun(*args, **kwargs)
        waiting = getattr_here(self, "_waiting")
        if waiting is None:
            waiting = []
            object.__setattr__(self, "_waiting", waiting)
        waiting.append((fun, args, kwargs))
        return None

    def __evaluated__(self) -> bool:
        """Whether the object has been made."""
        try:
            object.__getattribute__(self, "_thing")
        except AttributeError:
            return False
        return True

    def __maybe_evaluate__(self) -> Any:
        """Return the object."""
        return self._get_current_object()

    def __evaluate__(self) -> Any:
        """Make the object."""
        thing = object.__getattribute__(self, "_find")()
        object.__setattr__(self, "_thing", thing)
        waiting = getattr_here(self, "_waiting") or ()
        object.__setattr__(self, "_waiting", None)
        for fun, args, kwargs in waiting:
            fun(*args, **kwargs)
        return thing


def getattr_here(proxy: Proxy, name: str) -> Any:
    """Return an attribute of the proxy itself; None where it is not set."""
    try:
        return object.__getattribute__(proxy, name)
    except AttributeError:
        return None


def maybe_evaluate(obj: Any) -> Any:
    """Return the object behind a promise, and anything else as it is."""
    evaluate = getattr(type(obj), "__maybe_evaluate__", None)
    return obj if evaluate is None else evaluate(obj)


def try_import(module: str, default: Any = None) -> Any:
    """Import a module; the default where it is not there."""
    try:
        return importlib.import_module(module)
    except ImportError:
        return default


# -- classes and modules -------------------------------------------------------------------------


class class_property:  # noqa: N801 - Celery's name
    """A property of a class and of its objects alike."""

    def __init__(self, getter: Any = None, setter: Any = None) -> None:
        self._get, self._set = fun_of_method(getter), fun_of_method(setter)
        self.__doc__ = getattr(getter, "__doc__", None)
        self.__name__ = getattr(self._get, "__name__", None)

    def __get__(self, obj: Any, type: type | None = None) -> Any:  # noqa: A002 - Python's protocol
        owner = type if obj is None else obj.__class__
        return self._get.__get__(owner)()

    def __set__(self, obj: Any, value: Any) -> None:
        if self._set is None:
            raise AttributeError(f"{self.__name__} cannot be set")
        self._set.__get__(obj.__class__)(value)

    def setter(self, setter: Any) -> class_property:
        """Return it with a function that sets it."""
        return type(self)(self._get, setter)


def fun_of_method(method: Any) -> Any:
    """Return the function of a method."""
    return getattr(method, "__func__", method)


def reclassmethod(method: Any) -> Any:
    """Return a method's function as a method of the class."""
    return classmethod(fun_of_method(method))


def getappattr(path: Iterable[str]) -> Any:
    """Return an attribute of the current app, deeper with each name."""
    found: Any = current.get_current_app()
    for name in path:
        found = getattr(found, name)
    return found


def get_origins(defs: Mapping[str, Iterable[str]]) -> dict[str, str]:
    """Turn modules with their names into names with their modules."""
    return {name: module for module, names in defs.items() for name in names}


class LazyModule(ModuleType):
    """A module that loads each of its names from another one when it is used."""

    _compat_modules: Any = ()
    _all_by_module: Any = {}  # noqa: RUF012 - set by subclasses
    _direct: Any = {}  # noqa: RUF012 - set by subclasses
    _object_origins: Any = {}  # noqa: RUF012 - set by subclasses

    def __getattr__(self, name: str) -> Any:
        if name in self._object_origins:
            module = importlib.import_module(self._object_origins[name])
            for each in self._all_by_module[module.__name__]:
                setattr(self, each, getattr(module, each))
            return getattr(module, name)
        if name in self._direct:
            found = importlib.import_module(self._direct[name])
            setattr(self, name, found)
            return found
        raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")

    def __dir__(self) -> list[str]:
        return sorted({*getattr(self, "__all__", ()), *self.__dict__})

    def __reduce__(self) -> tuple[Any, ...]:
        return importlib.import_module, (self.__name__,)


def create_module(  # noqa: PLR0917 - Celery's signature
    name: str,
    attrs: Mapping[str, Any],
    cls_attrs: Mapping[str, Any] | None = None,
    pkg: Any = None,
    base: type[ModuleType] = LazyModule,
    prepare_attr: Callable[[Any], Any] | None = None,
) -> Any:
    """Make a module and put it among those that are imported."""
    full = f"{pkg.__name__}.{name}" if pkg else name
    kind = type(full.rpartition(".")[2], (base,), {"__module__": __name__, **(cls_attrs or {})})
    module = sys.modules[full] = kind(full)
    prepare = prepare_attr or (lambda value: value)
    vars(module).update({key: prepare(value) for key, value in attrs.items()})
    return module


def recreate_module(
    name: str,
    compat_modules: Iterable[str] = (),
    by_module: Mapping[str, Iterable[str]] | None = None,
    direct: Mapping[str, str] | None = None,
    base: type[ModuleType] = LazyModule,
    **attrs: Any,
) -> tuple[Any, Any]:
    """Put a lazy module in the place of one that is being imported; returns both."""
    old = sys.modules[name]
    origins = get_origins(by_module or {})
    lazy = {
        "_compat_modules": tuple(compat_modules),
        "_all_by_module": {key: tuple(value) for key, value in (by_module or {}).items()},
        "_direct": dict(direct or {}),
        "_object_origins": origins,
    }
    names = tuple({*lazy["_compat_modules"], *origins, *lazy["_direct"], *attrs})
    new = create_module(name, {**attrs, "__all__": names}, cls_attrs=lazy, base=base)
    vars(new).update({key: get_compat_module(new, key) for key in lazy["_compat_modules"]})
    new.__spec__ = old.__spec__
    return old, new


def get_compat_module(pkg: Any, name: str) -> Any:
    """Return a module of old names, below a package."""
    return importlib.import_module(f"{pkg.__name__}.{name}")
