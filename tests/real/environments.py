"""Pythons with peers in environments of their own; none is ever beside taskq."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

INSTALL_TIMEOUT_S = 600


def python_with(folder: Path, *packages: str, given_by: str) -> str:
    """Make an environment; the variable ``given_by`` names a Python that is there already."""
    if given := os.environ.get(given_by):
        return given
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    python = str(folder / "bin" / "python")
    install = [python, "-m", "pip", "install", "-q", *packages]
    subprocess.run(install, check=True, timeout=INSTALL_TIMEOUT_S)
    return python


def once_a_session(
    factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]
) -> Path:
    """Make a folder that all processes of a test session share; the first one fills it."""
    base = factory.getbasetemp()
    if os.environ.get("PYTEST_XDIST_WORKER"):
        base = base.parent
    folder, made = base / f"shared-{name}", base / f"shared-{name}.made"
    with (base / f"shared-{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            make(folder)
            made.touch()
    return folder


def packages_in(factory: pytest.TempPathFactory, name: str, *packages: str, given_by: str) -> str:
    """Install packages without what they ask for, so that no Celery comes along; once a session."""
    if given := os.environ.get(given_by):
        return given
    install = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target"]

    def fill(folder: Path) -> None:
        subprocess.run([*install, folder, *packages], check=True, timeout=INSTALL_TIMEOUT_S)

    return str(once_a_session(factory, name, fill))
