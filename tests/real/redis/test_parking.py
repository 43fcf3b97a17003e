"""What is not due waits on a real server, and nobody holds it: not its worker, not its memory."""

from __future__ import annotations

import resource
import time
from collections import Counter
from pathlib import Path
from typing import Any

from taskq.adapters.broker.redis import RedisBroker
from taskq.ports import Settlement, Verdict
from tests.real.redis.conftest import (
    ids,
    make_broker,
    outgoing,
    queue,
    receive_within,
    wait_readable,
)
from tests.real.redis.test_faults import kill, lines, start_worker, wait_until

LEASE_S = 1.0


def park(intake: Any, due_s: float, *deliveries: Any) -> None:
    intake.settle([Settlement(one.tag, Verdict.PARK, due_s=due_s) for one in deliveries])


def test_a_delay_of_three_leases_is_one_start(broker: RedisBroker, redis_url: str) -> None:
    """The worker that parked it goes on renewing; eight take from the queue; one gets it."""
    broker.publish([outgoing("1")])
    workers = [
        make_broker(redis_url, lease_s=LEASE_S).consume([queue()], f"w{number}")
        for number in range(8)
    ]
    [one] = receive_within(workers[0], 5)
    due_s = time.time() + 3 * LEASE_S
    park(workers[0], due_s, one)
    got: list[tuple[float, str]] = []
    while time.time() < due_s + 2 * LEASE_S:
        for worker in workers:
            worker.renew()
            got += [(time.time(), name) for name in ids(worker.receive())]
        time.sleep(0.02)

    assert [name for _, name in got] == ["1"]
    assert due_s <= got[0][0] < due_s + 1.0
    for worker in workers:
        worker.close()


def test_all_workers_are_killed_meanwhile(
    broker: RedisBroker, redis_url: str, client: Any, tmp_path: Path
) -> None:
    """What they parked is nobody's: it comes at its time, once, to whoever is there then."""
    count = 40
    broker.publish([outgoing(str(number)) for number in range(count)])
    ledger = tmp_path / "ledger"
    workers = [start_worker(redis_url, f"w{number}", "park", ledger) for number in range(2)]
    wait_until(lambda: sum(line[0] == "parked" for line in lines(ledger)) == count)
    for worker in workers:
        kill(worker)
    waiting = client.zcard("taskq.parked.q")
    late = make_broker(redis_url, lease_s=LEASE_S).consume([queue()], "late")
    got: Counter[str] = Counter()
    deadline = time.monotonic() + 10
    while len(got) < count and time.monotonic() < deadline:
        late.renew()
        got.update(ids(receive_within(late, 0.2, count)))
    got.update(ids(receive_within(late, 2 * LEASE_S, 1)))

    assert waiting == count
    assert got == Counter(str(number) for number in range(count))
    late.close()


def test_a_worker_killed_while_it_parks_loses_nothing(
    broker: RedisBroker, redis_url: str, client: Any, tmp_path: Path
) -> None:
    """Again and again, at any moment: each message is leased, parked or waiting, once."""
    count, rounds = 300, 5
    for round_ in range(rounds):
        broker.publish([outgoing(f"{round_}-{number}") for number in range(count)])
        ledger = tmp_path / f"ledger-{round_}"
        worker = start_worker(redis_url, f"w{round_}", "park", ledger)
        wait_until(lambda ledger=ledger: len(lines(ledger)) > 3)
        time.sleep(0.004 * round_)
        kill(worker)
    late = make_broker(redis_url, lease_s=LEASE_S).consume([queue()], "late")
    got: Counter[str] = Counter()
    deadline = time.monotonic() + 20
    while len(got) < count * rounds and time.monotonic() < deadline:
        late.renew()
        some = receive_within(late, 0.2, 100)
        got.update(ids(some))
        late.settle([Settlement(one.tag, Verdict.ACK) for one in some])

    assert len(got) == count * rounds
    assert set(got.values()) == {1}
    assert late.receive() == []
    late.close()
    assert not [key for key in client.keys("taskq.*") if not key.startswith(b"taskq.taken.")]


def test_an_idle_worker_is_woken_in_time(broker: RedisBroker, redis_url: str) -> None:
    """Parked by another, due soon: within a second of its time, by the worker's own waiting."""
    idle = make_broker(redis_url).consume([queue()], "idle")
    busy = make_broker(redis_url).consume([queue()], "busy")
    broker.publish([outgoing("1")])
    [one] = receive_within(busy, 5)
    due_s = time.time() + 0.7
    park(busy, due_s, one)
    got: list[Any] = []
    while not got and time.time() < due_s + 5:
        wait_readable(idle, min(5.0, idle.poll_s or 0.0))
        got = list(idle.receive())

    assert ids(got) == ["1"]
    assert due_s <= time.time() < due_s + 1.2
    idle.close()
    busy.close()


def test_a_hundred_thousand_are_no_worker_s_burden(
    broker: RedisBroker, redis_url: str, client: Any
) -> None:
    """A worker that parks them all holds none of them afterwards, and takes new work at once."""
    count = 100_000
    text = "x" * 200
    for start in range(0, count, 10_000):
        broker.publish([outgoing(f"{n}-{text}") for n in range(start, start + 10_000)])
    intake = make_broker(redis_url).consume([queue()], "w1")
    intake.set_prefetch(200)
    due_s = time.time() + 3600
    parked, before_kb = 0, 0
    while parked < count:
        some = intake.receive()
        park(intake, due_s, *some)
        parked += len(some)
        if parked == 10_000:
            before_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    grown_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kb
    broker.publish([outgoing("now")])
    began = time.monotonic()
    [now] = receive_within(intake, 5)

    assert ids([now]) == ["now"]
    assert time.monotonic() - began < 1.0
    assert grown_kb < 10_000
    assert client.zcard("taskq.parked.q") == client.hlen("taskq.parked-messages.q") == count
    assert len(broker.parked(["q"], 10)) == 10
    assert broker.unpark([f"{n}-{text}" for n in range(1000)]) == 1000
    assert broker.purge("q") == count
    intake.settle([Settlement(now.tag, Verdict.ACK)])
    intake.close()
    assert client.keys("taskq.*") == []


def test_what_comes_due_together_is_moved_in_steps(
    broker: RedisBroker, redis_url: str, client: Any
) -> None:
    """Thousands at once: each comes once, and the server is never busy with them for long."""
    count = 5000
    broker.publish([outgoing(str(number)) for number in range(count)])
    intake = make_broker(redis_url).consume([queue()], "w1")
    due_s = time.time() + 1.5
    parked = 0
    while parked < count:
        some = intake.receive()
        park(intake, due_s, *some)
        parked += len(some)
    client.config_set("slowlog-log-slower-than", 100_000)
    client.slowlog_reset()
    got: list[str] = []
    deadline = time.monotonic() + 20
    while len(got) < count and time.monotonic() < deadline:
        some = receive_within(intake, 0.2)
        got += ids(some)
        intake.settle([Settlement(one.tag, Verdict.ACK) for one in some])

    assert sorted(got, key=int) == [str(number) for number in range(count)]
    assert client.slowlog_len() == 0
    intake.close()
