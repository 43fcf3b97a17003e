"""What ``docs/parity.md`` says is not here; as a program, compares it with a list of names.

``python -m tests.docs.parity LIST`` reads names, one in each line (or lines of the inventory's
checker), and exits with 1 if a name is on one side only.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

PAGE: Final = Path(__file__).parents[2] / "docs" / "parity.md"
ROOT: Final = "celery."


def listed() -> dict[str, tuple[str, ...]]:
    """Return each name of Celery's that the page lists, and the parameters that are not taken."""
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    cells = [line.split("|")[1] for line in lines if line.startswith(f"| `{ROOT}")]
    return dict(pair for cell in cells for pair in _names(cell))


def _names(cell: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    before = ""
    for said, in_brackets in re.findall(r"`([\w.]+)(?:\(([^)]*)\))?`", cell):
        name = said if said.startswith(ROOT) else f"{before}.{said}"
        before = name.rpartition(".")[0]
        yield name, tuple(part.strip() for part in in_brackets.split(",") if part.strip())


def differences(missing: Sequence[str]) -> list[str]:
    """Say which names are missing and not on the page, or on the page and not missing."""
    page = set(listed())
    covered = {name for name in missing for each in page if f"{name}.".startswith(f"{each}.")}
    used = {each for each in page for name in missing if f"{name}.".startswith(f"{each}.")}
    return [
        *(f"missing, and not on the page: {name}" for name in missing if name not in covered),
        *(f"on the page, and not missing: {name}" for name in sorted(page - used)),
    ]


def main(path: str) -> int:
    """Compare."""
    text = sys.stdin.read() if path == "-" else Path(path).read_text(encoding="utf-8")
    names = re.findall(r"^\s*(?:missing )?(celery\.[\w.]+)", text, re.MULTILINE)
    found = differences(names)
    print(*found, sep="\n" if found else "")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
