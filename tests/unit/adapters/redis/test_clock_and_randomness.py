"""The machine's own clock and randomness."""

from __future__ import annotations

import uuid
from datetime import UTC

from taskq.adapters.clock import SystemClock
from taskq.adapters.randomness import SystemRandomness


def test_time_goes_on_and_is_aware() -> None:
    """Two looks are in order; the wall time has a zone; a wait that is over is none."""
    clock = SystemClock()
    first = clock.read()
    clock.sleep(-1.0)
    second = clock.read()

    assert second.elapsed_s >= first.elapsed_s
    assert first.wall.tzinfo is UTC


def test_ids_are_of_version_4_and_written_as_uuid_writes_them() -> None:
    """Each differs, and each is what ``uuid.UUID`` would print."""
    drawn = [SystemRandomness().uuid() for _ in range(200)]

    assert len(set(drawn)) == 200
    for text in drawn:
        parsed = uuid.UUID(text)
        assert (str(parsed), parsed.version, parsed.variant) == (text, 4, uuid.RFC_4122)


def test_a_drawn_number_is_between_its_bounds() -> None:
    """Both bounds included."""
    assert all(2.0 <= SystemRandomness().uniform(2.0, 3.0) <= 3.0 for _ in range(100))
