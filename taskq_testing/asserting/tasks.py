"""Claims about single tasks: published, executed, in which order, retried after which pauses."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from taskq_testing.asserting.history import Run, Sent, runs_in, sent_in
from taskq_testing.asserting.wanted import (
    ANYTHING,
    Any_,
    Claim,
    Named,
    Wanted,
    contains,
    due_at,
    due_in,
    equal,
    failure,
    how_many,
    listed,
    name_of,
    says,
    that,
    unwanted,
)
from taskq_testing.sim.trace import Trace


class TaskAssertions:
    """What a world lets its test claim.  A task is given by itself or by its name."""

    # What the world that this is a part of has:
    trace: Trace
    start_s: float  # the wall time at which it began

    _since = 0  # index of the trace from which on the claims look

    @contextmanager
    def afresh(self) -> Iterator[None]:
        """Within the block the claims look at what happened since its begin alone."""
        before = self._since
        self._since = len(self.trace)
        try:
            yield
        finally:
            self._since = before

    # -- what there is -----------------------------------------------------------------------------

    def published(self, task: str | Named | None = None) -> list[Sent]:
        """Every task message that was published, in order; of one task, or of all.

        A retry is the same task once more: it is in ``retries``, not here.
        """
        sent = sent_in(self, self._since)
        return _of(task, [each for each in sent if not each.call.retries])

    def retries(self, task: str | Named | None = None) -> list[Sent]:
        """Every retry that was published, in order."""
        sent = sent_in(self, self._since)
        return _of(task, [each for each in sent if each.call.retries])

    def executed(self, task: str | Named | None = None) -> list[Run]:
        """Every begin of a body, in order."""
        return _of(task, runs_in(self, self._since))

    # -- published ---------------------------------------------------------------------------------

    def assert_published(
        self,
        task: str | Named,
        *,
        args: Sequence[Any] | Any_ = ANYTHING,
        kwargs: Mapping[str, Any] | Any_ = ANYTHING,
        queue: str | Any_ = ANYTHING,
        due_in_s: float | None = None,
        eta: datetime | Any_ | None = ANYTHING,
        within_s: float = 1.0,
        priority: int | Any_ = ANYTHING,
        headers: Mapping[str, Any] | None = None,
        callbacks: Sequence[str] | Any_ = ANYTHING,
        errbacks: Sequence[str] | Any_ = ANYTHING,
        by: str | Any_ = ANYTHING,
        where: Callable[[Sent], object] | None = None,
        times: int | None = None,
    ) -> list[Sent]:
        """A task was published as said, so many times (None: at least once); returns which."""
        wanted = Wanted(
            name_of(task),
            _sent_claims(
                args, kwargs, queue, due_in_s, eta, within_s, priority, headers,
                callbacks, errbacks, by, where,
            ),
        )  # fmt: skip
        there = self.published()
        found = wanted.among(there)
        if not how_many(found, times):
            raise failure(wanted, "published", times, found, there)
        return found

    def assert_not_published(
        self,
        task: str | Named,
        *,
        args: Sequence[Any] | Any_ = ANYTHING,
        kwargs: Mapping[str, Any] | Any_ = ANYTHING,
        queue: str | Any_ = ANYTHING,
        where: Callable[[Sent], object] | None = None,
    ) -> None:
        """No such task was published."""
        claims = [*_call_claims(args, kwargs), *equal("queue", queue, _queue), *that(where)]
        wanted: Wanted[Sent] = Wanted(name_of(task), claims)
        if found := wanted.among(self.published()):
            raise unwanted(wanted, "published", found)

    def assert_nothing_published(self, *, but: Sequence[str | Named] = ()) -> None:
        """No task at all was published, or none but these."""
        allowed = {name_of(each) for each in but}
        if found := [each for each in self.published() if each.task not in allowed]:
            raise AssertionError("\n".join(listed("published were", found)))

    # -- executed ----------------------------------------------------------------------------------

    def assert_executed(
        self,
        task: str | Named,
        *,
        args: Sequence[Any] | Any_ = ANYTHING,
        kwargs: Mapping[str, Any] | Any_ = ANYTHING,
        ended: str | Any_ | None = ANYTHING,
        saying: str | None = None,
        worker: str | Any_ = ANYTHING,
        times: int | None = None,
    ) -> list[Run]:
        """A body began as said, so many times (None: at least once); returns which.

        ``ended`` is how: ``succeeded``, ``failed``, ``retried``, ``ignored``, ``rejected``, ...;
        None: not at all.  ``saying`` is a part of the repr of its result or error.
        """
        claims: list[Claim[Run]] = [
            *_call_claims(args, kwargs),
            *equal("ended", ended, lambda run: run.ended),
            *says(saying),
            *equal("worker", worker, lambda run: run.node),
        ]
        wanted = Wanted(name_of(task), claims)
        there = self.executed()
        found = wanted.among(there)
        if not how_many(found, times):
            raise failure(wanted, "executed", times, found, there)
        return found

    def assert_not_executed(
        self,
        task: str | Named,
        *,
        args: Sequence[Any] | Any_ = ANYTHING,
        kwargs: Mapping[str, Any] | Any_ = ANYTHING,
    ) -> None:
        """No such body has begun."""
        wanted: Wanted[Run] = Wanted(name_of(task), _call_claims(args, kwargs))
        if found := wanted.among(self.executed()):
            raise unwanted(wanted, "executed", found)

    def assert_order(self, *tasks: str | Named) -> None:
        """Bodies ran one after the other: each began when the one before it had ended."""
        runs, after = self.executed(), -1
        for number, name in enumerate(map(name_of, tasks)):
            run = next((each for each in runs if each.task == name and each.index > after), None)
            if run is None or run.end_index is None:
                before = f" after {name_of(tasks[number - 1])!r}" if number else ""
                told = "did not end" if run is not None else "did not begin"
                raise AssertionError(
                    "\n".join([f"{name!r} {told}{before}", *listed("executed were", runs)])
                )
            after = run.end_index

    # -- retried -----------------------------------------------------------------------------------

    def assert_retried(
        self,
        task: str | Named,
        *,
        delays_s: Sequence[float] | None = None,
        times: int | None = None,
        within_s: float = 1.0,
    ) -> list[Sent]:
        """One call of a task was retried, after these pauses, so often; returns the retries."""
        name = name_of(task)
        calls: dict[str, list[Sent]] = {}
        for each in self.retries(name):
            calls.setdefault(each.id, []).append(each)
        for retries in calls.values():
            pauses = [each.due_in_s for each in retries]
            if how_many(retries, times) and _alike(pauses, delays_s, within_s):
                return retries
        asked = "" if times is None else f", {times} times"
        asked += "" if delays_s is None else f", after {[*delays_s]} s"
        found = [
            f"{name}[{task_id}] after {[round(each.due_in_s, 3) for each in retries]} s"
            for task_id, retries in calls.items()
        ]
        lines = [f"no call of {name!r} was retried{asked}", *listed("retries of it", found)]
        if not found:
            lines += listed("executed were", self.executed())
        raise AssertionError("\n".join(lines))

    def assert_not_retried(self, task: str | Named) -> None:
        """No call of a task was retried."""
        if found := self.retries(task):
            raise AssertionError("\n".join(listed(f"{name_of(task)!r} was retried", found)))


def _of(task: str | Named | None, things: list[Any]) -> list[Any]:
    return things if task is None else [each for each in things if each.task == name_of(task)]


def _alike(pauses: Sequence[float], wanted: Sequence[float] | None, within_s: float) -> bool:
    if wanted is None:
        return True
    return len(pauses) == len(wanted) and all(
        abs(pause - each) <= within_s for pause, each in zip(pauses, wanted, strict=True)
    )


def _queue(sent: Sent) -> str:
    return sent.queue


def _call_claims(args: Any, kwargs: Any) -> list[Claim[Any]]:
    return [
        *equal("args", args, lambda each: each.args),
        *equal("kwargs", kwargs, lambda each: each.kwargs),
    ]


def _sent_claims(  # noqa: PLR0917 - the keywords of ``assert_published``, in order
    args: Any,
    kwargs: Any,
    queue: Any,
    due_in_s: float | None,
    eta: datetime | Any_ | None,
    within_s: float,
    priority: Any,
    headers: Mapping[str, Any] | None,
    callbacks: Any,
    errbacks: Any,
    by: Any,
    where: Callable[[Sent], object] | None,
) -> list[Claim[Sent]]:
    return [
        *_call_claims(args, kwargs),
        *equal("queue", queue, _queue),
        *due_in(due_in_s, within_s),
        *due_at(eta, within_s),
        *equal("priority", priority, lambda sent: sent.call.priority),
        *contains("headers", headers, lambda sent: sent.headers),
        *equal("callbacks", callbacks, lambda sent: _names(sent.call.callbacks)),
        *equal("errbacks", errbacks, lambda sent: _names(sent.call.errbacks)),
        *equal("by", by, lambda sent: sent.node),
        *that(where),
    ]


def _names(signatures: Sequence[Mapping[str, Any]] | None) -> list[Any]:
    return [each["task"] for each in signatures or ()]
