"""The queue of one eager run, and its worker's end of it."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from taskq.errors import TaskqError
from taskq.ports import (
    ChordFull,
    Completion,
    Delivery,
    LostMessage,
    Malformed,
    Message,
    Outgoing,
    QueueSpec,
    ResultStore,
    Settlement,
    Verdict,
    end_chords,
    grow_chords,
    weigh_chords,
)

__all__ = ["EagerIntake", "EndlessError"]

# So often one task is sent at most: a test that hangs says nothing.
MOST_TIMES: Final = 2_000


class EndlessError(TaskqError):
    """A task is sent again and again."""

    def __init__(self, task: str, times: int) -> None:
        super().__init__(task, times)
        self.task, self.times = task, times

    def __str__(self) -> str:
        return (
            f"task {self.task} was sent {self.times:,} times and has not come to an end; in eager "
            "mode nothing changes while a retry waits: give it a max_retries, or a reason to end"
        )


class EagerIntake:
    """The ``Intake`` port: first in, first out, whatever the queue is called."""

    keeps_deliveries = True
    parks = False
    watched: Sequence[int] = ()
    poll_s: float | None = None

    def __init__(self, note: Callable[[Outgoing], None]) -> None:
        self._note = note  # of each message that is sent
        self._ready: deque[Delivery] = deque()
        self._out: dict[int, Delivery] = {}
        self._tags = 0
        self._times: Counter[str] = Counter()  # by task id

    @property
    def is_done(self) -> bool:
        """Whether nothing waits, and nothing is unsettled."""
        return not self._ready and not self._out

    @property
    def is_waiting(self) -> bool:
        """Whether something is there to be taken."""
        return bool(self._ready)

    def put(self, messages: Sequence[Outgoing]) -> None:
        """Queue what is sent."""
        for each in messages:
            self._note(each)
            self._count(each.message)
            queue = each.routing_key
            self._ready.append(
                Delivery(self._tag(), each.message, queue, each.exchange, queue, attempts=0)
            )

    def set_prefetch(self, count: int) -> None:
        """Nobody else could take it."""

    def receive(self) -> Sequence[Delivery | Malformed]:
        """Take all that is there."""
        taken = list(self._ready)
        self._ready.clear()
        self._out.update((each.tag, each) for each in taken)
        return taken

    def settle(self, settlements: Sequence[Settlement]) -> None:
        """Carry out the verdicts."""
        for each in settlements:
            if each.verdict is not Verdict.CLAIM:
                self._settle(each)

    def _settle(self, settlement: Settlement) -> None:
        delivery = self._out.pop(settlement.tag, None)
        if delivery is not None and settlement.verdict is Verdict.REQUEUE:
            self._count(delivery.message)
            attempts = (delivery.attempts or 0) + settlement.attempted
            self._ready.append(
                replace(delivery, tag=self._tag(), redelivered=True, attempts=attempts)
            )

    def commit(self, completions: Sequence[Completion], store: ResultStore) -> Sequence[ChordFull]:
        """Publish follow-ups, store results, count parts of chords, settle."""
        found = (self._complete(number, each, store) for number, each in enumerate(completions))
        return [full for full in found if full is not None]

    def _complete(
        self, number: int, completion: Completion, store: ResultStore
    ) -> ChordFull | None:
        grow_chords((completion,), store)
        if not completion.goes_on:
            self.put(completion.follow_ups)
            if completion.result is not None:
                store.store((completion.result,))
        due = weigh_chords(number, completion, store)
        if isinstance(due, ChordFull):
            return due
        end_chords(due, store, self.put)
        if completion.settlement is not None:
            self.settle((completion.settlement,))
        return None

    def renew(self) -> float | None:
        """Nothing is leased."""
        return None

    def lost_claims(self) -> Sequence[LostMessage]:
        """No other worker is there."""
        return ()

    def lost_tags(self) -> Sequence[int]:
        """No other worker is there."""
        return ()

    def add_queue(self, queue: QueueSpec) -> None:
        """There is but one."""

    def cancel_queue(self, name: str) -> None:
        """There is but one."""

    def reconnect(self) -> None:
        """There is no connection."""

    def close(self) -> None:
        """There is nothing to let go of."""

    def _count(self, message: Message) -> None:
        task_id = str(message.headers.get("id"))
        self._times[task_id] += 1
        if self._times[task_id] > MOST_TIMES:
            raise EndlessError(f"{message.headers.get('task')}[{task_id}]", MOST_TIMES)

    def _tag(self) -> int:
        self._tags += 1
        return self._tags
