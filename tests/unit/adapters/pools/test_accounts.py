"""What a pool knows of jobs that it gave away, and of news that wait for it."""

from __future__ import annotations

import os
import select
import threading

from hypothesis import given
from hypothesis import strategies as st

from taskq.adapters.pools.account import Account
from taskq.adapters.pools.ledger import ROOM_BYTES, Ledger
from taskq.adapters.pools.mailbox import Mailbox
from taskq.ports import Job, JobStarted


def job(token: int) -> Job:
    return Job(token, {}, b"", "a", "b", {}, {})


@given(st.integers(0, 20), st.data())
def test_each_job_is_settled_begun_or_not_begun(given_: int, data: st.DataObject) -> None:
    """Whatever has ended and begun, each token is in one place, and in its order."""
    begun = data.draw(st.integers(0, given_))
    ended = data.draw(st.sets(st.integers(0, begun - 1)) if begun else st.just(set()))
    account = Account()
    cut = data.draw(st.integers(0, given_))
    account.give([job(100 + n) for n in range(cut)])
    account.give([job(100 + n) for n in range(cut, given_)])
    for n in ended:
        assert account.settle(100 + n)
    started, unstarted = account.split(begun)

    assert list(started) == [100 + n for n in range(begun) if n not in ended]
    assert list(unstarted) == [100 + n for n in range(begun, given_)]


def test_an_ending_is_owed_once() -> None:
    """A second ending for one token, or one for a token that was never given, is none."""
    account = Account()
    account.give([job(1)])

    assert [account.settle(token) for token in (1, 1, 2)] == [True, False, False]


def test_a_ledger_holds_frames_until_they_are_dropped() -> None:
    """What is held can be seen, in order; what was dropped cannot."""
    ledger = Ledger()
    assert ledger.peek() == b""
    assert ledger.hold(b"one")
    assert ledger.hold(b"two")
    assert ledger.peek() == b"onetwo"
    ledger.drop()

    assert ledger.peek() == b""
    ledger.close()


def test_a_full_ledger_says_so() -> None:
    """A frame that has no room is refused, and nothing of it is held."""
    ledger = Ledger()
    assert ledger.hold(b"x" * (ROOM_BYTES - 1))
    assert not ledger.hold(b"ab")
    assert len(ledger.peek()) == ROOM_BYTES - 1
    ledger.close()


def test_a_ledger_is_shared_with_a_forked_process() -> None:
    """What a child writes stays readable after the child is dead."""
    ledger = Ledger()
    pid = os.fork()
    if pid == 0:
        ledger.hold(b"last words")
        os._exit(0)
    os.waitpid(pid, 0)

    assert ledger.peek() == b"last words"
    ledger.close()


def test_a_mailbox_is_readable_while_it_has_something() -> None:
    """The descriptor tells; after the events were taken it is quiet again."""
    mailbox: Mailbox[None] = Mailbox()
    assert not rings(mailbox)
    mailbox.put(None, JobStarted(1, 1))
    mailbox.put(None, JobStarted(2, 1))
    assert rings(mailbox)

    assert tokens(mailbox) == [1, 2]
    assert not rings(mailbox)
    assert mailbox.take() == []


def test_no_event_of_many_threads_is_missed() -> None:
    """Whoever waits for the bell before each take gets all events, each thread's in order."""
    mailbox: Mailbox[None] = Mailbox()
    each = 500

    def put(base: int) -> None:
        for n in range(each):
            mailbox.put(None, JobStarted(base + n, 1))

    threads = [threading.Thread(target=put, args=(k * each,)) for k in range(4)]
    for thread in threads:
        thread.start()
    came: list[int] = []
    while len(came) < 4 * each:
        assert select.select([mailbox.reads], [], [], 10)[0], "nobody rang"
        came += tokens(mailbox)

    assert sorted(came) == list(range(4 * each))
    assert [t for t in came if t < each] == list(range(each))


def tokens(mailbox: Mailbox[None]) -> list[int]:
    return [event.token for _, event in mailbox.take() if isinstance(event, JobStarted)]


def rings(mailbox: Mailbox[None]) -> bool:
    return bool(select.select([mailbox.reads], [], [], 0)[0])
