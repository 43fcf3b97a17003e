"""Bodies that run for longer than a lease."""

from __future__ import annotations

import ctypes
import threading
import time
from pathlib import Path
from typing import Any

from taskq.adapters.broker.redis import RedisBroker
from taskq.ports import Completion, ResultRecord, Settlement, Verdict
from tests.real.redis.conftest import make_broker, make_store, outgoing, queue, receive_within
from tests.real.redis.test_faults import kill, lines, start_worker, wait_until

LEASE_S = 0.6
BODY_S = 5 * LEASE_S


class Rival(threading.Thread):
    """Another worker, with a loop of its own: it takes whatever it is given."""

    def __init__(self, url: str) -> None:
        super().__init__(daemon=True)
        self.intake = make_broker(url, lease_s=LEASE_S).consume([queue()], "rival")
        self.got: list[Any] = []
        self._over = threading.Event()
        self.start()

    def run(self) -> None:
        while not self._over.wait(0.05):
            self.intake.renew()
            self.got += self.intake.receive()

    def stop(self) -> None:
        self._over.set()
        self.join(10)


def end(one: Any, state: str) -> Completion:
    result = ResultRecord("1", state, b'{"status": "%b"}' % state.encode(), expires_s=60)
    return Completion((outgoing(state, "after"),), result, Settlement(one.tag, Verdict.ACK))


def test_a_worker_that_renews_keeps_what_it_runs(broker: RedisBroker, redis_url: str) -> None:
    """Five leases long, with another worker looking for lost ones all the time: one run."""
    broker.publish([outgoing("1")])
    worker = make_broker(redis_url, lease_s=LEASE_S).consume([queue()], "w1")
    [one] = receive_within(worker, 5)
    rival = Rival(redis_url)
    deadline = time.monotonic() + BODY_S
    while time.monotonic() < deadline:
        time.sleep(min(worker.renew() or 1.0, 1.0))
    worker.commit([end(one, "SUCCESS")], make_store(redis_url))
    rival.stop()

    assert rival.got == []
    assert worker.lost_tags() == []
    assert broker.length("after") == 1
    worker.close()
    rival.intake.close()


def test_a_worker_whose_loop_is_blocked_keeps_what_it_runs(
    broker: RedisBroker, redis_url: str
) -> None:
    """Its body runs in the thread of the loop: the lease is renewed beside it."""
    broker.publish([outgoing("1")])
    worker = make_broker(redis_url, lease_s=LEASE_S).consume([queue()], "w1", unattended=True)
    [one] = receive_within(worker, 5)
    rival = Rival(redis_url)
    time.sleep(BODY_S)
    worker.commit([end(one, "SUCCESS")], make_store(redis_url))
    rival.stop()

    assert rival.got == []
    assert worker.lost_tags() == []
    worker.close()
    rival.intake.close()


def test_a_process_that_stands_still_loses_its_lease_and_its_say(
    broker: RedisBroker, redis_url: str, client: Any, tmp_path: Path
) -> None:
    """A body in C that keeps the interpreter for five leases lets no thread renew.

    This is the limit of pools in one process.  The message comes again, and the end of the first
    run counts for nothing.
    """
    broker.publish([outgoing("1")])
    worker = make_broker(redis_url, lease_s=LEASE_S).consume([queue()], "w1", unattended=True)
    [one] = receive_within(worker, 5)
    ledger = tmp_path / "ledger"
    rival = start_worker(redis_url, "w2", "hold", ledger)
    wait_until(lambda: ["up", "w2"] in lines(ledger))
    ctypes.PyDLL(None).usleep(int(BODY_S * 1e6))  # holds the lock that all threads need
    wait_until(lambda: ["got", "1"] in lines(ledger), 5.0)
    worker.commit([end(one, "FAILURE")], make_store(redis_url))
    kill(rival)

    assert worker.lost_tags() == [one.tag]
    assert not client.exists("celery-task-meta-1")
    assert broker.length("after") == 0
    worker.close()
