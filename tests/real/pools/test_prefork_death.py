"""Children of the prefork pool die at any moment; every job is accounted for."""

from __future__ import annotations

import fcntl
import os
import random
import signal
import termios
import time
from array import array
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from taskq.ports import Ending, Job, SlotLost, SlotReady
from tests.real.pools.bench import Bench, BodiesRunner, open_files

MEGABYTE = 1024 * 1024
Make = Callable[..., Bench]


def kill_me(_job: Job) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


BODIES = {
    "quick": lambda _job: "done",
    "die": kill_me,
    "leave": lambda _job: os._exit(7),
    "long": lambda _job: time.sleep(600),
    "pid": lambda _job: os.getpid(),
    "length": lambda job: len(job.body),
    "large": lambda _job: "x" * (8 * MEGABYTE),
}


def test_a_killed_child_takes_only_what_it_was_doing(bench: Make) -> None:
    """What was done before is told, also if it was not sent yet; what waits comes back."""
    b = bench()
    b.start(1, BodiesRunner(BODIES))
    first, second, dies, *waits = b.give(0, "quick", "quick", "die", "quick", "quick")
    lost = b.until_lost()

    assert [ending.token for ending in b.of(Ending)] == [first, second]
    assert (lost.started, lost.unstarted) == ((dies,), tuple(waits))
    assert lost.reason == "killed by signal 9 (SIGKILL)"
    assert not lost.expected


def test_a_child_that_exits_is_lost_with_its_code(bench: Make) -> None:
    """``os._exit`` in a body is told as such."""
    b = bench()
    b.start(1, BodiesRunner(BODIES))
    [token] = b.give(0, "leave")

    assert b.until_lost().reason == "exited with code 7"
    assert b.of(SlotLost)[0].started == (token,)


def test_a_child_that_dies_before_it_reads_has_begun_nothing(bench: Make) -> None:
    """A batch that is in the pipe when the child dies comes back whole."""
    b = bench()
    b.start(1, BodiesRunner(BODIES))
    os.kill(b.pid(0), signal.SIGSTOP)
    tokens = b.give(0, "quick", "quick")
    os.kill(b.pid(0), signal.SIGKILL)

    assert (b.until_lost().started, b.of(SlotLost)[0].unstarted) == ((), tuple(tokens))


def test_a_child_that_dies_in_the_middle_of_a_frame_has_begun_nothing(bench: Make) -> None:
    """A frame that the pipe took only in part is nobody's; the next child gets it afresh."""
    b = bench()
    b.start(1, BodiesRunner(BODIES))
    os.kill(b.pid(0), signal.SIGSTOP)
    job = b.job("length", b"x" * (8 * MEGABYTE))
    [token] = b.submit(0, [job])
    os.kill(b.pid(0), signal.SIGKILL)
    assert b.until_lost().unstarted == (token,)
    b.until(lambda: len(b.of(SlotReady)) == 2)
    b.submit(0, [job])

    assert b.until_ended([token]) == [str(8 * MEGABYTE)]


def test_a_child_that_dies_while_it_sends_had_begun(bench: Make) -> None:
    """An ending that arrived in part is no ending: the body ran, and what it said is lost."""
    b = bench()
    b.start(1, BodiesRunner(BODIES))
    large, waits = b.give(0, "large", "quick")
    wait_until_pipe_is_full(b)
    os.kill(b.pid(0), signal.SIGKILL)
    lost = b.until_lost()

    assert (lost.started, lost.unstarted) == ((large,), (waits,))
    assert not b.of(Ending)


def test_an_idle_child_that_dies_is_replaced(bench: Make) -> None:
    """Nothing was lost but a process; the slot is told as lost and ready again."""
    b = bench()
    b.start(1, BodiesRunner(BODIES))
    b.until_ended(b.give(0, "quick"))
    old = b.pid(0)
    os.kill(old, signal.SIGKILL)
    b.until(lambda: len(b.of(SlotReady)) == 2)

    assert (b.until_lost().started, b.of(SlotLost)[0].unstarted) == ((), ())
    assert b.until_ended(b.give(0, "pid")) == [str(b.pid(0))] != [str(old)]


def test_a_death_is_seen_although_a_descendant_lives(bench: Make) -> None:
    """A process that a body left behind holds the pipes open, and hides nothing."""

    until_closed, closes = os.pipe()

    def leave_behind(job: Job) -> None:
        if os.fork() == 0:
            os.close(closes)
            os.read(until_closed, 1)
            os._exit(0)
        kill_me(job)

    b = bench()
    b.start(1, BodiesRunner({"leave behind": leave_behind}))
    b.give(0, "leave behind")
    reason = b.until_lost().reason
    os.close(closes)
    os.close(until_closed)

    assert reason == "killed by signal 9 (SIGKILL)"


@pytest.mark.parametrize("seed", range(4))
def test_random_kills_under_load_lose_and_double_nothing(
    bench: Make, tmp_path: Path, seed: int
) -> None:
    """Each job ends once, or is told as started once; none runs twice."""
    ledger = os.open(tmp_path / "ledger", os.O_CREAT | os.O_APPEND | os.O_RDWR)
    chance = random.Random(seed)

    def work(job: Job) -> str:
        os.write(ledger, b"%d\n" % job.token)
        if job.token % 50 == 0:
            time.sleep(0.002)
        return "ok"

    b = bench()
    b.start(3, BodiesRunner({"work": work}))
    jobs = {
        job.token: job
        for job in (b.job("work", b"x" * chance.randrange(3000)) for _ in range(3000))
    }
    waiting, open_, up, kills = list(jobs), 0, {0, 1, 2}, 0
    ends: Counter[int] = Counter()
    begun: Counter[int] = Counter()
    while waiting or open_:
        for slot in up:
            batch = [waiting.pop() for _ in range(min(len(waiting), chance.randrange(33)))]
            if batch and open_ < 300:
                open_ += len(batch)
                b.submit(slot, [jobs[token] for token in batch])
            else:
                waiting += batch
        for event in b.look(0.05):
            if isinstance(event, Ending):
                ends[event.token] += 1
                open_ -= 1
            elif isinstance(event, SlotReady):
                up.add(event.slot)
            elif isinstance(event, SlotLost):
                up.discard(event.slot)
                begun.update(event.started)
                waiting += event.unstarted
                open_ -= len(event.started) + len(event.unstarted)
        if up and sum(ends.values()) > 60 * kills:
            os.kill(b.pid(chance.choice(sorted(up))), signal.SIGKILL)
            kills += 1
    runs = Counter(int(line) for line in os.pread(ledger, 10**6, 0).split())
    os.close(ledger)

    assert kills > 30
    assert set(ends + begun) == set(jobs)
    assert max((ends + begun).values()) == 1
    assert all(runs[token] == 1 for token in ends)
    assert max(runs.values()) == 1
    assert len(begun) <= kills


def test_large_arguments_and_a_new_child_for_each(bench: Make) -> None:
    """200 jobs of 8 MB each through children that live for one: none stalls the parent."""
    b = bench(max_tasks_per_child=1)
    b.start(2, BodiesRunner(BODIES))
    body = b"x" * (8 * MEGABYTE)
    waiting = [b.job("length", body) for _ in range(200)]
    up, tokens = {0, 1}, {job.token for job in waiting}
    while tokens:
        for slot in tuple(up):
            if waiting:
                up.discard(slot)
                b.submit(slot, [waiting.pop()])
        for event in b.look(1.0):
            if isinstance(event, Ending):
                tokens.remove(event.token)
                assert event.summary == str(8 * MEGABYTE)
            elif isinstance(event, SlotReady):
                up.add(event.slot)

    assert all(lost.expected and not lost.unstarted for lost in b.of(SlotLost))
    assert b.longest_call_s < 1.0


def test_large_arguments_to_children_that_are_killed(bench: Make) -> None:
    """200 jobs of 8 MB, a child for each, and SIGKILL at any moment: all end, nothing stalls."""
    chance = random.Random(8)
    b = bench(max_tasks_per_child=1)
    b.start(2, BodiesRunner(BODIES))
    body = b"x" * (8 * MEGABYTE)
    waiting = {job.token: job for job in (b.job("length", body) for _ in range(200))}
    up, open_, kills, looks = {0, 1}, dict[int, Job](), 0, 0
    while waiting or open_:
        for slot in tuple(up):
            if waiting:
                up.discard(slot)
                token, job = waiting.popitem()
                open_[token] = job
                b.submit(slot, [job])
                if chance.random() < 0.3:
                    spin_s(chance.random() * 0.02)
                    os.kill(b.pid(slot), signal.SIGKILL)
                    kills += 1
        looks += 1
        for event in b.look(1.0):
            if isinstance(event, Ending):
                del open_[event.token]
                assert event.summary == str(8 * MEGABYTE)
            elif isinstance(event, SlotReady):
                up.add(event.slot)
            elif isinstance(event, SlotLost):
                # Begun or not, it is known; the worker decides, and here it tries again.
                for token in (*event.started, *event.unstarted):
                    waiting[token] = open_.pop(token)

    assert kills > 30
    assert looks > len(b.of(Ending)) == 200
    assert b.longest_call_s < 1.0


def test_a_stopped_child_does_not_hold_up_its_parent(bench: Make) -> None:
    """A child that reads nothing costs memory, not time; the other slots go on."""
    b = bench()
    b.start(2, BodiesRunner(BODIES))
    os.kill(b.pid(0), signal.SIGSTOP)
    frozen = b.submit(0, [b.job("length", b"x" * MEGABYTE) for _ in range(32)])
    for _ in range(20):
        b.until_ended(b.give(1, "quick"))
    assert b.longest_call_s < 1.0
    os.kill(b.pid(0), signal.SIGCONT)

    assert b.until_ended(frozen) == [str(MEGABYTE)] * 32


def test_recycled_children_leave_nothing_behind(bench: Make) -> None:
    """After 100 children there are as many descriptors as before, and no zombie."""
    others = children_of_this_process()  # the private servers of other tests
    b = bench(max_tasks_per_child=1)
    b.start(1, BodiesRunner(BODIES))
    before = open_files()
    for number in range(100):
        b.until_ended(b.give(0, "quick"))
        b.until(partial(is_ready, b, number + 2))

    assert open_files() == before
    assert set(children_of_this_process()) - set(others) == {b.pid(0)}


def test_a_full_child_gives_back_what_it_did_not_begin(bench: Make) -> None:
    """``max_tasks_per_child`` ends a child within a batch; the rest comes back, as expected."""
    b = bench(max_tasks_per_child=2)
    b.start(1, BodiesRunner(BODIES))
    tokens = b.give(0, "quick", "quick", "quick", "quick")
    lost = b.until_lost()

    assert [ending.token for ending in b.of(Ending)] == tokens[:2]
    assert (lost.started, lost.unstarted, lost.expected) == ((), tuple(tokens[2:]), True)
    assert lost.reason == "has run 2 tasks: exited with code 0"


def test_a_child_that_grew_too_large_is_replaced(bench: Make) -> None:
    """``max_memory_per_child`` is looked at after each job."""
    kept: list[bytes] = []
    limit_kib = resident_kib_of_a_child() + 40 * 1024
    b = bench(max_memory_per_child=limit_kib)
    b.start(
        1, BodiesRunner({**BODIES, "grow": lambda _job: kept.append(os.urandom(80 * MEGABYTE))})
    )
    b.until_ended(b.give(0, "quick"))
    assert not b.of(SlotLost)
    b.until_ended(b.give(0, "grow"))

    lost = b.until_lost()
    assert lost.expected
    assert f"{limit_kib} are allowed" in lost.reason


def test_a_terminated_child_dies_of_the_signal(bench: Make) -> None:
    """What the worker sends counts, although the same signal to the group does not."""
    b = bench()
    b.start(1, BodiesRunner(BODIES))
    [token] = b.submit(0, [b.job("long", announce=True)])
    b.until(lambda: len(b.events) == 2)
    os.kill(b.pid(0), signal.SIGTERM)
    b.look(0.1)
    assert not b.of(SlotLost)
    b.pool.terminate(0, signal.SIGTERM)

    lost = b.until_lost()
    assert (lost.started, lost.expected) == ((token,), True)
    assert lost.reason == "terminated with SIGTERM: killed by signal 15 (SIGTERM)"


def test_a_body_that_refuses_to_be_terminated_is_killed(bench: Make) -> None:
    """SIGKILL follows where the signal did not help."""

    def refuse(_job: Job) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        os.write(refuses, b"!")
        time.sleep(600)

    refused, refuses = os.pipe()
    b = bench()
    b.start(1, BodiesRunner({"refuse": refuse}))
    [token] = b.give(0, "refuse")
    os.read(refused, 1)
    os.close(refused)
    os.close(refuses)
    b.pool.terminate(0, signal.SIGTERM)

    assert b.until_lost().reason == "terminated with SIGTERM: killed by signal 9 (SIGKILL)"
    assert b.of(SlotLost)[0].started == (token,)


def wait_until_pipe_is_full(bench: Bench) -> None:
    """Wait until the child has written as much as the pipe takes while nobody reads."""
    child = bench.pool._lives.slots[0].child
    assert child is not None
    reads = child.reads
    room, size = fcntl.fcntl(reads, fcntl.F_GETPIPE_SZ), array("i", [0])
    end_s = time.monotonic() + 10
    while size[0] < room:
        assert time.monotonic() < end_s, f"{size[0]} bytes of {room} came"
        os.sched_yield()
        fcntl.ioctl(reads, termios.FIONREAD, size)


def spin_s(seconds: float) -> None:
    end_s = time.monotonic() + seconds
    while time.monotonic() < end_s:
        os.sched_yield()


def is_ready(bench: Bench, times: int) -> bool:
    return len(bench.of(SlotReady)) == times


def resident_kib_of_a_child() -> int:
    """A child counts less than its parent: pages of files come in when it reads them."""
    reads, writes = os.pipe()
    pid = os.fork()
    if not pid:
        os.write(writes, str(resident_kib()).encode())
        os._exit(0)
    os.waitpid(pid, 0)
    size = int(os.read(reads, 100))
    os.close(reads)
    os.close(writes)
    return size


def children_of_this_process() -> list[int]:
    me = os.getpid()
    return [int(pid) for pid in Path(f"/proc/{me}/task/{me}/children").read_text().split()]


def resident_kib() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE") // 1024
