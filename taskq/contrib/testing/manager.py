"""Patience for suites against real workers: try again until something has happened.

``Manager(app)`` is what a suite holds; ``ManagerMixin`` is for classes of one's own, which call
``_init_manager``.  What is waited for is a condition; nothing here waits for a time to pass.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from itertools import count
from typing import IO, Any, Final

from kombu.utils.functional import retry_over_time

from taskq import states
from taskq.app.result import AsyncResult
from taskq.errors import TaskqError
from taskq.errors import TimeoutError as WaitedTooLongError
from taskq.schedules.interval import humanize_seconds as whole_units

__all__ = ["E_STILL_WAITING", "Manager", "ManagerMixin", "Sentinel", "humanize_seconds"]

E_STILL_WAITING: Final = "Still waiting for {0}.  Trying again {when}: {exc!r}"
# How long ``join`` waits for all results at once, before it says which are missing.
BLOCK_TIMEOUT_S: Final = 30 * 60.0
# Pauses while a worker finishes what it was given.
IDLE_PAUSE_S: Final = 0.1
IDLE_ATTEMPTS: Final = 600
# How long workers have to say what they do.
IDLE_ANSWER_S: Final = 1.0

Results = Any  # one result, or a set of them


def humanize_seconds(secs: float, prefix: str = "", sep: str = "", now: str = "now") -> str:
    """Return seconds in words, parts of a second as well: ``in 0.25 seconds``."""
    return f"{prefix}{sep}{whole_units(secs)}" if secs > 0 else now


class Sentinel(Exception):
    """What was asked for has not happened yet."""


class NobodyAnswersError(TaskqError):
    """There is no worker to wait for."""

    def __str__(self) -> str:
        return "no worker answers; is one running, with remote control, and not busy in pool solo?"


class ManagerMixin:
    """Waits, and says for what."""

    app: Any
    stdout: IO[str]
    stderr: IO[str]
    block_timeout: float
    no_join: bool
    connerrors: tuple[type[BaseException], ...]

    def _init_manager(
        self,
        block_timeout: float = BLOCK_TIMEOUT_S,
        no_join: bool = False,
        stdout: IO[str] | None = None,
        stderr: IO[str] | None = None,
    ) -> None:
        """Say how patient it is, and where it writes."""
        self.stdout = sys.stdout if stdout is None else stdout
        self.stderr = sys.stderr if stderr is None else stderr
        # What means that the broker or the store is not there just now.
        with self.app.connection() as connection:
            self.connerrors = connection.recoverable_connection_errors
        self.block_timeout, self.no_join = block_timeout, no_join

    # -- telling -----------------------------------------------------------------------------------

    def remark(self, s: str, sep: str = "-") -> None:
        """Say what goes on."""
        print(f"{sep}{s}", file=self.stdout)

    def warn(self, s: str) -> None:
        """Say what is amiss."""
        print(s, file=self.stderr)

    # -- waiting -----------------------------------------------------------------------------------

    def wait_for(  # noqa: PLR0917 - Celery's signature
        self,
        fun: Callable[..., Any],
        catch: type[BaseException] | tuple[type[BaseException], ...],
        desc: str = "thing",
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        errback: Callable[..., Any] | None = None,
        max_retries: int = 10,
        interval_start: float = 0.1,
        interval_step: float = 0.5,
        interval_max: float = 5.0,
        emit_warning: bool = False,
        **options: Any,
    ) -> Any:
        """Call until it does not raise ``catch``, which means: not yet; return what it returns.

        After ``max_retries`` more calls the last exception is raised.
        """

        def not_yet(error: BaseException, intervals: Any, retries: int) -> Any:
            pause_s = next(intervals)
            if emit_warning:
                when = humanize_seconds(pause_s, "in", " ")
                self.warn(E_STILL_WAITING.format(desc, when=when, exc=error))
            return errback(error, intervals, retries) if errback else pause_s

        return self.retry_over_time(
            fun,
            catch,
            args=args,
            kwargs=kwargs or {},
            errback=not_yet,
            max_retries=max_retries,
            interval_start=interval_start,
            interval_step=interval_step,
            interval_max=interval_max,
            **options,
        )

    def ensure_not_for_a_while(  # noqa: PLR0917 - Celery's signature
        self,
        fun: Callable[..., Any],
        catch: type[BaseException] | tuple[type[BaseException], ...],
        desc: str = "thing",
        max_retries: int = 20,
        interval_start: float = 0.1,
        interval_step: float = 0.02,
        interval_max: float = 1.0,
        emit_warning: bool = False,
        **options: Any,
    ) -> None:
        """Call for a while; raise ``AssertionError`` as soon as it does not raise ``catch``."""
        try:
            self.wait_for(
                fun,
                catch,
                desc=desc,
                max_retries=max_retries,
                interval_start=interval_start,
                interval_step=interval_step,
                interval_max=interval_max,
                emit_warning=emit_warning,
                **options,
            )
        except catch:
            return
        raise AssertionError(f"Should not have happened: {desc}")

    def retry_over_time(self, *args: Any, **kwargs: Any) -> Any:
        """Call again and again, with longer and longer pauses; for subclasses to change."""
        return retry_over_time(*args, **kwargs)

    def join(
        self, r: Results, propagate: bool = False, max_retries: int = 10, **kwargs: Any
    ) -> Any:
        """Return the results, through failures of broker and store that go away."""
        if self.no_join:
            return None
        attempts = count() if not max_retries or max_retries < 0 else range(max_retries + 1)
        for attempt in attempts:
            try:
                return r.get(**{"timeout": self.block_timeout, "propagate": propagate, **kwargs})
            except (TimeoutError, WaitedTooLongError) as error:
                missing = self.missing_results(r)
                self.remark(
                    f"Still waiting for {len(missing)} of {_size(r)} ({attempt + 1} times):"
                    f" [{', '.join(missing)}]: {error!r}",
                    "!",
                )
            except self.connerrors as error:
                self.remark(f"join: connection lost: {error!r}", "!")
        raise AssertionError(
            f"Test failed: Missing task results: {', '.join(self.missing_results(r))}"
        )

    def missing_results(self, r: Results) -> list[str]:
        """Name those that have not ended."""
        return [each.id for each in _results(r) if not each.ready()]

    # -- what workers say --------------------------------------------------------------------------

    def inspect(self, timeout: float = 3.0) -> Any:
        """Return ``app.control.inspect``."""
        return self.app.control.inspect(timeout=timeout)

    def query_tasks(self, ids: Iterable[str], timeout: float = 0.5) -> Iterable[tuple[str, Any]]:
        """Ask all workers for tasks: pairs of worker and what it knows of them."""
        tasks = self.inspect(timeout).query_task(*_listed(ids)) or {}
        yield from tasks.items()

    def query_task_states(self, ids: Iterable[str], timeout: float = 0.5) -> dict[str, set[str]]:
        """Return the ids in each state that a worker knows: ``active``, ``reserved``, ``ready``."""
        found: dict[str, set[str]] = {}
        for _worker, reply in self.query_tasks(ids, timeout=timeout):
            for task_id, (state, _) in reply.items():
                found.setdefault(state, set()).add(task_id)
        return found

    def assert_accepted(
        self,
        ids: Iterable[str],
        interval: float = 0.5,
        desc: str = "waiting for tasks to be accepted",
        **policy: Any,
    ) -> Any:
        """Wait until workers run, or have run, all of these."""
        return self.assert_task_worker_state(
            self.is_accepted, _listed(ids), interval=interval, desc=desc, **policy
        )

    def assert_received(
        self,
        ids: Iterable[str],
        interval: float = 0.5,
        desc: str = "waiting for tasks to be received",
        **policy: Any,
    ) -> Any:
        """Wait until workers know all of these."""
        return self.assert_task_worker_state(
            self.is_received, _listed(ids), interval=interval, desc=desc, **policy
        )

    def assert_result_tasks_in_progress_or_completed(
        self,
        async_results: Iterable[AsyncResult[Any]],
        interval: float = 0.5,
        desc: str = "waiting for tasks to be started or completed",
        **policy: Any,
    ) -> Any:
        """Wait until the store knows that all of these have begun."""
        return self.assert_task_state_from_result(
            self.is_result_task_in_progress,
            list(async_results),
            interval=interval,
            desc=desc,
            **policy,
        )

    def assert_task_state_from_result(
        self, fun: Callable[..., Any], results: Any, interval: float = 0.5, **policy: Any
    ) -> Any:
        """Wait until a condition on results is true."""
        return self._wait_until_true(partial(fun, results), interval, policy)

    def assert_task_worker_state(
        self, fun: Callable[..., Any], ids: Any, interval: float = 0.5, **policy: Any
    ) -> Any:
        """Wait until a condition on what workers know is true."""
        return self._wait_until_true(partial(fun, ids, timeout=interval), interval, policy)

    def _wait_until_true(
        self, fun: Callable[[], Any], interval: float, policy: Mapping[str, Any]
    ) -> Any:
        told = {"interval_start": interval, "emit_warning": True, **policy}
        return self.wait_for(partial(self.true_or_raise, fun), (Sentinel,), **told)

    @staticmethod
    def is_result_task_in_progress(results: Iterable[Any], **kwargs: Any) -> bool:
        """Whether all of these have begun, or are over."""
        del kwargs
        begun = {states.STARTED, *states.READY_STATES}
        return all(result.state in begun for result in results)

    def is_received(self, ids: Iterable[str], **kwargs: Any) -> bool:
        """Whether workers know all of these."""
        return self._ids_matches_state({"reserved", "active", "ready"}, ids, **kwargs)

    def is_accepted(self, ids: Iterable[str], **kwargs: Any) -> bool:
        """Whether workers run, or have run, all of these."""
        return self._ids_matches_state({"active", "ready"}, ids, **kwargs)

    def _ids_matches_state(
        self, expected_states: set[str], ids: Iterable[str], timeout: float = 0.5
    ) -> bool:
        wanted = _listed(ids)
        found = self.query_task_states(wanted, timeout=timeout)
        return set(wanted) <= {each for state in expected_states for each in found.get(state, ())}

    def true_or_raise(self, fun: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Return what it returns; raises ``Sentinel`` where that is false."""
        answer = fun(*args, **kwargs)
        if not answer:
            raise Sentinel
        return answer

    def wait_until_idle(self) -> None:
        """Wait until no worker has anything in its hands; there must be one that answers."""
        self.wait_for(
            partial(self.true_or_raise, self._is_idle),
            (Sentinel, *self.connerrors),
            desc="workers to be idle",
            max_retries=IDLE_ATTEMPTS,
            interval_start=IDLE_PAUSE_S,
            interval_step=0,
        )

    def _is_idle(self) -> bool:
        inspect = self.inspect(IDLE_ANSWER_S)
        running = inspect.active()
        if not running:
            raise NobodyAnswersError
        if any(running.values()):
            return False
        waiting = (inspect.reserved() or {}, inspect.scheduled() or {})
        return not any(tasks for answers in waiting for tasks in answers.values())


class Manager(ManagerMixin):
    """Helpers of suites that run tasks in real workers."""

    def __init__(self, app: Any, **kwargs: Any) -> None:
        self.app = app
        self._init_manager(**kwargs)


def _listed(ids: Iterable[str]) -> list[str]:
    return [ids] if isinstance(ids, str) else [str(each) for each in ids]


def _results(r: Results) -> Sequence[Any]:
    return r.results if _is_set(r) else (r,)


def _is_set(r: Results) -> bool:
    return not isinstance(r, AsyncResult) and hasattr(r, "results")


def _size(r: Results) -> int:
    return len(_results(r))
