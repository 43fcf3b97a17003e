# ruff: noqa: PLR0917 - the parameters are Celery's, and so is their order
"""Steps in the order of what they require, and their way from start to stop.

A ``Blueprint`` knows no worker: it calls methods of steps with a parent, which has ``steps``.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from typing import Any, ClassVar, Final

from taskq.app.discovery import symbol
from taskq.app.graph import DependencyGraph
from taskq.app.log import get_logger
from taskq.errors import ImproperlyConfigured

__all__ = ["CLOSE", "RUN", "TERMINATE", "Blueprint", "StepFormatter"]

logger: Final = get_logger("taskq.worker")

RUN: Final = 1
CLOSE: Final = 2
TERMINATE: Final = 3

# Where programs say that the documented steps are; ours are at the same places below taskq.
THEIRS: Final = "celery."
OURS: Final = "taskq."
CONSUMER: Final = "taskq.worker.consumer"
PLACES: Final = "taskq.worker.consumer.places"


class StepFormatter:
    """How steps look in a graph in the language of graphviz."""

    blueprint_prefix = "⧉"
    conditional_prefix = "∘"
    blueprint_scheme: ClassVar[Mapping[str, str]] = {
        "shape": "parallelogram",
        "color": "slategray4",
        "fillcolor": "slategray3",
    }

    def label(self, step: Any) -> str:
        """Return its name, with a sign for what may be left out."""
        if step is None:
            return ""
        sign = self.conditional_prefix if getattr(step, "conditional", False) else ""
        if isinstance(step, Blueprint):
            sign = self.blueprint_prefix
        name = getattr(step, "alias", None) or str(step)
        return f"{sign}{name if isinstance(name, str) else short(step)}"

    def node(self, obj: Any, **attrs: Any) -> str:
        """Return the line of a node."""
        scheme = self.blueprint_scheme if isinstance(obj, Blueprint) else {}
        return f'"{self.label(obj)}" [{_attributes({**scheme, **attrs})}]'

    def edge(self, a: Any, b: Any, **attrs: Any) -> str:
        """Return the line of an edge."""
        return f'"{self.label(a)}" -> "{self.label(b)}" [{_attributes(attrs)}]'

    __call__ = label


def _attributes(attrs: Mapping[str, Any]) -> str:
    return ", ".join(f'{name}="{value}"' for name, value in attrs.items())


def short(step: Any) -> str:
    """Return how a class of steps is called for short."""
    return step.label or str(step.name).rpartition(".")[2]


class Blueprint:
    """The steps of one parent."""

    GraphFormatter = StepFormatter

    name: str | None = None
    state: int | None = None
    started = 0  # how many steps were started
    default_steps: ClassVar[Any] = ()
    state_to_name: ClassVar[Mapping[int, str]] = {
        0: "initializing",
        RUN: "running",
        CLOSE: "closing",
        TERMINATE: "terminating",
    }

    def __init__(
        self,
        steps: Iterable[Any] | None = None,
        name: str | None = None,
        on_start: Callable[[], object] | None = None,
        on_close: Callable[[], object] | None = None,
        on_stopped: Callable[[], object] | None = None,
    ) -> None:
        self.name = name or self.name or type(self).__qualname__
        # In the order in which they are documented, then the program's own by name.
        own = sorted((symbol(step) for step in steps or ()), key=lambda step: str(step.name))
        self.types = [*(symbol(step) for step in self.default_steps), *own]
        self.on_start, self.on_close, self.on_stopped = on_start, on_close, on_stopped
        self.shutdown_complete = threading.Event()
        self.steps: dict[str, Any] = {}
        self.order: list[Any] = []
        self.graph = DependencyGraph(formatter=self.GraphFormatter())

    @property
    def alias(self) -> str:
        """How it is called for short."""
        return str(self.name).rpartition(".")[2]

    # -- making ------------------------------------------------------------------------------------

    def apply(self, parent: Any, **kwargs: Any) -> Blueprint:
        """Make all steps, then let each be included, in their order."""
        classes = self._sorted(self.claim_steps())
        self.order = [cls(parent, **kwargs) for cls in classes]
        self.steps = {cls.name: step for cls, step in zip(classes, self.order, strict=True)}
        self._draw(classes)
        for step in self.order:
            step.include(parent)
        return self

    def claim_steps(self) -> dict[str, Any]:
        """Return the classes of all steps by name, with those that others require."""
        known = dict(self.load_step(step) for step in self.types)
        todo = list(known.values())
        while todo:
            for required in map(found, todo.pop(0).requires or ()):
                if required.name not in known:
                    known[required.name] = required
                    todo.append(required)
        return known

    def load_step(self, step: Any) -> tuple[str, Any]:
        """Return the name of a step, and its class."""
        cls = symbol(step)
        return cls.name, cls

    def connect_with(self, other: Blueprint) -> None:
        """Draw the graph of another blueprint behind this one's last step."""
        for node, others in other.graph.items():
            self.graph.add_arc(node)
            for each in others:
                self.graph.add_edge(node, each)
        if self.order and other.order:
            self.graph.add_edge(other.order[0], self.order[-1])

    def _sorted(self, known: Mapping[str, Any]) -> list[Any]:
        # The last ones require all others that are not last themselves.
        first = [name for name, cls in known.items() if not cls.last]
        needs = {
            name: [found(one).name for one in cls.requires or ()] + (first if cls.last else [])
            for name, cls in known.items()
        }
        try:
            return [known[name] for name in _in_order(needs)]
        except CycleError as error:
            circle = " -> ".join(error.args[1])
            raise ImproperlyConfigured(
                f"steps of the {self.name} require each other in a circle: {circle}"
            ) from error

    def _draw(self, classes: Sequence[Any]) -> None:
        for cls in classes:
            self.graph.add_arc(self.steps[cls.name])
            for required in map(found, cls.requires or ()):
                self.graph.add_edge(self.steps[cls.name], self.steps[required.name])

    # -- the way of the steps ----------------------------------------------------------------------

    def start(self, parent: Any) -> None:
        """Start each step, in their order."""
        self.begin()
        self.start_these(parent, parent.steps)

    def begin(self) -> None:
        """Be running."""
        self.state = RUN
        if self.on_start is not None:
            self.on_start()

    def start_these(self, parent: Any, steps: Iterable[Any]) -> None:
        """Start some of the steps."""
        for step in steps:
            self.started += 1
            step.start(parent)

    def close(self, parent: Any) -> None:
        """Tell each step that the end is near."""
        if self.on_close is not None:
            self.on_close()
        self.send_all(parent, "close", "closing", reverse=False)

    def restart(
        self,
        parent: Any,
        method: str = "stop",
        description: str = "restarting",
        propagate: bool = False,
    ) -> None:
        """Stop each step, to be started again."""
        self.send_all(parent, method, description, propagate=propagate)

    def stop(self, parent: Any, close: bool = True, terminate: bool = False) -> None:
        """Stop each step, the last first."""
        if self.state in {CLOSE, TERMINATE}:
            return
        if close:
            self.close(parent)
        self.state = CLOSE
        method = "terminate" if terminate else "stop"
        self.send_all(parent, method, "stopping", propagate=False)
        self.end()

    def end(self) -> None:
        """Be over."""
        self.state = TERMINATE
        if self.on_stopped is not None:
            self.on_stopped()
        self.shutdown_complete.set()

    def join(self, timeout: float | None = None) -> None:
        """Wait until it is over."""
        self.shutdown_complete.wait(timeout)

    def send_all(
        self,
        parent: Any,
        method: str,
        description: str | None = None,
        reverse: bool = True,
        propagate: bool = True,
        args: Sequence[Any] = (),
    ) -> None:
        """Call a method of each step that has it.

        What it raises is logged unless it is to ``propagate``: others must be told as well.
        """
        steps = [step for step in parent.steps if step is not None]
        self.tell(
            parent, reversed(steps) if reverse else steps, method, description, propagate, args
        )

    def tell(
        self,
        parent: Any,
        steps: Iterable[Any],
        method: str,
        description: str | None = None,
        propagate: bool = False,
        args: Sequence[Any] = (),
    ) -> None:
        """Call a method of some steps."""
        for step in steps:
            call = getattr(step, method, None)
            if call is None:
                continue
            try:
                call(parent, *args)
            except Exception:  # a boundary: a program's step may raise anything
                if propagate:
                    raise
                logger.exception(
                    "%s: step %s failed while %s", self.name, step, description or method
                )

    # -- looking at it -----------------------------------------------------------------------------

    def human_state(self) -> str:
        """Return its state in a word."""
        return self.state_to_name[self.state or 0]

    def info(self, parent: Any) -> dict[str, Any]:
        """Return what all steps show of themselves."""
        shown: dict[str, Any] = {}
        for step in parent.steps:
            shown |= step.info(parent) or {}
        return shown

    def __getitem__(self, name: str) -> Any:
        return self.steps[name]


def found(required: Any) -> Any:
    """Return the class that a step requires: itself, or by where it is.

    Celery's places stand for ours, with or without the alias.
    """
    if not isinstance(required, str):
        return required
    place = OURS + required.removeprefix(THEIRS) if required.startswith(THEIRS) else required
    if place.startswith(CONSUMER):  # whichever of Celery's modules it names
        place = f"{PLACES}:{re.split('[.:]', place)[-1]}"
    try:
        return symbol(place)
    except (ImportError, AttributeError, ValueError) as error:
        raise ImproperlyConfigured(
            f"a step requires {required!r}, and there is no such step ({error}); the documented"
            " ones are in taskq.worker.components and taskq.worker.consumer"
        ) from error


def _in_order(needs: Mapping[str, Sequence[str]]) -> list[str]:
    """Return the names, each after what it needs, else in the order in which they are known."""
    place = {name: number for number, name in enumerate(needs)}
    sorter = TopologicalSorter(needs)
    sorter.prepare()
    ready: list[str] = []
    out: list[str] = []
    while sorter.is_active():
        ready = sorted({*ready, *sorter.get_ready()}, key=place.__getitem__)
        name = ready.pop(0)
        out.append(name)
        sorter.done(name)
    return out
