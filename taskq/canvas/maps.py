"""One task over many items: in one message (``xmap``, ``xstarmap``), or a few at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any, ClassVar

from taskq.canvas.composite import Composite, add_links, leaves, take
from taskq.canvas.groups import group
from taskq.canvas.parts import task_name_from
from taskq.canvas.signature import Signature, maybe_signature
from taskq.canvas.steps import Step, Unfolded

__all__ = ["chunks", "xmap", "xstarmap"]


class _basemap(Signature[list[Any]]):  # noqa: N801 - Celery's name
    """A task and its items, run by one worker one after the other."""

    # Their data does not say which kind they are: read back, it is a call of a builtin task.
    _task_name: ClassVar[str]
    _star: ClassVar[str]

    def __init__(self, task: Any, it: Iterable[Any], app: Any = None, **options: Any) -> None:
        super().__init__(
            self._task_name,
            kwargs={"task": _as_signature(task, app), "it": list(it)},
            immutable=True,
            app=app,
            **options,
        )

    def _step(self, args: Any, kwargs: Any, options: Mapping[str, Any]) -> Step:
        """Route it as if it were the task that it runs."""
        name = task_name_from(maybe_signature(self.kwargs["task"]))
        return super()._step(args, kwargs, {"route_name": name, **options})

    def __repr__(self) -> str:
        name = task_name_from(maybe_signature(self.kwargs["task"]))
        return f"[{name}({self._star}x) for x in {self.kwargs['it']!r}]"


@Signature.register_type("xmap")
class xmap(_basemap):  # noqa: N801 - Celery's name
    """Call the task with each item."""

    _task_name, _star = "celery.map", ""


@Signature.register_type("xstarmap")
class xstarmap(_basemap):  # noqa: N801 - Celery's name
    """Call the task with the parts of each item."""

    _task_name, _star = "celery.starmap", "*"


@Signature.register_type("chunks")
class chunks(Composite[list[Any]]):  # noqa: N801 - Celery's name
    """Items in parts of ``n``, each part a message of its own."""

    def __init__(
        self, task: Any, it: Iterable[Any], n: int, app: Any = None, **options: Any
    ) -> None:
        if n < 1:
            raise ValueError(f"chunks of {n} items cannot be made; n is at least 1")
        super().__init__(
            "celery.chunks",
            kwargs={"task": _as_signature(task, app), "it": list(it), "n": n},
            immutable=True,
            app=app,
            **options,
        )

    def _adopt(self) -> None:
        self.kwargs["task"] = _as_signature(self.kwargs["task"], self._app)

    def __call__(self, **options: Any) -> Any:
        """Send it."""
        return self.apply_async(**options)

    @classmethod
    def apply_chunks(cls, task: Any, it: Iterable[Any], n: int, app: Any = None) -> Any:
        """Send the items in parts."""
        return cls(task, it, n, app=app)()

    def election(self) -> Any:
        """Let one of the workers send the parts."""
        return self.group().election()

    def _leaves(self) -> int:
        return leaves(self.group())

    def _parts(self) -> list[Any]:
        return [self.kwargs["task"]]

    def group(self) -> group:
        """Make the group that it stands for."""
        task, items = self.kwargs["task"], iter(self.kwargs["it"])
        parts = _parts(items, self.kwargs["n"])
        options = dict(self.options)
        links = take(options, "link", "link_error")
        made = group(
            [xstarmap(task, part, app=self._known_app()) for part in parts],
            app=self._known_app(),
            options=options,
        )
        add_links(links, made)
        return made

    def _come_apart(
        self,
        args: tuple[Any, ...],  # noqa: ARG002 - it is immutable
        kwargs: dict[str, Any],  # noqa: ARG002 - it is immutable
        said: dict[str, Any],
    ) -> Unfolded:
        """Send a message for each part."""
        return self.group().unfold((), {}, **said)


def _as_signature(task: Any, app: Any) -> Any:
    return maybe_signature(task, app=app) if isinstance(task, dict) else Signature(task, app=app)


def _parts(items: Iterator[Any], size: int) -> Iterator[list[Any]]:
    while part := list(islice(items, size)):
        yield part
