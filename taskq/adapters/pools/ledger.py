"""What a child of the prefork pool and its parent both see: an account that outlives the child.

``child.py`` writes, ``handle.py`` reads.  A child may be killed between any two instructions;
what stands here then is the truth: how many jobs it had begun, and the endings that it had made
and not yet sent.  So a body that kills its process takes no finished job with it.

Owned here: memory, and the order in which it is written.  Not owned: the pipes.
"""

from __future__ import annotations

import mmap
from typing import Final

# Words of eight bytes.
BEGUN: Final = 0  # how many jobs the child has begun in its life
DIE_BY: Final = 1  # the signal by which the parent wants the child to die
HELD: Final = 2  # how many bytes of frames are held
FLUSHES: Final = 3  # how often what was held has been sent and dropped
WORDS: Final = 4
# Room for some hundred ordinary endings.  A frame that is larger is sent at once.
ROOM_BYTES: Final = 64 * 1024


class Ledger:
    """Some words and some room, shared by two processes."""

    __slots__ = ("_memory", "room", "words")

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, mmap.PAGESIZE + ROOM_BYTES)
        view = memoryview(self._memory)
        self.words = view[: WORDS * 8].cast("Q")
        self.room = view[mmap.PAGESIZE :]

    # -- the child -----------------------------------------------------------------------------

    def hold(self, frame: bytes) -> bool:
        """Keep a frame until it is sent; False where there is no room for it."""
        words = self.words
        start = words[HELD]
        end = start + len(frame)
        if end > ROOM_BYTES:
            return False
        self.room[start:end] = frame
        words[HELD] = end  # last: a frame counts when it is whole
        return True

    def drop(self) -> None:
        """Forget what is held: it has been sent."""
        words = self.words
        words[HELD] = 0
        words[FLUSHES] += 1  # last: from here on the bytes may change

    # -- the parent ----------------------------------------------------------------------------

    def peek(self) -> bytes:
        """Return what is held; nothing where the child sends it at this moment."""
        words = self.words
        flushes, held = words[FLUSHES], words[HELD]
        frames = bytes(self.room[:held]) if held else b""
        return frames if words[FLUSHES] == flushes else b""

    def close(self) -> None:
        """Give the memory back; the child is dead."""
        self.words.release()
        self.room.release()
