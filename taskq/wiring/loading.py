"""Finds an adapter by its name."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from importlib import import_module
from typing import Any

from taskq.errors import ImproperlyConfigured


class UnknownNameError(ImproperlyConfigured):
    """A setting names an adapter that does not exist."""

    def __init__(self, setting: str, name: str, known: Iterable[str]) -> None:
        super().__init__(setting, name, tuple(sorted(known)))
        self.setting, self.name, self.known = setting, name, tuple(sorted(known))

    def __str__(self) -> str:
        near = get_close_matches(self.name, self.known, n=1)
        advice = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(self.known)}"
        return f"{self.setting}: there is no {self.name!r}; {advice}"


def load(path: str) -> Any:
    """Import ``module:name`` (or ``module.name``)."""
    module, colon, name = path.partition(":")
    if not colon:
        module, _, name = path.rpartition(".")
    return getattr(import_module(module), name)


def is_path(name: str) -> bool:
    """Whether a setting names a class by its path, not by an alias."""
    return ":" in name or "." in name
