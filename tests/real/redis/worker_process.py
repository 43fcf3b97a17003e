"""A worker in a process of its own, to be killed: ``url name mode ledger``.

``hold`` takes and keeps; ``claim`` takes and claims; ``park`` parks for two seconds; ``work``
commits each message with a follow-up and a result, one batch after the other, until it is told to
end.
"""

from __future__ import annotations

import os
import selectors
import signal
import sys

from taskq.adapters.broker.redis import RedisBroker
from taskq.adapters.clock import SystemClock
from taskq.adapters.randomness import SystemRandomness
from taskq.adapters.results.redis import RedisStore
from taskq.ports import (
    Completion,
    ExchangeSpec,
    Message,
    Outgoing,
    Place,
    QueueSpec,
    ResultRecord,
    Settlement,
    Verdict,
)


def main() -> None:
    url, name, mode, ledger = sys.argv[1:]
    file = os.open(ledger, os.O_CREAT | os.O_WRONLY | os.O_APPEND)

    def note(*words: str) -> None:
        os.write(file, (" ".join(words) + "\n").encode())

    stop: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _frame: stop.append(number))
    clock = SystemClock()
    broker = RedisBroker(
        url,
        clock=clock,
        randomness=SystemRandomness(),
        place=Place("here", os.getpid()),
        lease_s=1.0,
    )
    store = RedisStore(url, clock=clock)
    intake = broker.consume([QueueSpec("q", ExchangeSpec("q"), "q")], name)
    intake.set_prefetch(0 if mode == "hold" else 4)
    renew_at = 0.0
    note("up", name)
    while not stop:
        now = clock.read().elapsed_s
        if now >= renew_at:
            renew_at = now + (intake.renew() or 0.3)
        got = intake.receive()
        for one in got:
            note("got", one.message.headers["id"])  # type: ignore[union-attr]
        if mode == "claim" and got:
            intake.settle([Settlement(one.tag, Verdict.CLAIM) for one in got])
            for one in got:
                note("claimed", one.message.headers["id"])  # type: ignore[union-attr]
        if mode == "park" and got:
            due_s = clock.read().wall_s + 2.0
            intake.settle([Settlement(one.tag, Verdict.PARK, due_s=due_s) for one in got])
            for one in got:
                note("parked", one.message.headers["id"])  # type: ignore[union-attr]
        if mode == "work":
            clock.sleep(0.005)  # the body
            intake.commit([finished(one) for one in got], store)
        if not got:
            wait(intake.watched, 0.1)
    intake.close()


def finished(one: object) -> Completion:
    task_id = one.message.headers["id"]  # type: ignore[attr-defined]
    after = Outgoing(Message({"id": task_id}, b"", "a/b", "utf-8"), "", "done")
    result = ResultRecord(task_id, "SUCCESS", b'{"status": "SUCCESS"}', expires_s=600)
    return Completion((after,), result, Settlement(one.tag, Verdict.ACK))  # type: ignore[attr-defined]


def wait(fds: object, seconds: float) -> None:
    with selectors.DefaultSelector() as selector:
        for fd in fds:  # type: ignore[attr-defined]
            selector.register(fd, selectors.EVENT_READ)
        selector.select(seconds)


if __name__ == "__main__":
    main()
