"""The walls of the house, as one short test each."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CONFIG = tomllib.loads((ROOT / "pyproject.toml").read_text())
CONTRACTS = {one["name"]: one for one in CONFIG["tool"]["importlinter"]["contracts"]}
LAYERS = [line.split(" | ") for line in CONTRACTS["Arrows point down"]["layers"]]
RANK = {name: rank for rank, line in enumerate(LAYERS) for name in line}


def imports_of(path: Path) -> Iterator[tuple[str, int]]:
    """Every module that a file imports at run time, at the top or inside a function."""
    tree = ast.parse(path.read_text())
    hidden = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if id(node) in hidden:
            continue
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module, node.lineno
            if node.module == "taskq":
                yield from ((f"taskq.{alias.name}", node.lineno) for alias in node.names)


def room_of(module: str) -> str | None:
    """The layer that a module of taskq lives in."""
    parts = module.split(".")
    return parts[1] if parts[0] == "taskq" and len(parts) > 1 and parts[1] in RANK else None


def product_files() -> list[Path]:
    return sorted((ROOT / "taskq").rglob("*.py"))


def test_arrows_point_down() -> None:
    """A module imports only lower layers, and none on its own line but its own package."""
    wrong = []
    for path in product_files():
        own = room_of(".".join(path.relative_to(ROOT).with_suffix("").parts))
        if own is None:
            continue
        for module, line in imports_of(path):
            other = room_of(module)
            if other is not None and other != own and RANK[other] <= RANK[own]:
                wrong.append(f"{path.relative_to(ROOT)}:{line} ({own}) imports {module}")

    assert not wrong, "imports that point up or sideways:\n" + "\n".join(wrong)


@pytest.mark.parametrize(
    "name", [name for name, one in CONTRACTS.items() if one["type"] == "forbidden"]
)
def test_forbidden_imports(name: str) -> None:
    """What a room may not use, it does not import."""
    contract = CONTRACTS[name]
    wrong = []
    for source in contract["source_modules"]:
        base = ROOT / source.replace(".", "/")
        files = sorted(base.rglob("*.py")) if base.is_dir() else [base.with_suffix(".py")]
        for path in files:
            for module, line in imports_of(path):
                hit = [f for f in contract["forbidden_modules"] if f"{module}.".startswith(f"{f}.")]
                wrong += [f"{path.relative_to(ROOT)}:{line} imports {module}" for _ in hit]

    assert not wrong, f"{name}:\n" + "\n".join(wrong)


def test_no_branch_for_tests_in_the_product() -> None:
    """Production code does not ask whether it is tested."""
    word = re.compile(r"\b(testing|pytest|is_test|under_test|PYTEST_CURRENT_TEST)\b")
    allowed = {"taskq/contrib/testing/worker.py"}  # the worker-in-a-thread that Celery's users know
    wrong = []
    for path in product_files():
        name = path.relative_to(ROOT).as_posix()
        if name in allowed:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.If | ast.IfExp) and word.search(ast.unparse(node.test)):
                wrong.append(f"{name}:{node.lineno}: {ast.unparse(node.test)}")

    assert not wrong, "branches for tests:\n" + "\n".join(wrong)


def test_every_folder_of_the_pure_layers_says_what_it_may_not_do() -> None:
    """Each room has a docstring or a README that says what it is for."""
    silent = [
        path.relative_to(ROOT).as_posix()
        for path in product_files()
        if path.name == "__init__.py" and not ast.get_docstring(ast.parse(path.read_text()))
    ]

    assert not silent


def test_the_repository_holds_no_path_of_a_machine() -> None:
    """No absolute path of a developer's machine is in the files."""
    pattern = re.compile(r"(^|[^A-Za-z0-9_.])/(work|farm|root|home)/[A-Za-z]")
    wrong = [
        f"{path.relative_to(ROOT)}:{number}"
        for folder in ("taskq", "taskq_testing", "tests", "scenarios", "docs", ".ci")
        for path in sorted((ROOT / folder).rglob("*"))
        if path.suffix in {".py", ".md", ".yaml", ".toml", ".txt", ".html", ".lua"}
        for number, text in enumerate(path.read_text().splitlines(), 1)
        if pattern.search(text) and path != Path(__file__)
    ]

    assert not wrong
