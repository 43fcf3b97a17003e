"""What monitors are told of the machine and of this process."""

from __future__ import annotations

import os
import platform
import resource
from collections.abc import Mapping, Sequence


class ThisMachine:
    """The machine that this process runs on."""

    system = platform.system()

    def load(self) -> Sequence[float]:
        """Return the load averages."""
        return os.getloadavg()

    def usage(self) -> Mapping[str, float]:
        """Return what this process has used."""
        used = resource.getrusage(resource.RUSAGE_SELF)
        return {
            name.removeprefix("ru_"): getattr(used, name)
            for name in dir(used)
            if name.startswith("ru_")
        }
