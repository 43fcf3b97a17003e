"""The page of failures names tests that are there."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "failures.md").read_text(encoding="utf-8")
SIM = ROOT / "tests" / "sim"


def test_each_test_that_is_named_exists() -> None:
    """In the file that stands before it, or that its cell has named."""
    missing: list[str] = []
    for line in PAGE.splitlines():
        file = None
        for named in re.findall(r"`((?:\w+/)?test_\w+\.py)?(?:::)?(\.\.\.\w+|test_\w+)?`", line):
            file = named[0] or file
            if named[0] and not (SIM / named[0]).exists():
                missing.append(named[0])
            wanted = named[1].removeprefix("...")
            text = "".join(path.read_text() for path in SIM.glob(file or "test_*.py"))
            if wanted and f"{wanted}(" not in text:
                missing.append(f"{file}::{named[1]}")

    assert missing == []


def test_no_real_folder_is_named_that_is_not_there() -> None:
    """What the simulation cannot show is shown somewhere else."""
    paths = set(re.findall(r"`(tests/(?:real|unit)/[\w/.]*)`", PAGE))

    assert [path for path in sorted(paths) if not (ROOT / path).exists()] == []
