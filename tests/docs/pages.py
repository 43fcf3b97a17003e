"""Reads the pages of the documentation: their fenced blocks, and what they are marked as.

``<!-- example: name -->`` right before a block says that it runs; the tests in this folder run it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))

_BLOCK = re.compile(
    r"(?:^<!-- (?P<kind>example|command): (?P<name>[\w-]+) -->\n)?"
    r"^```(?P<language>\w*)\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
_LINK = re.compile(r"\]\((?!https?:|#)([^)#]+)")


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block of a page."""

    page: Path
    line: int
    kind: str | None
    name: str | None
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def blocks(page: Path) -> list[Block]:
    """All blocks of a page, in order."""
    text = page.read_text(encoding="utf-8")
    return [
        Block(
            page,
            text.count("\n", 0, found.start("text")),
            found["kind"],
            found["name"],
            found["language"],
            found["text"],
        )
        for found in _BLOCK.finditer(text)
    ]


def examples() -> list[Block]:
    """All blocks that say that they run."""
    return [block for page in PAGES for block in blocks(page) if block.kind == "example"]


def example(name: str) -> Block:
    """One of them."""
    [found] = [block for block in examples() if block.name == name]
    return found


def links(page: Path) -> list[str]:
    """What a page points to in this repository."""
    return _LINK.findall(page.read_text(encoding="utf-8"))
