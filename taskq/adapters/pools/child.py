"""The child of the prefork pool: reads batches of jobs, runs them, writes what became of them.

``handle.py`` calls ``Child.main`` right after the fork.  The child owns its two ends of the
pipes; what it has begun, and what it has not sent yet, stands in the ledger that it shares with
its parent (``ledger.py``).  It decides nothing about jobs that it does not run: what it did not
begin it leaves to the parent.
"""

from __future__ import annotations

import gc
import os
import resource
import signal
import sys
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Lock, get_ident
from time import monotonic
from types import FrameType
from typing import Final, NoReturn

from taskq.adapters.pools.frames import FrameReader, News, Row, ending_row, job_of, pack
from taskq.adapters.pools.ledger import DIE_BY, Ledger
from taskq.adapters.pools.limits import SignalGuard, Watcher
from taskq.ports import Ending, Job, JobRunner

# How long an ending may wait in the child for others to travel with.
HOLD_S: Final = 0.005
# Below the size at which malloc asks the system for every block anew.
READ_BYTES: Final = 65536

# A signal to the whole group is the parent's to answer.  Ignoring them outright would be
# inherited by every program that a body starts; an empty handler is not.
GROUP_SIGNALS: Final = (
    signal.SIGTERM,
    signal.SIGINT,
    signal.SIGHUP,
    signal.SIGQUIT,
    signal.SIGUSR1,
    signal.SIGUSR2,
)
# As the shell counts: 128 and the number of the signal that a KeyboardInterrupt stands for.
INTERRUPTED: Final = 128 + signal.SIGINT


@dataclass(frozen=True, slots=True)
class Limits:
    """When a child has done enough."""

    max_tasks: int | None = None
    max_memory_kib: int | None = None


class Child:
    """One process that runs jobs."""

    def __init__(
        self, run: JobRunner, reads: int, writes: int, ledger: Ledger, limits: Limits
    ) -> None:
        self._run = run
        self._reads, self._writes = reads, writes
        self._ledger = ledger
        self._limits = limits
        self._frames = FrameReader()
        self._number = 0  # of the next job, among all that came
        self._done = 0
        self._unsent: list[Row] = []
        self._held_since = 0.0
        self._begun = False  # whether the runner's hook has been called
        self._orphan = False  # the parent is gone: nobody reads what is written
        self._watcher = Watcher()
        self._writing = Lock()  # the watcher writes, too

    def main(self, close_inherited: Callable[[], None], mask: Sequence[int]) -> NoReturn:
        """Live, and end.  Called with all signals blocked; never returns."""
        code = 1
        try:
            take_over_signals(self._ledger.words, mask)
            close_inherited()
            detach_stdin()
            gc.freeze()  # what the parent made is shared; collecting it would copy its pages
            code = self._live()
        except SystemExit as error:
            code = exit_code(error)
        except KeyboardInterrupt:
            code = INTERRUPTED
        except BaseException:  # noqa: BLE001 - the end of the process; it is told below, and the code says it
            traceback.print_exc()
        finally:
            self._end(code)

    def _live(self) -> int:
        try:
            self._run.begin_process()
        except Exception as error:
            self._unsent.append((News.BROKEN, f"{type(error).__name__}: {error}"))
            raise
        self._begun = True
        self._unsent.append((News.READY, os.getpid(), resident_kib()))
        self._flush()
        while (rows := self._next_rows()) is not None:
            why = self._run_batch([job_of(row) for row in rows])
            if why or self._orphan:
                break
        return 0

    def _end(self, code: int) -> NoReturn:
        try:
            self._flush()
            if self._begun:
                self._run.end_process(code)
            sys.stdout.flush()
            sys.stderr.flush()
        except BaseException:  # noqa: BLE001 - a hook of the user's, in a process that ends anyway
            traceback.print_exc()
        finally:
            # Not sys.exit: what the parent registered with atexit is the parent's.
            os._exit(code)

    # -- one batch -----------------------------------------------------------------------------

    def _run_batch(self, jobs: Sequence[Job]) -> str:
        """Run jobs in order; returns why the child must end, if it must."""
        may_begin, run, limits = self._ledger.begin, self._run, self._limits
        limited = limits.max_tasks is not None or limits.max_memory_kib is not None
        why, left = "", len(jobs)
        for number, job in enumerate(jobs, self._number):
            left -= 1
            if not may_begin(number):
                continue  # it was recalled; the parent knows
            self._done += 1
            if job.announce:
                self._unsent.append((News.STARTED, job.token))
                self._flush()
            ending = run(job) if job.soft_time_limit_s is None else self._run_limited(job)
            self._unsent.append(ending_row(ending))
            if limited and (why := self._fullness()):
                self._unsent.append((News.FULL, why))
                break
            if left:
                self._hold_or_flush()
        self._number += len(jobs)
        self._flush()
        return why

    def _run_limited(self, job: Job) -> Ending:
        """Run a job that has a soft time limit."""
        self._watcher.start()
        SignalGuard.listen()
        return self._run(job, SignalGuard(self._watcher, job, self._tell_passed))

    def _tell_passed(self, job: Job) -> None:
        """Let the parent write it into its log now; called by the watcher."""
        headers = job.headers
        facts = (job.soft_time_limit_s, str(headers.get("task")), str(headers.get("id")))
        self._write(memoryview(pack([(News.LIMIT_PASSED, *facts)])))

    def _fullness(self) -> str:
        limits = self._limits
        if limits.max_tasks is not None and self._done >= limits.max_tasks:
            return f"has run {self._done} tasks"
        if limits.max_memory_kib is not None and (size := resident_kib()) >= limits.max_memory_kib:
            return f"holds {size} KiB of memory, {limits.max_memory_kib} are allowed"
        return ""

    # -- pipes ---------------------------------------------------------------------------------

    def _next_rows(self) -> Sequence[Row] | None:
        """Wait for jobs; None when the parent has no more, or is gone."""
        while data := os.read(self._reads, READ_BYTES):
            if rows := self._frames.feed(data):
                return rows
        return None

    def _hold_or_flush(self) -> None:
        """Keep the last ending until more can travel with it, but not for long."""
        # In the ledger a killed child does not lose it.  What cannot be packed ends the process
        # here, and its parent reports the job as lost.
        if not self._ledger.hold(pack(self._unsent[-1:])):
            self._flush()
        elif len(self._unsent) == 1:
            self._held_since = monotonic()
        elif monotonic() - self._held_since >= HOLD_S:
            self._flush()

    def _flush(self) -> None:
        if self._unsent:
            rows, self._unsent = self._unsent, []
            self._write(memoryview(pack(rows)))
            self._ledger.drop()

    def _write(self, rest: memoryview) -> None:
        with self._writing:
            try:
                while rest and not self._orphan:
                    rest = rest[os.write(self._writes, rest) :]
            except BrokenPipeError:
                self._orphan = True


# -- the process itself ------------------------------------------------------------------------


def take_over_signals(words: memoryview, mask: Sequence[int]) -> None:
    """Replace the parent's handlers by the child's, then let signals in."""

    def on_signal(number: int, _frame: FrameType | None) -> None:
        if words[DIE_BY] == number:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)

    signal.set_wakeup_fd(-1)  # it is the parent's, and would wake the parent
    for number in signal.valid_signals():
        if number not in GROUP_SIGNALS and callable(signal.getsignal(number)):
            signal.signal(number, signal.SIG_DFL)
    for number in GROUP_SIGNALS:
        signal.signal(number, on_signal)
    free_descendants()
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def free_descendants() -> None:
    """See to it that a process that a body forks takes signals as any process does.

    It is the body's own, and may be terminated; also right after the fork, so signals wait
    until its handlers are the default ones.
    """
    masks: dict[int, set[int]] = {}  # by thread: several may fork

    def before() -> None:
        masks[get_ident()] = signal.pthread_sigmask(signal.SIG_BLOCK, GROUP_SIGNALS)

    def after() -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, masks.pop(get_ident()))

    def after_in_child() -> None:
        for number in GROUP_SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        after()

    os.register_at_fork(before=before, after_in_parent=after, after_in_child=after_in_child)


def detach_stdin() -> None:
    """Nobody types for a child, and its parent may be a shell's."""
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    if null != 0:
        os.close(null)
    sys.stdin = open(0, closefd=False)  # noqa: SIM115 - lives as long as the process


def exit_code(error: SystemExit) -> int:
    """Return the code that the interpreter would exit with."""
    if error.code is None:
        return 0
    if isinstance(error.code, int):
        return error.code & 0xFF
    print(error.code, file=sys.stderr)  # noqa: T201 - as the interpreter does
    return 1


def resident_kib() -> int:
    """How much memory this process holds: now on Linux, at most so far elsewhere."""
    if sys.platform == "linux":
        with open("/proc/self/statm", "rb", buffering=0) as statm:  # noqa: PTH123 - it is no file
            return int(statm.read(128).split()[1]) * PAGE_KIB
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak // 1024 if sys.platform == "darwin" else peak


PAGE_KIB: Final = resource.getpagesize() // 1024
