"""A world of the kind that the transport of a run asks for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from taskq.app.app import App
from taskq_testing.live.transports import Model, Transport
from taskq_testing.live.world import LiveWorld
from taskq_testing.world import World


def make_world(
    transport: Model | Transport, apps: Sequence[App], options: Mapping[str, Any]
) -> World | LiveWorld:
    """Make one; it is not open yet."""
    if isinstance(transport, Model):
        return World(apps, **{"broker": transport.profile, **options})
    simulated = [name for name in options if name != "seed"]
    if simulated:
        pytest.skip(
            f"not on this transport ({transport.name}): {', '.join(simulated)} of taskq_world() is"
            " of the simulated world"
        )
    return LiveWorld(apps, transport, seed=options["seed"])
