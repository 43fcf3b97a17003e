"""Monkey patches for the pools of greenlets: they make everything that waits let others run.

To be called by the program first of all, before it loads an app or a driver: what has taken a
lock or a socket class out of the standard library before keeps the one that blocks.
"""

from __future__ import annotations

import os
import threading
import warnings
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from itertools import zip_longest
from types import MappingProxyType
from typing import Final

from taskq.errors import ImproperlyConfigured

SHORT: Final = "-P"
LONG: Final = "--pool"
# What the command line takes for the option where it is not said.
VARIABLE: Final = "CELERY_WORKER_POOL"
COMMAND: Final = "worker"


def patch_as_told(argv: Sequence[str], environ: Mapping[str, str] = os.environ) -> None:
    """Patch if this command line starts a worker whose pool asks for it."""
    if COMMAND in argv:
        patch_for(pool_in(argv) or environ.get(VARIABLE, ""))


def pool_in(argv: Sequence[str]) -> str | None:
    """Find ``-P name``, ``-Pname``, ``--pool name`` or ``--pool=name``; the last one counts."""
    found: str | None = None
    for word, following in zip_longest(argv, argv[1:], fillvalue=""):
        if word in {SHORT, LONG}:
            found = following
        elif word.startswith(f"{LONG}="):
            found = word.partition("=")[2]
        elif word.startswith(SHORT) and not word.startswith("--"):
            found = word.removeprefix(SHORT)
    return found


def patch_for(pool_name: str) -> None:
    """Patch as a pool needs it; does nothing for the others, and nothing twice."""
    if pool_name in PATCHES:
        require(pool_name)
        if not is_patched_for(pool_name):
            PATCHES[pool_name]()


def is_patched_for(pool_name: str) -> bool:
    """Whether what waits in this process lets greenlets of that library run."""
    return _PATCHED[pool_name]()


def require(package: str) -> None:
    """Import a library, or say how to get it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # eventlet warns of itself
        try:
            import_module(package)
        except ImportError as error:
            raise ImproperlyConfigured(
                f"worker_pool: {package!r} needs a package: pip install 'taskq[{package}]'"
                f" ({error})"
            ) from error


def _patch_gevent() -> None:
    with warnings.catch_warnings():
        # That ssl was loaded before matters to those who have derived classes from its own.
        warnings.simplefilter("ignore")
        import_module("gevent.monkey").patch_all()


def _patch_eventlet() -> None:
    import_module("eventlet").monkey_patch()
    # It makes a new object of the main thread, and leaves ``main_thread`` with the old one: then
    # nobody is in the main thread any more, and nobody would listen to signals.
    threading._main_thread = threading.current_thread()  # type: ignore[attr-defined] # noqa: SLF001


def _is_patched_by_gevent() -> bool:
    return bool(import_module("gevent.monkey").is_module_patched("socket"))


def _is_patched_by_eventlet() -> bool:
    return bool(import_module("eventlet.patcher").is_monkey_patched("socket"))


PATCHES: Final[Mapping[str, Callable[[], None]]] = MappingProxyType(
    {"gevent": _patch_gevent, "eventlet": _patch_eventlet}
)
_PATCHED: Final[Mapping[str, Callable[[], bool]]] = MappingProxyType(
    {"gevent": _is_patched_by_gevent, "eventlet": _is_patched_by_eventlet}
)
