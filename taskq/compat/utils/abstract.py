"""``celery.utils.abstract``: what looks like a task, and what looks like a signature."""

from __future__ import annotations

from abc import ABC, ABCMeta, abstractmethod
from collections.abc import Sequence
from typing import Any

from taskq.app.task import Task
from taskq.canvas import Signature

__all__ = ["CallableSignature", "CallableTask"]


def _defines(cls: type, names: Sequence[str]) -> bool:
    return all(any(name in base.__dict__ for base in cls.__mro__) for name in names)


class CallableTask(ABC):
    """Something that is called like a task."""

    _needed: Sequence[str] = ("delay", "apply_async", "apply", "__call__")

    @abstractmethod
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run it here, as a function."""

    @abstractmethod
    def delay(self, *args: Any, **kwargs: Any) -> Any:
        """Send it."""

    @abstractmethod
    def apply_async(self, *args: Any, **kwargs: Any) -> Any:
        """Send it, with options."""

    @abstractmethod
    def apply(self, *args: Any, **kwargs: Any) -> Any:
        """Run it here, as a task."""

    @classmethod
    def register(cls, other: Any) -> Any:
        """Count a class as one."""
        ABCMeta.register(cls, other)
        return other

    @classmethod
    def __subclasshook__(cls, other: type) -> Any:
        return True if cls is CallableTask and _defines(other, cls._needed) else NotImplemented


class CallableSignature(CallableTask):
    """Something that is used like a signature."""

    _needed = (
        *("delay", "apply_async", "apply", "__call__", "clone", "freeze", "set", "link"),
        *("link_error", "__or__", "__invert__"),
    )

    @property
    @abstractmethod
    def name(self) -> Any:
        """The name of the task."""

    @property
    @abstractmethod
    def type(self) -> Any:
        """The task."""

    @property
    @abstractmethod
    def app(self) -> Any:
        """The app."""

    @property
    @abstractmethod
    def id(self) -> Any:
        """The id, once it is known."""

    @property
    @abstractmethod
    def task(self) -> Any:
        """The name of the task."""

    @property
    @abstractmethod
    def args(self) -> Any:
        """The arguments by position."""

    @property
    @abstractmethod
    def kwargs(self) -> Any:
        """The arguments by name."""

    @property
    @abstractmethod
    def options(self) -> Any:
        """How it is sent."""

    @property
    @abstractmethod
    def subtask_type(self) -> Any:
        """Which primitive it is."""

    @property
    @abstractmethod
    def chord_size(self) -> Any:
        """How many parts it is of a chord's header."""

    @property
    @abstractmethod
    def immutable(self) -> Any:
        """Whether it takes no result of what came before."""

    @abstractmethod
    def clone(self, args: Any = None, kwargs: Any = None) -> Any:
        """Return a copy with more arguments."""

    @abstractmethod
    def freeze(
        self,
        id: Any = None,  # noqa: A002 - Celery's name
        group_id: Any = None,
        chord: Any = None,
        root_id: Any = None,
        group_index: Any = None,
    ) -> Any:
        """Give it an id; returns the result that it will have."""

    @abstractmethod
    def set(self, immutable: Any = None, **options: Any) -> Any:
        """Add options."""

    @abstractmethod
    def link(self, callback: Any) -> Any:
        """Call this when it has ended well."""

    @abstractmethod
    def link_error(self, errback: Any) -> Any:
        """Call this when it has failed."""

    @abstractmethod
    def __or__(self, other: Any) -> Any: ...

    @abstractmethod
    def __invert__(self) -> Any: ...

    @classmethod
    def __subclasshook__(cls, other: Any) -> Any:
        return True if cls is CallableSignature and _defines(other, cls._needed) else NotImplemented


CallableTask.register(Task)
CallableSignature.register(Signature)
