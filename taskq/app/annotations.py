"""``task_annotations``: attributes of tasks that are set from outside of their code."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from importlib import import_module
from typing import Any

__all__ = ["MapAnnotation", "prepare", "resolve_all"]


class MapAnnotation(dict[str, Any]):
    """Task names, and ``*`` for all, to attributes."""

    def annotate_any(self) -> dict[str, Any] | None:
        """Return what is set on every task."""
        return dict(self["*"]) if "*" in self else None

    def annotate(self, task: Any) -> dict[str, Any] | None:
        """Return what is set on one task."""
        return dict(self[task.name]) if task.name in self else None


def prepare(annotations: Any) -> list[Any]:
    """Return the annotations as objects with ``annotate`` and ``annotate_any``."""
    if annotations is None:
        return []
    if isinstance(annotations, str | Mapping) or not isinstance(annotations, Iterable):
        annotations = (annotations,)
    return [_expand(each) for each in annotations]


def _expand(annotation: Any) -> Any:
    if isinstance(annotation, Mapping):
        return MapAnnotation(annotation)
    if isinstance(annotation, str):
        module, _, name = annotation.replace(":", ".").rpartition(".")
        found = getattr(import_module(module), name)
        return found() if isinstance(found, type) else found
    return annotation


def resolve_all(anno: Iterable[Any], task: Any) -> Iterator[dict[str, Any]]:
    """Return what applies to a task, the general before the particular."""
    for annotation in anno:
        for ask, arguments in (("annotate_any", ()), ("annotate", (task,))):
            found = getattr(annotation, ask, None)
            values = found(*arguments) if found is not None else None
            if values:
                yield values
