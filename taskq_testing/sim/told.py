"""The real core and the real ``Work``, with a record in the trace of what nobody else tells."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any

from taskq.app.app import App
from taskq.app.run_task import TaskPlan
from taskq.app.work import Work
from taskq.core.effects import Effect
from taskq.core.inputs import Input, Revoked
from taskq.core.options import WorkerOptions
from taskq.core.traits import TaskTraits
from taskq.core.worker import WorkerCore
from taskq.ports import Ending, EndingKind, Job, Reading
from taskq_testing.sim.hands import Hands


class ToldCore(WorkerCore):
    """Tells from when on a worker knows what was revoked."""

    def __init__(
        self, options: WorkerOptions, traits: Callable[[str], TaskTraits | None], hands: Hands
    ) -> None:
        super().__init__(options, traits)
        self._hands = hands

    def handle(self, happened: Input, now: Reading) -> list[Effect]:
        """Say what follows."""
        if type(happened) is Revoked:
            for revocation in happened.revocations:
                self._hands.say(
                    "worker.revoke", id=revocation.task_id, until_s=revocation.until_s,
                    headers=repr(dict(revocation.headers)), terminate=happened.terminate,
                )  # fmt: skip
        return super().handle(happened, now)


class ToldWork(Work):
    """The real ``Work``, with a record in the trace of what ends without its body."""

    def __init__(self, app: App, node: str, hands: Hands) -> None:
        super().__init__(app, node)
        self._hands = hands

    def _plan(self, name: str) -> TaskPlan | None:
        known = self._plans.get(name)
        plan = super()._plan(name)
        if plan is not None and known is None:
            plan.function = _with_mischief(plan.function, name, self._hands, plan.is_async)
        return plan

    def conclude(
        self, job: Job, kind: EndingKind, reason: str, detail: Mapping[str, Any]
    ) -> Ending:
        """Make the ending, and say so."""
        headers = job.headers
        self._hands.say(
            "task.conclude", id=headers.get("id"), task=headers.get("task"),
            retries=headers.get("retries", 0), how=kind.value, reason=reason,
        )  # fmt: skip
        return super().conclude(job, kind, reason, detail)


def _with_mischief(
    body: Callable[..., Any], task: str, hands: Hands, is_async: bool
) -> Callable[..., Any]:
    """Let happen in a body what somebody has planned for it."""

    @wraps(body)
    def begin(*args: Any, **kwargs: Any) -> Any:
        planned = list(hands.mischief)
        for mischief in planned:
            mischief.begin(task)
        returned = body(*args, **kwargs)
        for mischief in planned:
            mischief.end(task)
        return returned

    @wraps(body)
    async def begin_async(*args: Any, **kwargs: Any) -> Any:
        planned = list(hands.mischief)
        for mischief in planned:
            mischief.begin(task)
        returned = await body(*args, **kwargs)
        for mischief in planned:
            mischief.end(task)
        return returned

    return begin_async if is_async else begin
