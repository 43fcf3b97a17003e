"""``celery.utils.collections``: mappings by attribute and in layers, buffers with a limit."""

from __future__ import annotations

from collections import OrderedDict as _OrderedDict
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping, Sequence
from itertools import chain
from queue import Empty
from typing import Any, ClassVar, Final

from taskq.compat.utils.limited_set import LimitedSet

__all__ = [
    "AttributeDict",
    "AttributeDictMixin",
    "BufferMap",
    "ChainMap",
    "ConfigurationView",
    "DictAttribute",
    "Evictable",
    "LimitedSet",
    "Messagebuffer",
    "OrderedDict",
    "force_mapping",
    "lpmerge",
]

_NOTHING: Final = object()


def force_mapping(m: Any) -> Any:
    """Return something as a mapping: its attributes, if it is none."""
    m = getattr(m, "_wrapped", m)  # Django's lazy objects
    return m if isinstance(m, Mapping) else DictAttribute(m)


def lpmerge(L: dict[Any, Any], R: Mapping[Any, Any]) -> dict[Any, Any]:  # noqa: N803 - Celery's names
    """Put what is not None on the right into the left."""
    L.update((key, value) for key, value in R.items() if value is not None)
    return L


class OrderedDict(_OrderedDict[Any, Any]):
    """A dict with an order."""

    def _LRUkey(self) -> Any:  # noqa: N802 - Celery's name
        """Return the oldest key."""
        return next(iter(self))


# -- by attribute --------------------------------------------------------------------------------


class AttributeDictMixin:
    """Lets keys be read and written as attributes."""

    def __getattr__(self, k: str) -> Any:
        try:
            return self[k]  # type: ignore[index]  # mixed into a mapping
        except KeyError:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {k!r}") from None

    def __setattr__(self, key: str, value: Any) -> None:
        self[key] = value


class AttributeDict(dict[Any, Any], AttributeDictMixin):
    """A dict whose keys are attributes too."""


class DictAttribute:
    """An object whose attributes are keys."""

    obj: Any = None

    def __init__(self, obj: Any) -> None:
        object.__setattr__(self, "obj", obj)

    def __getattr__(self, key: str) -> Any:
        return getattr(self.obj, key)

    def __setattr__(self, key: str, value: Any) -> None:
        setattr(self.obj, key, value)

    def get(self, key: str, default: Any = None) -> Any:
        """Return a value, or the default."""
        return getattr(self.obj, key, default)

    def setdefault(self, key: str, default: Any = None) -> Any:
        """Return a value; sets it where there is none."""
        if key not in self:
            self[key] = default
        return self[key]

    def __getitem__(self, key: str) -> Any:
        try:
            return getattr(self.obj, key)
        except AttributeError:
            raise KeyError(key) from None

    def __setitem__(self, key: str, value: Any) -> None:
        setattr(self.obj, key, value)

    def __contains__(self, key: str) -> bool:
        return hasattr(self.obj, key)

    def __iter__(self) -> Iterator[str]:
        return iter(dir(self.obj))

    def keys(self) -> Iterator[str]:
        """Return the names."""
        return iter(self)

    def values(self) -> Iterator[Any]:
        """Return the values."""
        return (getattr(self.obj, key) for key in self)

    def items(self) -> Iterator[tuple[str, Any]]:
        """Return names with values."""
        return ((key, getattr(self.obj, key)) for key in self)

    iterkeys, itervalues, iteritems = keys, values, items


MutableMapping.register(DictAttribute)


# -- layers --------------------------------------------------------------------------------------


class ChainMap(MutableMapping[Any, Any]):
    """Mappings one over another: what the first has wins, and only the first is changed."""

    key_t: Any = None
    changes: Any = None
    defaults: Any = None
    maps: Any = None
    _observers: Any = ()

    def __init__(self, *maps: Any, **kwargs: Any) -> None:
        layers = list(maps or [{}])
        self.__dict__.update(
            key_t=kwargs.get("key_t"),
            maps=layers,
            changes=layers[0],
            defaults=layers[1:],
            _observers=[],
        )

    def add_defaults(self, d: Any) -> None:
        """Put a layer right below the first."""
        layer = force_mapping(d)
        self.defaults.insert(0, layer)
        self.maps.insert(1, layer)

    def bind_to(self, callback: Callable[..., object]) -> None:
        """Call this with each update."""
        self._observers.append(callback)

    def _key(self, key: Any) -> Any:
        return self.key_t(key) if self.key_t is not None else key

    def __missing__(self, key: Any) -> Any:
        raise KeyError(key)

    def __getitem__(self, key: Any) -> Any:
        wanted = self._key(key)
        for layer in self.maps:
            try:
                return layer[wanted]
            except KeyError:
                continue
        return self.__missing__(key)

    def __setitem__(self, key: Any, value: Any) -> None:
        self.changes[self._key(key)] = value

    def __delitem__(self, key: Any) -> None:
        try:
            del self.changes[self._key(key)]
        except KeyError:
            raise KeyError(f"Key not found in the first mapping: {key!r}") from None

    def pop(self, key: Any, *default: Any) -> Any:
        """Take a value out of the first layer."""
        try:
            return self.changes.pop(self._key(key), *default)
        except KeyError:
            raise KeyError(f"Key not found in the first mapping: {key!r}") from None

    def get(self, key: Any, default: Any = None) -> Any:
        """Return a value, or the default."""
        try:
            return self[self._key(key)]
        except KeyError:
            return default

    def setdefault(self, key: Any, default: Any = None) -> Any:
        """Return a value; sets it where no layer has one."""
        if key not in self:
            self[key] = default
        return self[key]

    def update(self, *args: Any, **kwargs: Any) -> None:
        """Change the first layer, and tell those who were bound."""
        self.changes.update(*args, **kwargs)
        for callback in self._observers:
            callback(*args, **kwargs)

    def clear(self) -> None:
        """Empty the first layer."""
        self.changes.clear()

    def copy(self) -> Any:
        """Return the same layers under a copy of the first."""
        return type(self)(dict(self.changes), *self.maps[1:])

    __copy__ = copy

    @classmethod
    def fromkeys(cls, iterable: Iterable[Any], *args: Any) -> Any:
        """Make one with one layer."""
        return cls(dict.fromkeys(iterable, *args))

    def __len__(self) -> int:
        return len(set().union(*self.maps))

    def __iter__(self) -> Iterator[Any]:
        return iter(dict.fromkeys(chain.from_iterable(reversed(self.maps))))

    def __contains__(self, key: object) -> bool:
        wanted = self._key(key)
        return any(wanted in layer for layer in self.maps)

    def __bool__(self) -> bool:
        return any(self.maps)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(map(repr, self.maps))})"

    def keys(self) -> Any:
        """Return the keys."""
        return self.iterkeys()

    def values(self) -> Any:
        """Return the values."""
        return self.itervalues()

    def items(self) -> Any:
        """Return keys with values."""
        return self.iteritems()

    def iterkeys(self) -> Iterator[Any]:
        """Return the keys."""
        return iter(self)

    def itervalues(self) -> Iterator[Any]:
        """Return the values."""
        return (self[key] for key in self)

    def iteritems(self) -> Iterator[tuple[Any, Any]]:
        """Return keys with values."""
        return ((key, self[key]) for key in self)


class ConfigurationView(ChainMap, AttributeDictMixin):
    """Settings in layers, by key or attribute; a key may go by several names."""

    def __init__(
        self,
        changes: Any,
        defaults: Sequence[Any] | None = None,
        keys: Sequence[Callable[[str], str]] | None = None,
        prefix: str | None = None,
    ) -> None:
        super().__init__(changes, *(defaults or ()))
        self.__dict__.update(
            prefix=prefix.rstrip("_") + "_" if prefix else prefix, _names=tuple(keys or ())
        )

    def _names_of(self, key: str) -> Iterator[str]:
        prefix = self.prefix or ""
        prefixed = key if key.startswith(prefix) else prefix + key
        for each in dict.fromkeys((prefixed, key)):
            yield each
            yield from (name(each) for name in self._names)

    def __getitem__(self, key: Any) -> Any:
        names = list(self._names_of(key))
        for layer in self.maps:
            for name in names:
                found = layer.get(name, _NOTHING)
                if found is not _NOTHING:
                    return found
        raise KeyError(key)

    def __setitem__(self, key: Any, value: Any) -> None:
        self.changes[self._key(key)] = value

    def __contains__(self, key: object) -> bool:
        return any(name in layer for name in self._names_of(str(key)) for layer in self.maps)

    def first(self, *keys: str) -> Any:
        """Return the first value of these keys that is not None."""
        return next((found for found in map(self.get, keys) if found is not None), None)

    def get(self, key: Any, default: Any = None) -> Any:
        """Return a value, or the default."""
        try:
            return self[key]
        except KeyError:
            return default

    def clear(self) -> None:
        """Forget what was assigned."""
        self.changes.clear()

    def copy(self) -> ConfigurationView:
        """Return the same layers under a copy of the first."""
        return type(self)(dict(self.changes), self.defaults, self._names, self.prefix)

    def swap_with(self, other: ConfigurationView) -> None:
        """Have the layers of another one."""
        self.__dict__.update(other.__dict__)


# -- buffers -------------------------------------------------------------------------------------


class Evictable:
    """Something that lets go of its oldest when it is full."""

    Empty: ClassVar[type[Exception]] = Empty

    def evict(self) -> None:
        """Let go of as many as are too many."""
        while self._over():
            self._drop()

    def _over(self) -> bool:
        raise NotImplementedError

    def _drop(self) -> None:
        raise NotImplementedError


class Messagebuffer(Evictable):
    """The newest of what was put in."""

    def __init__(
        self,
        maxsize: int | None,
        iterable: Iterable[Any] | None = None,
        deque: Callable[..., Any] = deque,
    ) -> None:
        self.maxsize = maxsize
        self.data: Any = deque(iterable or [])
        self.evict()

    def put(self, item: Any) -> None:
        """Put one in."""
        self.data.append(item)
        self.evict()

    def extend(self, it: Iterable[Any]) -> None:
        """Put several in."""
        self.data.extend(it)
        self.evict()

    def take(self, *default: Any) -> Any:
        """Take the oldest out; the default, or ``Empty``, where there is none."""
        if self.data:
            return self.data.popleft()
        if default:
            return default[0]
        raise self.Empty

    def _over(self) -> bool:
        return bool(self.maxsize) and len(self.data) > (self.maxsize or 0)

    def _drop(self) -> None:
        self.data.popleft()

    def __iter__(self) -> Iterator[Any]:
        """Take out all."""
        while self.data:
            yield self.data.popleft()

    def __len__(self) -> int:
        return len(self.data)

    def __contains__(self, item: object) -> bool:
        return item in self.data

    def __reversed__(self) -> Iterator[Any]:
        while self.data:
            yield self.data.pop()

    def __getitem__(self, index: int) -> Any:
        return self.data[index]

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {len(self)}/{self.maxsize}>"


class BufferMap(OrderedDict, Evictable):
    """A buffer for each key, and a limit to all of them together."""

    Buffer: Any = Messagebuffer
    maxsize: Any = None
    total: int = 0
    bufmaxsize: Any = None

    def __init__(
        self, maxsize: int | None, iterable: Iterable[Any] | None = None, bufmaxsize: int = 1000
    ) -> None:
        super().__init__()
        self.maxsize, self.bufmaxsize = maxsize, bufmaxsize
        for key, item in iterable or ():
            self.put(key, item)

    def put(self, key: Any, item: Any) -> None:
        """Put one into the buffer of a key."""
        self.extend(key, (item,))

    def extend(self, key: Any, it: Iterable[Any]) -> None:
        """Put several into the buffer of a key."""
        buffer = self.setdefault(key, self.Buffer(self.bufmaxsize))
        before = len(buffer)
        buffer.extend(it)
        self.total += len(buffer) - before
        self.move_to_end(key)
        self.evict()

    def take(self, key: Any, *default: Any) -> Any:
        """Take the oldest of a key; the default, or ``Empty``, where there is none."""
        buffer = self.get(key)
        if not buffer:
            if default:
                return default[0]
            raise self.Empty
        item = buffer.take()
        self.total -= 1
        if not buffer:
            del self[key]
        return item

    def _over(self) -> bool:
        return bool(self.maxsize) and self.total > self.maxsize

    def _drop(self) -> None:
        self.take(self._LRUkey())

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self.total}/{self.maxsize}>"
