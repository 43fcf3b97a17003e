"""What a client pays for."""

from __future__ import annotations

import subprocess
import sys

LOOK = "import sys, taskq; print(*sorted(sys.modules))"


def test_a_client_imports_nothing_of_a_worker() -> None:
    """Neither the core, but for its words, nor pools, commands or the simulation."""
    told = subprocess.run([sys.executable, "-c", LOOK], capture_output=True, text=True, check=True)
    modules = set(told.stdout.split())
    rooms = ("cli", "runtime", "worker", "beat", "compat", "adapters.pools", "app.control")
    heavy = {f"taskq.{room}" for room in rooms} | {"taskq_testing", "redis", "pytest"}

    assert "taskq.app.app" in modules
    assert heavy & modules == set()
    assert {name for name in modules if name.startswith("taskq.core.")} <= {
        "taskq.core.effects",
        "taskq.core.traits",
    }
