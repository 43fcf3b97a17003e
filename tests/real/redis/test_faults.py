"""What an operator does to a worker and to its server."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import redis as redis_py

from taskq.adapters.broker.redis import RedisBroker
from taskq.adapters.broker.redis_link import LinkPool
from taskq.errors import BrokerLostError, OperationalError
from taskq.ports import (
    Completion,
    ExchangeSpec,
    Malformed,
    Message,
    Outgoing,
    PublishOptions,
    QueueSpec,
    ResultRecord,
    Settlement,
    Verdict,
)
from tests.real.redis.conftest import (
    ids,
    make_broker,
    make_store,
    outgoing,
    queue,
    receive_within,
    wait_readable,
)

WORKER = Path(__file__).with_name("worker_process.py")


def start_worker(url: str, name: str, mode: str, ledger: Path) -> subprocess.Popen[bytes]:
    root = str(Path(__file__).resolve().parents[3])
    return subprocess.Popen(
        [sys.executable, str(WORKER), url, name, mode, str(ledger)],
        env={**os.environ, "PYTHONPATH": root},
    )


def lines(ledger: Path) -> list[list[str]]:
    return [line.split() for line in ledger.read_text().splitlines()] if ledger.exists() else []


def wait_until(true: Any, seconds: float = 15.0) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def kill(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait(10)


def test_a_message_wakes_an_idle_worker_at_once(broker: RedisBroker) -> None:
    """A descriptor becomes readable; waiting has taken nothing out of the queue."""
    intake = broker.consume([queue()], "w1")
    intake.set_prefetch(1)
    assert intake.receive() == []
    assert len(intake.watched) == 4
    assert not wait_readable(intake, 0.2)
    broker.publish([outgoing("1", priority=6)])
    began = time.monotonic()

    assert wait_readable(intake, 5)
    assert time.monotonic() - began < 1.0
    assert broker.length("q") == 1
    assert ids(intake.receive()) == ["1"]
    intake.close()


def test_a_waiting_worker_that_dies_loses_nothing(
    broker: RedisBroker, redis_url: str, tmp_path: Path
) -> None:
    """Workers that wait are killed while messages come: every message stays or is leased."""
    workers = [start_worker(redis_url, f"w{n}", "hold", tmp_path / "ledger") for n in range(2)]
    wait_until(lambda: len(lines(tmp_path / "ledger")) >= 2)
    for number in range(50):
        broker.publish([outgoing(str(number))])
        if number == 25:
            kill(workers[0])
    kill(workers[1])
    rescuer = make_broker(redis_url, lease_s=1.0).consume([queue()], "rescuer")
    got: Counter[str] = Counter()
    deadline = time.monotonic() + 10
    while len(got) < 50 and time.monotonic() < deadline:
        rescuer.renew()
        got.update(ids(receive_within(rescuer, 0.2, 50)))

    assert sorted(got, key=int) == [str(n) for n in range(50)]
    assert set(got.values()) == {1}
    rescuer.close()


def test_a_killed_workers_messages_come_again_within_two_leases(
    broker: RedisBroker, redis_url: str, tmp_path: Path
) -> None:
    """kill -9 with a lease of one second: another has the message within two."""
    broker.publish([outgoing("1")])
    ledger = tmp_path / "ledger"
    worker = start_worker(redis_url, "w1", "hold", ledger)
    wait_until(lambda: ["got", "1"] in lines(ledger))
    rescuer = make_broker(redis_url, lease_s=1.0).consume([queue()], "rescuer")
    kill(worker)
    began = time.monotonic()
    got: list[Any] = []
    while not got and time.monotonic() - began < 10:
        rescuer.renew()
        got = receive_within(rescuer, 0.1)

    assert time.monotonic() - began < 2.2
    assert ids(got) == ["1"]
    assert (got[0].redelivered, got[0].attempts) == (True, 1)
    rescuer.close()


def test_what_a_killed_worker_had_claimed_is_accounted_for(
    broker: RedisBroker, redis_url: str, client: Any, tmp_path: Path
) -> None:
    """Its body may have run: who finds it has it until its end is told, and it is a dead letter."""
    broker.publish([outgoing("1")])
    ledger = tmp_path / "ledger"
    worker = start_worker(redis_url, "w1", "claim", ledger)
    wait_until(lambda: ["claimed", "1"] in lines(ledger))
    kill(worker)
    rescuer = make_broker(redis_url, lease_s=1.0).consume([queue()], "rescuer")
    lost: list[Any] = []
    deadline = time.monotonic() + 10
    while not lost and time.monotonic() < deadline:
        rescuer.renew()
        lost += rescuer.lost_claims()
        time.sleep(0.1)

    assert [one.message.headers["id"] for one in lost] == ["1"]
    assert rescuer.receive() == []
    assert broker.dead_letter_count() == 0
    end = ResultRecord("1", "FAILURE", b'{"status": "FAILURE"}', expires_s=60)
    verdict = Settlement(lost[0].tag, Verdict.REJECT, lost[0].reason)
    rescuer.commit([Completion((), end, verdict)], make_store(redis_url))
    [letter] = broker.dead_letters(10)
    assert "may have started" in letter.reason
    assert letter.message is not None
    assert letter.message.headers["id"] == "1"
    rescuer.close()
    assert not client.keys("taskq.lease*")
    assert not client.keys("taskq.claimed*")


def test_nothing_is_lost_when_workers_are_killed_at_any_moment(
    broker: RedisBroker, redis_url: str, client: Any, tmp_path: Path
) -> None:
    """Late acks under a loop of random kills: every message has a result and was acked."""
    rounds, each, chance = 12, 120, random.Random(7)
    ledger = tmp_path / "ledger"
    workers = [start_worker(redis_url, f"w{n}", "work", ledger) for n in range(2)]
    names = ["w0", "w1"]
    for number in range(rounds):
        broker.publish([outgoing(f"{number}-{n}") for n in range(each)])
        victim = chance.randrange(2)
        wait_until(lambda name=names[victim]: ["up", name] in lines(ledger))
        time.sleep(chance.uniform(0.0, 0.15))
        kill(workers[victim])
        names[victim] = f"x{number}"
        workers[victim] = start_worker(redis_url, names[victim], "work", ledger)
    count = rounds * each
    wait_until(lambda: len(client.keys("celery-task-meta-*")) == count, 60)
    wait_until(lambda: all(["up", name] in lines(ledger) for name in names))
    for one in workers:
        one.send_signal(signal.SIGTERM)
    codes = [one.wait(10) for one in workers]

    assert codes == [0, 0]
    assert any(lines(ledger).count(line) > 1 for line in lines(ledger)), "a kill interrupted work"
    assert client.llen("done") == count, "a follow-up for each, and only one"
    assert client.zcard("taskq.dead") == 0
    # Leases of the last victims are taken over by whoever comes next.
    last = make_broker(redis_url, lease_s=1.0).consume([queue()], "last")
    wait_until(lambda: bool(last.renew()) and len(client.keys("taskq.lease*")) == 0)
    assert last.receive() == []
    last.close()
    assert client.zcard("taskq.workers") == 0


def test_malformed_bytes_cost_one_place_and_no_worker(broker: RedisBroker, client: Any) -> None:
    """Whatever is pushed into the list, the messages around it arrive."""
    client.lpush("q", b"", b"{}", b"\x00\xff" * 50, b"[" * 100_000, b'{"body": NaN}', b"x" * 10**6)
    broker.publish([outgoing("1")])
    intake = broker.consume([queue()], "w1")
    got = receive_within(intake, 5, 7)
    bad = [one for one in got if isinstance(one, Malformed)]
    intake.settle([Settlement(one.tag, Verdict.REJECT, one.reason) for one in bad])

    assert len(bad) == 6
    assert ids(got[6:]) == ["1"]
    assert client.zcard("taskq.dead") == client.hlen("taskq.dead-letters") == 6
    intake.close()


def test_a_wrong_password_is_said_in_one_line(redis_server_of_its_own: Any) -> None:
    """Where (starred), why, what to do; and without a single retry."""
    url = redis_server_of_its_own.url
    with redis_py.Redis.from_url(url) as admin:
        admin.config_set("requirepass", "right")
    wrong = url.replace("redis://", "redis://:secret@")
    for act in (
        lambda: make_broker(wrong).publish([outgoing("1")]),
        lambda: make_broker(wrong).ping(),
        lambda: make_broker(wrong).consume([queue()], "w1"),
        lambda: make_broker(url).ping(),
        lambda: make_store(wrong).load(["1"]),
    ):
        with pytest.raises(OperationalError) as caught:
            act()
        text = str(caught.value)
        assert "authentication failed" in text
        assert "check user and password" in text
        assert "secret" not in text
        assert "\n" not in text


def test_a_server_that_is_not_there_is_said_in_one_line() -> None:
    """Refused: start it, or correct the URL; within the time that was given."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    began = time.monotonic()
    message = outgoing("1")
    options = PublishOptions(timeout_s=0.5)
    with pytest.raises(OperationalError, match=r"connection refused .*start the server"):
        make_broker(f"redis://127.0.0.1:{port}").publish(
            [type(message)(message.message, "", "q", options=options)]
        )

    assert time.monotonic() - began < 1.5


def test_a_server_that_hangs_does_not_hold_a_publisher(redis_server_of_its_own: Any) -> None:
    """A publish with a time limit ends in it though the server answers nothing."""
    broker = make_broker(redis_server_of_its_own.url)
    broker.publish([outgoing("0")])
    redis_server_of_its_own.pause()
    try:
        message = outgoing("1")
        options = PublishOptions(timeout_s=0.6)
        began = time.monotonic()
        with pytest.raises(OperationalError, match="no answer in time"):
            broker.publish([type(message)(message.message, "", "q", options=options)])
        assert time.monotonic() - began < 1.5
    finally:
        redis_server_of_its_own.resume()
    broker.close()


def test_a_restarted_server_is_worked_with_again(redis_server_of_its_own: Any) -> None:
    """The loss is one error; after reconnect what was held is settled, and new work comes."""
    url = redis_server_of_its_own.url
    broker, store = make_broker(url), make_store(url)
    broker.publish([outgoing("1")])
    intake = broker.consume([queue()], "w1")
    [one] = receive_within(intake, 5)
    intake.receive()
    redis_server_of_its_own.restart()
    with pytest.raises(BrokerLostError):
        intake.receive()
    intake.reconnect()
    result = ResultRecord("1", "SUCCESS", b'{"status": "SUCCESS"}', expires_s=60)
    intake.commit([Completion((), result, Settlement(one.tag, Verdict.ACK))], store)
    intake.receive()
    broker.publish([outgoing("2")])

    assert wait_readable(intake, 5)
    assert ids(intake.receive()) == ["2"]
    assert store.load(["1"])[0] is not None
    assert intake.lost_tags() == []
    intake.close()
    broker.close()
    store.close()


def test_a_server_without_memory_is_still_drained(redis_server_of_its_own: Any) -> None:
    """Publishing says so; taking and acking go on, and make room."""
    url = redis_server_of_its_own.url
    broker = make_broker(url)
    broker.publish([outgoing(str(n)) for n in range(100)])
    intake = broker.consume([queue()], "w1")
    with redis_py.Redis.from_url(url) as admin:
        admin.config_set("maxmemory", 1)
        with pytest.raises(OperationalError, match=r"no memory left .*raise maxmemory"):
            broker.publish([outgoing("more")])
        got = receive_within(intake, 5, 100)
        intake.settle([Settlement(one.tag, Verdict.ACK) for one in got])
        intake.renew()
        admin.config_set("maxmemory", 0)

    assert len(got) == 100
    assert broker.length("q") == 0
    intake.close()
    broker.close()


def test_forked_children_use_connections_of_their_own(broker: RedisBroker, client: Any) -> None:
    """A child after a fork publishes; the parent's connection is untouched by it."""
    broker.publish([outgoing("before")])
    child = os.fork()
    if child == 0:
        code = 1
        try:
            broker.publish([outgoing("child")])
            code = 0
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    broker.publish([outgoing("after")])

    assert status == 0
    found = [json.loads(raw)["headers"]["id"] for raw in client.lrange("q", 0, -1)]
    assert found == ["after", "child", "before"]


def test_many_threads_share_a_broker(broker: RedisBroker) -> None:
    """Every message of every thread arrives, on a bounded number of connections."""
    threads = [
        threading.Thread(
            target=lambda n=n: [*map(broker.publish, ([outgoing(f"{n}-{m}")] for m in range(50)))]
        )
        for n in range(16)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert broker.length("q") == 800


def test_threads_wait_for_their_own_results(redis_url: str) -> None:
    """Each waiter is woken by its own result, soon after it is stored."""
    store = make_store(redis_url)
    woken: dict[str, float] = {}

    def wait_for(task_id: str) -> None:
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            store.wait([task_id], 5.0)
            if store.load([task_id])[0] is not None:
                break
        woken[task_id] = time.monotonic()
        store.stop_waiting([task_id])

    threads = [threading.Thread(target=wait_for, args=(f"t{n}",)) for n in range(8)]
    for thread in threads:
        thread.start()
    time.sleep(0.3)
    stored_at = time.monotonic()
    store.store(
        [ResultRecord(f"t{n}", "SUCCESS", b'{"status": "SUCCESS"}', expires_s=9) for n in range(8)]
    )
    for thread in threads:
        thread.join(15)

    assert len(woken) == 8
    assert max(woken.values()) - stored_at < 0.5
    store.close()


def test_a_second_server_is_used_when_the_first_is_away(redis_url: str) -> None:
    """A failover list is tried in order."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    broker = make_broker(f"redis://127.0.0.1:{port};{redis_url}")
    broker.publish([outgoing("1")])

    assert broker.length("q") == 1
    broker.close()


def test_resp3_works_as_well(redis_url: str) -> None:
    """The other protocol gives the same messages, results and wake-ups."""
    url = f"{redis_url}?protocol=3"
    broker, store = make_broker(url), make_store(url)
    intake = broker.consume([queue()], "w1")
    intake.receive()
    broker.publish([outgoing("1")])
    assert wait_readable(intake, 5)
    [one] = receive_within(intake, 5)
    store.wait(["1"], 1.0)
    result = ResultRecord("1", "SUCCESS", b'{"status": "SUCCESS"}', expires_s=60)
    intake.commit([Completion((), result, Settlement(one.tag, Verdict.ACK))], store)

    assert [one.task_id for one in store.wait(["1"], 2.0)] == ["1"]
    intake.close()
    broker.close()
    store.close()


def test_a_half_open_connection_is_noticed(redis_server_of_its_own: Any) -> None:
    """A server that stops answering is lost within the socket's time, not for ever."""
    broker = make_broker(redis_server_of_its_own.url, socket_timeout=0.5)
    intake = broker.consume([queue()], "w1")
    redis_server_of_its_own.pause()
    try:
        began = time.monotonic()
        with pytest.raises(BrokerLostError, match="no answer in time"):
            intake.renew()
        assert time.monotonic() - began < 2
    finally:
        redis_server_of_its_own.resume()
    intake.reconnect()
    assert intake.receive() == []
    intake.close()


def test_idle_links_are_few(redis_url: str) -> None:
    """A pool keeps no more links than its limit."""
    broker = make_broker(redis_url)
    pool: LinkPool = broker._pool
    links = [pool.take() for _ in range(15)]
    for link in links:
        pool.give(link)

    assert len(pool._idle) == 10
    broker.close()


def test_resp3_parks_and_listens_as_well(redis_url: str) -> None:
    """Scores come in pairs there, and what a channel says in a form of its own."""
    broker = make_broker(f"{redis_url}?protocol=3")
    intake = broker.consume([queue()], "w1")
    broker.publish([outgoing("1"), outgoing("2")])
    for number, one in enumerate(receive_within(intake, 5, 2)):
        due_s = time.time() + 100 * (number + 1)
        intake.settle([Settlement(one.tag, Verdict.PARK, due_s=due_s)])
    for kind in ("fanout", "direct"):
        exchange = ExchangeSpec(kind, kind)
        inbox = broker.listen(QueueSpec(f"mine-{kind}", exchange, "k"))
        broker.publish([Outgoing(Message({}, b"x", "a/b", "utf-8"), kind, "k", kind)])
        inbox.wait(5.0)

        assert [one.body for one in inbox.receive()] == [b"x"]
        inbox.close()
    assert ids(broker.parked(["q"], 5)) == ["1", "2"]
    intake.close()
