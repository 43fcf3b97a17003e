"""What can be set while a worker runs: limits of tasks, and whether monitors are told."""

from __future__ import annotations

from collections import deque

from taskq.core.admission import Admission
from taskq.core.effects import Effect, Level, Say
from taskq.core.house import WAITING, House
from taskq.core.inputs import ClusterSized, EventsSet, RateLimited, TimeLimited
from taskq.core.rates import BadRateError


class Tuning:
    """Sets."""

    def __init__(self, house: House, admission: Admission) -> None:
        self._house, self._admission = house, admission

    def rate_limited(self, happened: RateLimited, effects: list[Effect]) -> None:
        """A task has another rate limit; also those that wait already."""
        house, task = self._house, happened.task
        try:
            free = house.rates.limit(task, happened.rate)
        except BadRateError as error:
            effects.append(Say(Level.ERROR, "bad rate limit", {"name": task, "reason": str(error)}))
            return
        house.ready.extend(free)
        line = house.rates.line(task, None)
        if line is not None:
            house.pace.forget(task)
            ready, house.ready = house.ready, deque()
            for token in ready:
                limited = house.entries[token].task_name == task and token != line.let_out
                (line.tokens if limited else house.ready).append(token)

    def time_limited(self, happened: TimeLimited, _: list[Effect]) -> None:
        """A task has other time limits; also what waits already, if its message names none."""
        self._admission.limit(happened.task, happened.hard_s, happened.soft_s)
        for entry in self._house.entries.values():
            if entry.stage in WAITING and entry.task_name == happened.task:
                entry.job = self._admission.limited_anew(entry)

    def cluster_sized(self, happened: ClusterSized, _: list[Effect]) -> None:
        """So many workers share the limits, where they are shared."""
        if self._house.options.shares_rates:
            self._house.rates.share(happened.workers)

    def events_set(self, happened: EventsSet, _: list[Effect]) -> None:
        """Monitors want to be told, or no longer."""
        self._house.teller.events = happened.wanted
