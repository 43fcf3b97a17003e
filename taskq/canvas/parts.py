"""Small things that signatures are made of: keys as attributes, lists among options, names."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple, Protocol, TypeVar

__all__ = [
    "DEFAULTS",
    "Fixing",
    "Item",
    "Result",
    "is_nothing",
    "listed",
    "task_name_from",
    "type_name",
]

R_co = TypeVar("R_co", covariant=True)


class Result(Protocol[R_co]):
    """The part of ``AsyncResult`` that a caller of a signature uses most."""

    @property
    def id(self) -> str:
        """The task's id."""

    @property
    def parent(self) -> Any:
        """The result before this one."""

    @property
    def state(self) -> str:
        """The state that is stored now."""

    def get(self, timeout: float | None = None, **options: Any) -> R_co:
        """Wait for the value."""

    def ready(self) -> bool:
        """Whether the task has ended."""


class Item:
    """A key of a signature as an attribute."""

    __slots__ = ("_path",)

    def __init__(self, *path: str) -> None:
        self._path = path

    def __get__(self, sig: Any, owner: Any = None) -> Any:
        if sig is None:
            return self
        for key in self._path[:-1]:
            sig = sig[key]
        return dict.get(sig, self._path[-1])

    def __set__(self, sig: Any, value: Any) -> None:
        for key in self._path[:-1]:
            sig = sig[key]
        sig[self._path[-1]] = value


class Fixing(NamedTuple):
    """What ``Signature.freeze`` is told, in its order."""

    id: str | None = None
    group_id: str | None = None
    chord: Any = None
    root_id: str | None = None
    parent_id: str | None = None
    group_index: int | None = None

    @property
    def place(self) -> dict[str, Any]:
        """Where in a group, as options, as far as it is said."""
        said = {"group_id": self.group_id, "chord": self.chord, "group_index": self.group_index}
        return {key: value for key, value in said.items() if value is not None}

    @property
    def lineage(self) -> dict[str, Any]:
        """What it stems from, as options, as far as it is said."""
        said = {"root_id": self.root_id, "parent_id": self.parent_id}
        return {key: value for key, value in said.items() if value}


# What a plain signature is if nothing is said.
DEFAULTS: Final[Mapping[str, Callable[[], Any]]] = {
    "task": lambda: None,
    "args": tuple,
    "kwargs": dict,
    "options": dict,
    "subtask_type": lambda: None,
    "immutable": lambda: False,
}


def is_nothing(sig: Any) -> bool:
    """Whether it is a chain without steps: it vanishes in whatever it stands in."""
    return sig is not None and sig.subtask_type == "chain" and not sig.tasks


def listed(value: Any) -> list[Any]:
    """Return the values of a list, one value as a list of one, and nothing of None."""
    if value is None:
        return []
    return list(value) if isinstance(value, list | tuple) else [value]


def task_name_from(task: Any) -> Any:
    """Return the name of a task; a name is its own."""
    return getattr(task, "name", task)


def type_name(value: Any) -> str:
    """Name the type of a value, for messages."""
    return type(value).__name__
