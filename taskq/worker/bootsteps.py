"""Steps: what a program lets happen beside a worker, when it starts and when it stops.

A program subclasses ``Step``, ``StartStopStep`` or ``ConsumerStep`` and puts the class into
``app.steps["worker"]`` or ``app.steps["consumer"]``.  ``taskq.worker.moments`` calls them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar, Final

from taskq.app.discovery import symbol
from taskq.app.log import get_logger
from taskq.errors import OperationalError
from taskq.worker.blueprint import CLOSE, RUN, TERMINATE, Blueprint, StepFormatter

__all__ = [
    "CLOSE",
    "RUN",
    "TERMINATE",
    "Blueprint",
    "ConsumerStep",
    "StartStopStep",
    "Step",
    "StepFormatter",
    "StepType",
]

logger: Final = get_logger("taskq.worker")


class StepType(type):
    """Gives each class of steps its name: where it is, unless it says another one."""

    name: Any = None
    requires: Any = None

    def __new__(  # noqa: D102 - the class says it
        mcs, name: str, bases: tuple[type, ...], attributes: dict[str, Any]
    ) -> StepType:
        if not attributes.get("name"):
            attributes["name"] = f"{attributes.get('__module__')}.{name}"
        return super().__new__(mcs, name, bases, attributes)

    def __str__(cls) -> str:
        return str(cls.name)

    def __repr__(cls) -> str:
        return f"step:{cls.name}"


class Step(metaclass=StepType):
    """Something that is made with a worker.

    ``create`` is called when the worker is made; nothing else is.
    """

    name: str | None = None
    label: str | None = None  # how it is called in a graph
    # What comes before it: classes of steps, or where they are.
    requires: ClassVar[Any] = ()
    last = False  # comes after all that do not say so
    conditional = False  # may be left out
    enabled = True

    def __init__(self, parent: Any, **kwargs: Any) -> None:
        """Be made; ``kwargs`` is what the worker was told."""

    def include_if(self, parent: Any) -> Any:  # noqa: ARG002 - for subclasses
        """Say whether the step is wanted."""
        return self.enabled

    def instantiate(self, name: Any, *args: Any, **kwargs: Any) -> Any:
        """Make an object of a class, or of what is there under a dotted name."""
        return symbol(name)(*args, **kwargs)

    def include(self, parent: Any) -> bool:
        """Make what it stands for, if it is wanted; says whether."""
        return self._make(parent)[0]

    def _make(self, parent: Any) -> tuple[bool, Any]:
        return (True, self.create(parent)) if self.include_if(parent) else (False, None)

    def create(self, parent: Any) -> Any:
        """Make what the step stands for; for subclasses."""

    def info(self, obj: Any) -> dict[str, Any] | None:  # noqa: ARG002 - for subclasses
        """Return what ``inspect stats`` shows of it; for subclasses."""
        return None

    @property
    def alias(self) -> str:
        """How it is called for short."""
        return self.label or str(self.name).rpartition(".")[2]

    def __repr__(self) -> str:
        return f"<step: {self.alias}>"


class StartStopStep(Step):
    """A step that is started and stopped; or what its ``create`` returns is, in its place."""

    obj: Any = None

    def include(self, parent: Any) -> bool:
        """Make what it stands for, and be called from now on."""
        wanted, made = self._make(parent)
        if wanted:
            self.obj = made
            parent.steps.append(self)
        return wanted

    def start(self, parent: Any) -> Any:  # noqa: ARG002 - for subclasses
        """Begin."""
        return self.obj.start() if self.obj else None

    def stop(self, parent: Any) -> Any:  # noqa: ARG002 - for subclasses
        """End."""
        return self.obj.stop() if self.obj else None

    def close(self, parent: Any) -> Any:
        """Hear that the worker is about to stop."""

    def terminate(self, parent: Any) -> Any:  # noqa: ARG002 - for subclasses
        """End at once."""
        if self.obj:
            return getattr(self.obj, "terminate", self.obj.stop)()
        return None


class ConsumerStep(StartStopStep):
    """Takes messages of its own, beside the worker's tasks.

    ``get_consumers`` makes kombu's consumers.  They are made anew when the connection was lost.
    """

    requires: ClassVar[Any] = ("celery.worker.consumer:Connection",)
    consumers: Sequence[Any] | None = None
    _channel: Any = None

    def get_consumers(self, channel: Any) -> Sequence[Any]:
        """Return the consumers; for subclasses."""
        raise NotImplementedError(f"{type(self).__name__} has no get_consumers(channel); define it")

    def start(self, c: Any) -> None:
        """Begin to consume."""
        self._channel = c.connection.channel()
        self.consumers = self.get_consumers(self._channel)
        for consumer in self.consumers or ():
            consumer.consume()

    def stop(self, c: Any) -> None:
        """Take no more."""
        self._leave(c, cancel=True)

    def shutdown(self, c: Any) -> None:
        """Let go of the channel."""
        self._leave(c, cancel=False)

    def _leave(self, c: Any, *, cancel: bool) -> None:
        consumers, self.consumers = self.consumers or (), ()
        channel, self._channel = self._channel, None
        gone = _errors_of(c)
        if cancel:
            for consumer in consumers:
                _try(consumer.cancel, gone)
        for each in _distinct([channel, *(consumer.channel for consumer in consumers)]):
            _try(each.close, gone)


def _errors_of(c: Any) -> tuple[type[BaseException], ...]:
    """What a connection that is gone may raise."""
    connection = c.connection
    known = (*connection.connection_errors, *connection.channel_errors) if connection else ()
    return (*known, OSError, OperationalError)


def _try(call: Any, gone: tuple[type[BaseException], ...]) -> None:
    try:
        call()
    except gone as error:
        # The broker has forgotten what it was asked to forget.
        logger.debug("a step leaves a connection that is gone: %s", error)


def _distinct(channels: Iterable[Any]) -> list[Any]:
    return list({id(each): each for each in channels if each is not None}.values())
