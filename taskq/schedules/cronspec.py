"""The fields of a crontab: ``*/5``, ``mon-fri``, ``1,15``, ``22-2``, sets of numbers.

Ranges may wrap (``fri-mon``), a step goes on over the end of its range (``50-10/20`` is 50 and
10), and Sunday is 0 or 7.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import ClassVar, Final

__all__ = ["ParseException", "cronfield", "crontab_parser", "expand"]

WEEKDAYS: Final = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_SUNDAY_AGAIN: Final = 7
# A name counts by its first letters, as ``Tuesday`` and ``nov``.
_LETTERS: Final = 3


class ParseException(ValueError):
    """A field of a crontab cannot be read."""


def cronfield(s: str | None) -> str:
    """Return a field as it is shown: nothing means any."""
    return "*" if s is None else s


class crontab_parser:  # noqa: N801 - Celery's name
    """Reads one field whose values begin at ``min_`` and are ``max_`` in number."""

    ParseException: ClassVar[type[ParseException]] = ParseException

    def __init__(self, max_: int = 60, min_: int = 0) -> None:
        self.max_, self.min_ = max_, min_
        self.pats: tuple[tuple[re.Pattern[str], Callable[[Sequence[str]], list[int]]], ...] = (
            (re.compile(r"(\w+)-(\w+)/(\w+)"), self._range_with_step),
            (re.compile(r"(\w+)-(\w+)"), self._range),
            (re.compile(r"\*/(\w+)"), self._all_with_step),
            (re.compile(r"\*"), self._all),
        )
        self._names = {7: WEEKDAYS, 12: MONTHS}.get(max_, ())

    def parse(self, spec: str) -> set[int]:
        """Return the values that a text means."""
        return {value for part in spec.split(",") for value in self._part(part.strip())}

    def _part(self, part: str) -> list[int]:
        if not part:
            raise ParseException(f"{part!r}: a part is empty; write values between commas")
        for pattern, read in self.pats:
            found = pattern.fullmatch(part)
            if found is not None:
                return read(found.groups())
        return [self._wrapped(self._number(part))]

    def _range(self, words: Sequence[str]) -> list[int]:
        return self._stretch(words[0], words[1], 1)

    def _range_with_step(self, words: Sequence[str]) -> list[int]:
        return self._stretch(words[0], words[1], self._step(words[2]))

    def _all(self, _words: Sequence[str]) -> list[int]:
        return list(range(self.min_, self.min_ + self.max_))

    def _all_with_step(self, words: Sequence[str]) -> list[int]:
        return self._all(())[:: self._step(words[0])]

    def _stretch(self, first: str, last: str, step: int) -> list[int]:
        begin, end = self._number(first), self._number(last)
        if end < begin:
            end += self.max_
        return [self._wrapped(value) for value in range(begin, end + 1, step)]

    def _wrapped(self, value: int) -> int:
        return (value - self.min_) % self.max_ + self.min_

    def _step(self, word: str) -> int:
        if not word.isdecimal() or int(word) < 1:
            raise ParseException(f"a step is a number above 0, not {word!r}")
        return int(word)

    def _number(self, word: str) -> int:
        if word.isdecimal():
            return self._within(int(word))
        key = word.lower()
        for index, name in enumerate(self._names):
            if len(key) >= _LETTERS and key.startswith(name):
                return index + self.min_
        known = f" or one of {', '.join(self._names)}" if self._names else ""
        raise ParseException(f"{word!r} is no number from {self._limits()}{known}")

    def _within(self, value: int) -> int:
        last = _SUNDAY_AGAIN if self._names is WEEKDAYS else self.min_ + self.max_ - 1
        if not self.min_ <= value <= last:
            raise ParseException(f"{value} is not from {self._limits()}")
        return value

    def _limits(self) -> str:
        return f"{self.min_} to {self.min_ + self.max_ - 1}"

    def values(self, given: object) -> set[int]:
        """Return the values that a text, a number, or several of them mean."""
        if isinstance(given, str):
            return self.parse(given)
        if isinstance(given, int) and not isinstance(given, bool):
            return {self._wrapped(self._within(given))}
        if isinstance(given, Iterable):
            return {value for each in given for value in self.values(each)}
        raise TypeError(f"{given!r} is neither a number, nor a text like '*/5', nor several")


def expand(field: str, given: object, max_: int, min_: int = 0) -> set[int]:
    """Return the values of one field of a crontab; errors name the field."""
    try:
        found = crontab_parser(max_, min_).values(given)
    except ParseException as error:
        raise ParseException(f"crontab({field}={given!r}): {error}") from None
    except TypeError as error:
        raise TypeError(f"crontab({field}={given!r}): {error}") from None
    if not found:
        raise ParseException(f"crontab({field}={given!r}): that is never; name a value")
    return found
