"""``celery.utils.annotations``: questions to type hints."""

from __future__ import annotations

from inspect import isclass
from types import GenericAlias, NoneType, UnionType
from typing import Any, Union, get_args, get_origin

__all__ = ["annotation_is_class", "annotation_issubclass", "get_optional_arg", "is_none_type"]


def is_none_type(value: Any) -> bool:
    """Whether this is the type of ``None``."""
    return value is NoneType


def get_optional_arg(annotation: Any) -> Any:
    """Return ``T`` of ``T | None``, and None for anything else."""
    if get_origin(annotation) not in (Union, UnionType):
        return None
    args = get_args(annotation)
    others = [each for each in args if not is_none_type(each)]
    return others[0] if len(args) == 2 and len(others) == 1 else None  # noqa: PLR2004 - a pair


def annotation_is_class(annotation: Any) -> bool:
    """Whether this is a class, and no generic."""
    return isclass(annotation) and not isinstance(annotation, GenericAlias)


def annotation_issubclass(annotation: Any, cls: type) -> bool:
    """Whether this is a class below another."""
    return annotation_is_class(annotation) and issubclass(annotation, cls)
