"""The operating system's randomness, as the Randomness port.

Nothing is kept between two calls, so a child after a fork draws other ids than its parent.
"""

from __future__ import annotations

import os
import random
from typing import Final

_VARIANTS: Final = "89ab"
_SYSTEM: Final = random.SystemRandom()


class SystemRandomness:
    """Ids and numbers that nobody can foresee."""

    def uuid(self) -> str:
        """Return a random id of version 4, written as ``uuid.UUID`` writes it.

        Made by hand because an id is drawn for each message: this costs a third of ``uuid4``.
        """
        digits = os.urandom(16).hex()
        variant = _VARIANTS[int(digits[16], 16) & 3]
        return (
            f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"
        )

    def uniform(self, low: float, high: float) -> float:
        """Draw a number between two bounds."""
        return _SYSTEM.uniform(low, high)
