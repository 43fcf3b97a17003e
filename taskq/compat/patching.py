"""``celery.maybe_patch_concurrency``: patching for greenlets before anything else is imported."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from taskq.wiring.patching import patch_for

__all__ = ["maybe_patch_concurrency", "original_os_write"]

original_os_write = os.write


def find_option_with_arg(argv: Sequence[str], short_opts: Any = None, long_opts: Any = None) -> str:
    """Return what stands after an option; raises ``KeyError`` where it is not given."""
    for position, word in enumerate(argv):
        name, equals, value = word.partition("=")
        if word.startswith("--") and long_opts and name in long_opts:
            return value if equals else argv[position + 1]
        if word.startswith("-") and short_opts and word in short_opts:
            return argv[position + 1]
    raise KeyError("|".join([*(short_opts or ()), *(long_opts or ())]))


def maybe_patch_concurrency(
    argv: Sequence[str] | None = None,
    short_opts: Sequence[str] | None = None,
    long_opts: Sequence[str] | None = None,
    patches: Mapping[str, Any] | None = None,
) -> None:
    """Patch the standard library where the words of a command name a pool of greenlets."""
    words = sys.argv if argv is None else argv
    try:
        pool = find_option_with_arg(words, short_opts or ["-P"], long_opts or ["--pool"])
    except KeyError:
        return
    if patches is not None and pool in patches:
        patches[pool]()
        return
    patch_for(pool)
