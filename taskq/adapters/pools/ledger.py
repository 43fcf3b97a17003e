"""What a child of the prefork pool and its parent both see: an account that outlives the child.

``child.py`` writes, ``handle.py`` reads.  A child may be killed between any two instructions;
what stands here then is the truth: how many jobs it had begun, and the endings that it had made
and not yet sent.  So a body that kills its process takes no finished job with it.

Owned here: memory, and the order in which it is written.  Not owned: the pipes.

Recall
------
The parent may want jobs back that the child has not begun.  Both sides have to agree on which
these are, though the child may be in a body for an hour, stopped, or about to begin the next job
at this very moment, and neither may wait for the other.  Jobs are numbered in the order in which
the child gets them; three words say it all:

* RECALLED, written by the parent: jobs with numbers below it are not to be begun any more;
* COMING and BEGUN, written by the child.  Both are how many jobs it has begun, except while it
  is at the door of the next one.

====================================  ===================================================
child, before the body of job n       parent
====================================  ===================================================
1  COMING = n + 1                     a  RECALLED = how many it was given
2  is RECALLED > n?                   .  at least ``SETTLES_S`` pass
3  yes: COMING = BEGUN, drop n        b  reads BEGUN and COMING
4  no: BEGUN = n + 1, run the body    c  equal: returned is all from BEGUN to RECALLED
                                      d  else: looks again later
====================================  ===================================================

Why no job is both returned and begun, and none is neither.  Say the parent reads both words equal
to n at b, so it returns n and what follows.

* The child had done step 1 for job n before b.  Then COMING was n + 1, and is n again, so step 3
  was done: the job is dropped.
* The child does step 1 after b.  Then it looks at RECALLED after a, sees it, and drops the job.

And the job before, n - 1, which the parent takes as begun, was begun: BEGUN is written only in
step 4.  While the child stands between 1 and 4 nothing can be said yet, and the parent says
nothing; there the child is for less than a microsecond, unless it is stopped.  If it is killed
there, BEGUN has the truth, as ever.

"Before" and "after" hold only if a store is visible to the other processor by then.  A processor
may look (2, b) while its own store (1, a) is still in its store buffer, so without the pause both
could miss each other.  A store leaves the buffer within microseconds, and whenever the processor
is taken away from its process.  The pause is a thousand times that, so by b the store of step a
has been visible for long, and that of a step 1 whose step 2 came too early to see it as well.

The parent gives the child nothing between a and c, so that all that it drops was given before.
"""

from __future__ import annotations

import mmap
from typing import Final

# Words of eight bytes.
BEGUN: Final = 0  # the number of the last job that the child has begun, plus one
DIE_BY: Final = 1  # the signal by which the parent wants the child to die
HELD: Final = 2  # how many bytes of frames are held
FLUSHES: Final = 3  # how often what was held has been sent and dropped
COMING: Final = 4  # as BEGUN, with the job that the child is about to begin
RECALLED: Final = 5  # the child begins no job with a number below
WORDS: Final = 6
# How long the parent waits between its mark and its look.  See "Recall" above.
SETTLES_S: Final = 0.001
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

    def begin(self, number: int) -> bool:
        """Count a job as begun, right before its body; False if it was recalled: then drop it."""
        words = self.words
        words[COMING] = number + 1
        if words[RECALLED] > number:
            words[COMING] = words[BEGUN]
            return False
        words[BEGUN] = number + 1
        return True

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

    def recall(self, until: int) -> None:
        """Want back what is not begun of the first so many jobs."""
        self.words[RECALLED] = until

    def settled(self) -> int | None:
        """Return how many jobs are begun, ``SETTLES_S`` after ``recall``; None: not known yet."""
        begun = self.words[BEGUN]
        return begun if self.words[COMING] == begun else None

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
