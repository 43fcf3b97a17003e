"""``autoretry_for``: a body that is retried by itself when it raises one of some exceptions."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, NoReturn

from taskq.app.retrying import MAX_RETRIES
from taskq.errors import Ignore, Retry

__all__ = ["add_autoretry_behaviour", "backoff_s"]

DEFAULT_BACKOFF_MAX_S: Final = 600
# 2 ** 1000 takes no time to compute, and is beyond every maximum that anybody gives.
_MAX_EXPONENT: Final = 1000


def backoff_s(
    factor: int, retries: int, maximum: float, draw: Callable[[float, float], float] | None
) -> int:
    """Return the pause before a retry: doubled each time, up to a maximum.

    With ``draw`` it is a number of whole seconds between 0 and that pause, so that tasks that
    failed together do not come back together.
    """
    pause = int(min(maximum, factor * 2 ** min(retries, _MAX_EXPONENT)))
    if draw is not None:
        pause = min(int(draw(0, pause + 1)), pause)
    return max(0, pause)


def add_autoretry_behaviour(task: Any, **options: Any) -> None:
    """Wrap ``task.run``, if the task asks for it."""

    def option(name: str, default: Any) -> Any:
        return options.get(name, getattr(task, name, default))

    catch = tuple(option("autoretry_for", ()))
    if not catch or hasattr(task, "_orig_run"):
        return
    rules = _Rules(
        catch=catch,
        spare=(Ignore, Retry, *option("dont_autoretry_for", ())),
        kwargs=dict(option("retry_kwargs", {}) or {}),
        # True is the factor 1; a number below it would be no backoff.
        factor=int(max(1.0, option("retry_backoff", False))) if option("retry_backoff", 0) else 0,
        maximum_s=option("retry_backoff_max", DEFAULT_BACKOFF_MAX_S),
        jitter=bool(option("retry_jitter", True)),
    )
    task._orig_run = task.run  # noqa: SLF001 - under this name others look for it
    wrap = _wrap_async if inspect.iscoroutinefunction(inspect.unwrap(task.run)) else _wrap
    task.run = wrap(task, task.run, rules)


@dataclass(frozen=True, slots=True)
class _Rules:
    """When to retry."""

    catch: tuple[type[BaseException], ...]
    spare: tuple[type[BaseException], ...]  # of those, what is raised as it is
    kwargs: Mapping[str, Any]
    factor: int
    maximum_s: float
    jitter: bool

    def retry(self, task: Any, error: BaseException) -> NoReturn:
        """Retry as the rules say; raises ``Retry``, or the error when no retry is left."""
        kwargs = dict(self.kwargs)
        if self.factor:
            draw = task.app.ports.randomness.uniform if self.jitter else None
            kwargs["countdown"] = backoff_s(self.factor, task.request.retries, self.maximum_s, draw)
        said = task.request.our_header(MAX_RETRIES)
        said = task.override_max_retries if said is None else said
        if said is not None:
            kwargs["max_retries"] = said
        raise task.retry(exc=error, **kwargs)


def _wrap(task: Any, run: Callable[..., Any], rules: _Rules) -> Callable[..., Any]:
    @functools.wraps(run)
    def run_and_retry(*args: Any, **kwargs: Any) -> Any:
        try:
            return run(*args, **kwargs)
        except rules.spare:
            raise
        except rules.catch as error:
            rules.retry(task, error)

    return run_and_retry


def _wrap_async(task: Any, run: Callable[..., Any], rules: _Rules) -> Callable[..., Any]:
    @functools.wraps(run)
    async def run_and_retry(*args: Any, **kwargs: Any) -> Any:
        try:
            return await run(*args, **kwargs)
        except rules.spare:
            raise
        except rules.catch as error:
            rules.retry(task, error)

    return run_and_retry
