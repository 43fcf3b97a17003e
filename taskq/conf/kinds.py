"""What a setting can be: its type, and how one row of the table looks.

The tables in ``settings*.py`` are made of these; ``loading.py`` asks ``Kind.accept`` for each value
that comes in.  A kind refuses what cannot be meant (a mapping as a number, a number as a name) and
lets through what Celery lets through: it is no validator of contents.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from numbers import Real
from typing import Any, Final

YES: Final = frozenset({"1", "true", "yes", "on", "t", "y"})
NO: Final = frozenset({"0", "false", "no", "off", "f", "n", ""})


class Unfit(Exception):
    """A value is not of the kind.  ``loading`` turns it into a ``WrongSettingError``."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A type of settings.  ``None`` is always accepted: it means that the setting is not given."""

    expected: str  # completes "must be ..."
    check: Callable[[Any], Any]  # returns the value to keep, or raises Unfit
    parse: Callable[[str], Any]  # reads what stands on a command line

    def accept(self, value: Any) -> Any:
        """Return the value as it is kept; raises ``Unfit``."""
        return None if value is None else self.check(value)


@dataclass(frozen=True, slots=True)
class Setting:
    """One row of the table."""

    name: str
    kind: Kind
    default: Any
    help: str
    old: tuple[str, ...] = ()

    @property
    def old_names(self) -> tuple[str, ...]:
        """The upper-case names under which Celery's users know it; the first is the usual one."""
        return self.old or (() if self.name.isupper() else (self.name.upper(),))

    def fresh_default(self) -> Any:
        """Return the default; one that can be changed in place is a copy of its own."""
        return copy.copy(self.default) if isinstance(self.default, dict | list) else self.default


def _is_number(value: Any) -> bool:
    return isinstance(value, Real)


def _number_in(text: str) -> int | float:
    try:
        return int(text)
    except ValueError:
        return float(text)


def _number(value: Any) -> Any:
    if _is_number(value):
        return value
    if isinstance(value, str):
        try:
            return _number_in(value.strip())
        except ValueError:
            pass  # refused below, with every other text
    raise Unfit


def _seconds(value: Any) -> Any:
    return value if isinstance(value, timedelta) else _number(value)


def _flag(value: Any) -> Any:
    if _is_number(value):
        return value
    if isinstance(value, str) and value.strip().lower() in YES | NO:
        # A text from the environment: "False" has to mean what it says.
        return value.strip().lower() in YES
    raise Unfit


def _flag_or_options(value: Any) -> Any:
    return value if isinstance(value, Mapping) else _flag(value)


def _is_collection(value: Any) -> bool:
    return isinstance(value, Mapping | list | tuple | set | frozenset)


def _text(value: Any) -> Any:
    # Whatever can stand for a text passes: paths, enumerations, lazily translated texts.
    if _is_number(value) or _is_collection(value):
        raise Unfit
    return value


def _text_or_number(value: Any) -> Any:
    if isinstance(value, bool) or _is_collection(value):
        raise Unfit
    return value


def _urls(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return value
    return _text(value)


def _names(value: Any) -> Any:
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    if _is_number(value) or isinstance(value, Mapping):
        raise Unfit
    if isinstance(value, list | tuple | set | frozenset):
        return value
    if isinstance(value, Iterable):
        return list(value)
    raise Unfit


def _mapping(value: Any) -> Any:
    if isinstance(value, Mapping):
        return value
    raise Unfit


def _queues(value: Any) -> Any:
    if isinstance(value, str) or _is_number(value):
        raise Unfit
    return value


def _count_or_auto(value: Any) -> Any:
    if not isinstance(value, str) or value.strip() == "auto":
        return value
    return _number(value)


def _anything(value: Any) -> Any:
    return value


def _parse_json_or_text(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _parse_seconds(text: str) -> Any:
    return _number_in(text)


TEXT: Final = Kind("text", _text, str)
TEXT_OR_NUMBER: Final = Kind("text or a number", _text_or_number, str)
SECRET: Final = Kind("text, bytes or a number", _text_or_number, str)
PATH_OR_CLASS: Final = Kind("a dotted path or a class", _text, str)
URLS: Final = Kind("a URL or a list of URLs", _urls, str)
INTEGER: Final = Kind("a whole number", _number, _number_in)
NUMBER: Final = Kind("a number", _number, _number_in)
SECONDS: Final = Kind("a number of seconds or a timedelta", _seconds, _parse_seconds)
FLAG: Final = Kind("true or false", _flag, str)
FLAG_OR_OPTIONS: Final = Kind("true, false or a mapping", _flag_or_options, _parse_json_or_text)
NAMES: Final = Kind("a list of names", _names, str)
MAPPING: Final = Kind("a mapping", _mapping, _parse_json_or_text)
QUEUES: Final = Kind("a list or mapping of queues", _queues, _parse_json_or_text)
COUNT_OR_AUTO: Final = Kind("a whole number or 'auto'", _count_or_auto, str)
ANY: Final = Kind("anything", _anything, _parse_json_or_text)
