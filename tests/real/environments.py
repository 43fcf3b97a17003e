"""Pythons with peers in environments of their own; none is ever beside taskq."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

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
