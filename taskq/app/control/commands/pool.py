"""The pool: more slots, less, others."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from typing import Any, Final

from taskq.app.control.panel import control_command, ok, refused
from taskq.app.control.state import State
from taskq.core.inputs import AutoscaleSet, PoolRestartAsked, PoolSized

__all__ = ["autoscale", "pool_grow", "pool_restart", "pool_shrink"]

# More at once is a slip of the pen, and no machine would bear it.
MOST_AT_ONCE: Final = 10_000


@control_command(args=[("n", int)], signature="[N=1]")
def pool_grow(state: State, n: int = 1, **_kwargs: Any) -> Any:
    """Add slots."""
    state.tell(PoolSized(_count(n)))
    return ok("pool will grow")


@control_command(args=[("n", int)], signature="[N=1]")
def pool_shrink(state: State, n: int = 1, **_kwargs: Any) -> Any:
    """Remove slots, idle ones first."""
    count, there = _count(n), len(state.core.slots)
    if count > there:
        return refused(f"Can't shrink pool by {count}: it has {there} slots")
    state.tell(PoolSized(-count))
    return ok("pool will shrink")


def _count(said: Any) -> int:
    count = int(said)
    if not 0 < count <= MOST_AT_ONCE:
        raise ValueError(f"{said!r}: say a number between 1 and {MOST_AT_ONCE}")
    return count


@control_command()
def pool_restart(
    state: State,
    modules: Sequence[str] | None = None,
    reload: bool = False,
    reloader: Any = None,  # noqa: ARG001 - Celery's; nothing that runs can come over the wire
    **_kwargs: Any,
) -> Any:
    """Replace the slots by new ones, which see what modules say now."""
    if not state.app.conf.worker_pool_restarts:
        return refused("Pool restarts not enabled")
    for name in modules or ():
        known = sys.modules.get(name)
        if known is None:
            importlib.import_module(name)
        elif reload:
            importlib.reload(known)
    state.tell(PoolRestartAsked())
    return ok("reload started")


@control_command(args=[("max", int), ("min", int)], signature="[max [min]]")
def autoscale(
    state: State,
    max: int | None = None,  # noqa: A002 - Celery's name
    min: int | None = None,  # noqa: A002 - Celery's name
) -> Any:
    """Set the bounds between which the pool grows and shrinks by itself."""
    now = state.core.autoscale
    if now is None:
        return refused("Autoscale not enabled")
    most = now[0] if max is None else int(max)
    least = now[1] if min is None else int(min)
    if not 0 <= least <= most <= MOST_AT_ONCE:
        return refused(f"max={most} min={least}: the bounds of a pool are 0 <= min <= max")
    state.tell(AutoscaleSet(most, least))
    return ok(f"autoscale now max={most} min={least}")
