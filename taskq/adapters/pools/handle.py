"""A child of the prefork pool, as its parent sees it.

``lives.py`` makes one for each process that it starts, ``traffic.py`` talks through it.  A handle
owns the parent's ends of the pipes, the page that it shares with the child, the descriptor by
which the kernel tells of the child's death, and the accounts of what the child has been given.
It never waits for the child, and it decides nothing: whether a child is replaced is the business
of ``lives.py``.
"""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import sys
import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

from taskq.adapters.pools.account import Account
from taskq.adapters.pools.child import READ_BYTES, Child, Limits
from taskq.adapters.pools.frames import FrameReader, Row, pack_jobs
from taskq.adapters.pools.ledger import BEGUN, DIE_BY, Ledger
from taskq.ports import Job, JobRunner

# A batch of 128 ordinary jobs passes in one write.
PIPE_BYTES: Final = 256 * 1024
# How much is read from one child before the next one gets its turn.
READ_AT_ONCE_BYTES: Final = 1024 * 1024
# What the kernel says when a number of a process is no longer ours to ask about.
UNKNOWN_STATUS: Final = -1


class ChildHandle:
    """The parent's end of one child."""

    def __init__(self, run: JobRunner, limits: Limits, close_inherited: Callable[[], None]) -> None:
        """Fork.  Raises ``OSError`` where the system has no room for another process."""
        self._ledger = Ledger()
        self.reads, self.writes, self.pid = self._fork(run, limits, close_inherited)
        self.death: int | None = _open_death(self.pid)
        self.account = Account()
        self.early: set[int] = set()  # whose ending was taken before the child sent it
        self.backlog = bytearray()  # what the pipe had no room for
        self._kept_back = bytearray()  # what was given after a recall that is not answered
        self._recalled_until: int | None = None
        self.closing = False  # it ends when it has done what it was given
        self.status: int | None = None  # as waitpid says, when it is dead
        self._frames = FrameReader()

    def _fork(
        self, run: JobRunner, limits: Limits, close_inherited: Callable[[], None]
    ) -> tuple[int, int, int]:
        job_end, writes = os.pipe()
        reads, news_end = os.pipe()

        def become_child(mask: Sequence[int]) -> None:
            def close() -> None:
                os.close(writes)
                os.close(reads)
                close_inherited()

            Child(run, job_end, news_end, self._ledger, limits).main(close, mask)

        try:
            pid = _fork(become_child)
        except OSError:
            os.close(writes)
            os.close(reads)
            raise
        finally:
            os.close(job_end)
            os.close(news_end)
        for end in (reads, writes):
            os.set_blocking(end, False)
            _widen(end)
        return reads, writes, pid

    # -- to the child --------------------------------------------------------------------------

    def send(self, jobs: Sequence[Job]) -> None:
        """Give jobs; what the pipe has no room for stays in ``backlog``.

        Raises one of ``CANNOT_PICKLE`` for a job that cannot cross a pipe; then none was given.
        """
        frame = pack_jobs(jobs)
        self.account.give(jobs)
        if self._recalled_until is not None:
            self._kept_back += frame
        elif self.backlog:
            self.backlog += frame
        elif (written := self._try_write(frame)) < len(frame):
            self.backlog += memoryview(frame)[written:]

    def flush(self) -> None:
        """Write what the pipe has room for by now."""
        with memoryview(self.backlog) as view:
            written = self._try_write(view)
        del self.backlog[:written]

    @property
    def has_unsent(self) -> bool:
        """Whether it was given what has not gone into the pipe."""
        return bool(self.backlog or self._kept_back)

    def recall(self) -> bool:
        """Begin to ask for what it has not begun; False where it is being asked already."""
        if self._recalled_until is not None:
            return False
        self._recalled_until = self.account.given
        self._ledger.recall(self.account.given)
        return True

    def take_back(self) -> tuple[int, ...] | None:
        """Return what it will not begin, ``SETTLES_S`` after ``recall``; None: ask again later."""
        begun, until = self._ledger.settled(), self._recalled_until
        assert until is not None, "recall() comes first"
        if begun is None:
            return None
        self._recalled_until = None
        self.backlog += self._kept_back
        self._kept_back.clear()
        return self.account.take_back(begun, until)

    def _try_write(self, data: bytes | memoryview) -> int:
        try:
            return os.write(self.writes, data)
        except BlockingIOError:
            return 0
        except BrokenPipeError:
            # It is dying; what it was given stays in the accounts, and its death settles them.
            return len(data)

    def close_when_sent(self) -> None:
        """Let the child see the end of its jobs, behind what it has been given; no more follows."""
        self.closing = True
        if not self.has_unsent:
            self.close_writes()

    def close_writes(self) -> None:
        """Let the child see the end of its jobs."""
        if self.writes >= 0:
            os.close(self.writes)
            self.writes = -1

    def kill(self, number: int) -> None:
        """Send a signal that the child takes as meant for itself."""
        self._ledger.words[DIE_BY] = number
        # It is not reaped before ``wait``, so the number cannot be another process's.
        if self.status is None:
            os.kill(self.pid, number)

    # -- from the child ------------------------------------------------------------------------

    def read(self, budget: int = READ_AT_ONCE_BYTES) -> tuple[Sequence[Row], bool]:
        """Return what it wrote, and whether its end of the pipe is closed."""
        rows: list[Row] = []
        while budget > 0:
            try:
                data = os.read(self.reads, READ_BYTES)
            except BlockingIOError:
                break
            if not data:
                return rows, True
            rows += self._frames.feed(data)
            if len(data) < READ_BYTES:
                break
            budget -= len(data)
        return rows, False

    def held(self) -> Sequence[Row]:
        """Return what the child has made and not sent; it will still send it if it lives."""
        return FrameReader().feed(self._ledger.peek())

    def wait(self) -> bool:
        """Ask once whether the child is dead."""
        if self.status is None:
            try:
                pid, status = os.waitpid(self.pid, os.WNOHANG)
            except ChildProcessError:  # somebody in this process waits for any child
                self.status = UNKNOWN_STATUS
            else:
                self.status = status if pid else None
        return self.status is not None

    def fate(self) -> str:
        """How it ended, in words."""
        if self.status is None or self.status == UNKNOWN_STATUS:
            return "is gone"
        code = os.waitstatus_to_exitcode(self.status)
        if code >= 0:
            return f"exited with code {code}"
        return f"killed by signal {-code} ({signal_name(-code)})"

    @property
    def has_begun(self) -> bool:
        """Whether it ever began a job."""
        return self._ledger.words[BEGUN] > 0

    def split(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Return the tokens that it had begun and not ended, and those that it had not begun.

        True when it is dead; what it wrote has been read before.
        """
        return self.account.split(self._ledger.words[BEGUN])

    def descriptors(self) -> tuple[int, ...]:
        """What the parent holds open for it."""
        return tuple(
            fd for fd in (self.reads, self.writes, self.death) if fd is not None and fd >= 0
        )

    def close(self) -> None:
        """Let go of everything; the child is dead."""
        for fd in self.descriptors():
            os.close(fd)
        self.reads = self.writes = -1
        self.death = None
        self._ledger.close()


def signal_name(number: int) -> str:
    """Return ``SIGKILL`` for 9."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"SIG{number}"


def _fork(become_child: Callable[[Sequence[int]], None]) -> int:
    # Until the child has handlers of its own, a signal would run the parent's in it.
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError, AttributeError):  # closed, or none
                stream.flush()  # else the child would write it once more
        with warnings.catch_warnings():
            # Other threads of the parent are its own; none holds a lock that a child needs.
            warnings.simplefilter("ignore", DeprecationWarning)
            pid = os.fork()
        if pid == 0:
            become_child(tuple(mask))
        return pid
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def _open_death(pid: int) -> int | None:
    """Return what becomes readable when the process ends, where the system has such a thing.

    The end of the pipe is not enough: a process that a body has started holds it open.
    """
    if sys.platform != "linux":
        return None
    try:
        return os.pidfd_open(pid)
    except OSError as error:
        if error.errno in {errno.ENOSYS, errno.EPERM, errno.EMFILE, errno.ENFILE}:
            return None
        raise


def _widen(fd: int) -> None:
    if sys.platform == "linux":
        # Refused where a user has many pipes: then the pipe stays as narrow as it is.
        with suppress(OSError):
            fcntl.fcntl(fd, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
