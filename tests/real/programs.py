"""The app of some tests as a client has it; workers load the same file by its name."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest


def load(name: str, folder: Path, env: Mapping[str, str], monkeypatch: pytest.MonkeyPatch) -> Any:
    """Import a module from its file, in an environment; whoever calls closes its ``app``."""
    for key, value in env.items():
        monkeypatch.setenv(key, value)
    spec = importlib.util.spec_from_file_location(name, folder / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, name, module)
    spec.loader.exec_module(module)
    return module
