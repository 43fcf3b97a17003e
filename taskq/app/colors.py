"""Text in colours, for programs that write some; ``celery.utils.term``."""

from __future__ import annotations

import sys
from typing import Any, Final

__all__ = ["colored"]

ESC: Final = "\033["
RESET: Final = "\033[0m"
_COLORS: Final = ("black", "red", "green", "yellow", "blue", "magenta", "cyan", "white")


def fg(s: int | str) -> str:
    """Return the sequence that begins a colour."""
    return f"{ESC}{s}m"


class colored:  # noqa: N801 - Celery's name
    """Text with colours: ``str(colored().red("a", colored().blue("b")))``."""

    def __init__(self, *s: object, **kwargs: Any) -> None:
        self.s = s
        told = kwargs.get("enabled")
        self.enabled = bool(told) if told is not None else sys.platform != "win32"
        self.op: str = kwargs.get("op", "")
        self.names = {name: getattr(self, name) for name in _COLORS}

    def node(self, s: tuple[object, ...], op: str) -> colored:
        """Return text that begins with a sequence."""
        return type(self)(*s, enabled=self.enabled, op=op)

    def black(self, *s: object) -> colored:
        """Return black text."""
        return self.node(s, fg("1;30"))

    def red(self, *s: object) -> colored:
        """Return red text."""
        return self.node(s, fg("1;31"))

    def green(self, *s: object) -> colored:
        """Return green text."""
        return self.node(s, fg("1;32"))

    def yellow(self, *s: object) -> colored:
        """Return yellow text."""
        return self.node(s, fg("1;33"))

    def blue(self, *s: object) -> colored:
        """Return blue text."""
        return self.node(s, fg("1;34"))

    def magenta(self, *s: object) -> colored:
        """Return magenta text."""
        return self.node(s, fg("1;35"))

    def cyan(self, *s: object) -> colored:
        """Return cyan text."""
        return self.node(s, fg("1;36"))

    def white(self, *s: object) -> colored:
        """Return white text."""
        return self.node(s, fg("1;37"))

    def bold(self, *s: object) -> colored:
        """Return bold text."""
        return self.node(s, fg(1))

    def underline(self, *s: object) -> colored:
        """Return underlined text."""
        return self.node(s, fg(4))

    def blink(self, *s: object) -> colored:
        """Return blinking text."""
        return self.node(s, fg(5))

    def reverse(self, *s: object) -> colored:
        """Return text with its colours exchanged."""
        return self.node(s, fg(7))

    def bright(self, *s: object) -> colored:
        """Return text in Celery's bright style."""
        return self.node(s, fg(8))

    def ired(self, *s: object) -> colored:
        """Return text on red."""
        return self.node(s, fg("1;41"))

    def igreen(self, *s: object) -> colored:
        """Return text on green."""
        return self.node(s, fg("1;42"))

    def iyellow(self, *s: object) -> colored:
        """Return text on yellow."""
        return self.node(s, fg("1;43"))

    def iblue(self, *s: object) -> colored:
        """Return text on blue."""
        return self.node(s, fg("1;44"))

    def imagenta(self, *s: object) -> colored:
        """Return text on magenta."""
        return self.node(s, fg("1;45"))

    def icyan(self, *s: object) -> colored:
        """Return text on cyan."""
        return self.node(s, fg("1;46"))

    def iwhite(self, *s: object) -> colored:
        """Return text on white."""
        return self.node(s, fg("1;47"))

    def reset(self, *s: object) -> colored:
        """Return text after the end of all colours."""
        return self.node(s or ("",), RESET)

    def embed(self) -> str:
        """Return the text with its sequence, for use inside other text."""
        inner = "".join(
            each.embed() if isinstance(each, colored) and each.enabled else str(each)
            for each in self.s
        )
        return f"{self.op if self.enabled else ''}{inner}"

    def no_color(self) -> str:
        """Return the text alone."""
        return "".join(
            each.no_color() if isinstance(each, colored) else str(each) for each in self.s
        )

    def __add__(self, other: object) -> str:
        return f"{self}{other}"

    def __str__(self) -> str:
        return f"{self.embed()}{RESET}" if self.enabled and self.op else self.no_color()

    def __repr__(self) -> str:
        return repr(self.no_color())
