"""How much memory a worker uses, and for what."""

from __future__ import annotations

import importlib
import tempfile
from typing import Any, Final

from taskq.app.control.panel import inspect_command, nok
from taskq.app.control.state import State

__all__ = ["memdump", "memsample", "objgraph"]

# How many samples are kept; the oldest go.
MOST_SAMPLES: Final = 1000
MISSING: Final = "(psutil not installed)"
_UNITS: Final = ("B", "KiB", "MiB", "GiB")
_STEP: Final = 1024.0


@inspect_command(
    default_timeout=60.0,
    signature="[object_type=Request] [num=200 [max_depth=10]]",
    args=[("type", str), ("num", int), ("max_depth", int)],
)
def objgraph(
    state: State,  # noqa: ARG001 - a command gets it
    num: int = 200,
    max_depth: int = 10,
    type: str = "Request",  # noqa: A002 - Celery's name
) -> Any:
    """Draw a picture of what holds objects of a type; needs the package objgraph."""
    try:
        graph = importlib.import_module("objgraph")
    except ImportError as error:
        raise ImportError("Requires the objgraph library") from error
    with tempfile.NamedTemporaryFile(prefix="cobjg", suffix=".png", delete=False) as file:
        objects = graph.by_type(type)[: int(num)]
        graph.show_backrefs(objects, max_depth=int(max_depth), filename=file.name)
    return {"filename": file.name}


@inspect_command()
def memsample(state: State, **_kwargs: Any) -> Any:
    """Take note of how much memory is used now; needs the package psutil."""
    used = _used()
    if used is None:
        return nok("Requires the psutil library")
    state.memory.append(used)
    del state.memory[:-MOST_SAMPLES]
    return used


@inspect_command(args=[("samples", int)], signature="[n_samples=10]")
def memdump(state: State, samples: int = 10, **_kwargs: Any) -> Any:
    """Show what ``memsample`` noted; needs the package psutil."""
    used = _used()
    if used is None:
        return f"- rss: {MISSING}.\n"
    lines = [f"-    > {number}: {one}" for number, one in enumerate(state.memory[-int(samples) :])]
    return "\n".join(["- rss (sample):", *lines, f"- rss (end): {used}.", ""])


def _used() -> str | None:
    try:
        psutil = importlib.import_module("psutil")
    except ImportError:
        return None
    value = float(psutil.Process().memory_info().rss)
    for unit in _UNITS[:-1]:
        if value < _STEP:
            return f"{value:.2f}{unit}"
        value /= _STEP
    return f"{value:.2f}{_UNITS[-1]}"
