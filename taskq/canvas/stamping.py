"""Stamps: headers that mark every message of a canvas.

A signature keeps its stamps among its options, and their names in the option ``stamped_headers``.
``Signature.stamp`` calls the visitor's hooks while it walks through a canvas; what a hook returns
are stamps, all of them, unless it names those that are under ``stamped_headers`` itself.
"""
# ruff: noqa: ARG002, B027 - hooks that do nothing are the point of a base class of hooks

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, Final

__all__ = ["STAMPED_HEADERS", "StampingVisitor", "merged_stamps", "named", "with_stamps"]

STAMPED_HEADERS: Final = "stamped_headers"

Headers = dict[str, Any]


class StampingVisitor(ABC):
    """Decides the stamps of each part of a canvas.  Only ``on_signature`` has to be written."""

    @abstractmethod
    def on_signature(self, sig: Any, **headers: Any) -> Headers:
        """Return the stamps of one signature."""

    def on_group_start(self, group: Any, **headers: Any) -> Headers:
        """Return what is given to all members; called before them."""
        return {}

    def on_group_end(self, group: Any, **headers: Any) -> None:
        """After the last member."""

    def on_chain_start(self, chain: Any, **headers: Any) -> Headers:
        """Return what is given to all steps; called before them."""
        return {}

    def on_chain_end(self, chain: Any, **headers: Any) -> None:
        """After the last step."""

    def on_chord_header_start(self, sig: Any, **header: Any) -> Headers:
        """Return what is given to all members of the header; called before them."""
        return self.on_group_start(sig.tasks, **header) or {}

    def on_chord_header_end(self, sig: Any, **header: Any) -> None:
        """After the last member of the header."""

    def on_chord_body(self, sig: Any, **header: Any) -> Headers:
        """Return what is given to the body."""
        return {}

    def on_callback(self, callback: Any, **header: Any) -> Headers:
        """Return what is given to a callback, before it is visited itself."""
        return {}

    def on_errback(self, errback: Any, **header: Any) -> Headers:
        """Return what is given to an errback, before it is visited itself."""
        return {}


def with_stamps(headers: Mapping[str, Any], found: Mapping[str, Any] | None) -> Headers:
    """Lay what a hook returned over the headers that came from above; its names come first."""
    above = named(headers)
    if not found:
        return above
    new = named(found)
    names = [*new.pop(STAMPED_HEADERS), *above.pop(STAMPED_HEADERS, ())]
    return {**above, STAMPED_HEADERS: list(dict.fromkeys(names)), **new}


def named(headers: Mapping[str, Any]) -> Headers:
    """Say which headers are stamps, where they do not say it themselves: all of them."""
    given = dict(headers)
    if given and STAMPED_HEADERS not in given:
        given[STAMPED_HEADERS] = list(given)
    return given


def merged_stamps(
    old: Mapping[str, Any], new: Mapping[str, Any], *, append: bool = False
) -> Headers:
    """Lay new options over old ones; the names of all stamps are kept, in order.

    With ``append`` a stamp that is there already becomes a list with the new value first.
    """
    merged = {**old, **new}
    names = [*(old.get(STAMPED_HEADERS) or ()), *(new.get(STAMPED_HEADERS) or ())]
    if names:
        merged[STAMPED_HEADERS] = list(dict.fromkeys(names))
    if append:
        for name in new.get(STAMPED_HEADERS) or ():
            if name in old and name in new:
                merged[name] = _appended(old[name], new[name])
    return merged


def _appended(old: Any, new: Any) -> list[Any]:
    values: list[Any] = []
    for value in (*_listed(new), *_listed(old)):
        if value not in values:
            values.append(value)
    return values


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple | set | frozenset) else [value]
