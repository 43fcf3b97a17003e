# ruff: noqa: PLR0917 - the parameters are Celery's, and so is their order
"""Keeps entries, and sends those that are due.

The methods are Celery's: packages override them to keep entries elsewhere (``schedule``,
``setup_schedule``, ``update_from_dict``, ``sync``), to decide themselves (``tick``, ``is_due``,
``reserve``), or to look on (``apply_entry``, ``apply_async``).  ``tick`` asks ``BeatCore`` what to
do, does it, and returns for how many seconds there is nothing to do.
"""

from __future__ import annotations

import copy
import logging
from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any, ClassVar, Final

from taskq.app.beat.entry import ScheduleEntry, event_t, worked_out
from taskq.app.log import get_logger, say
from taskq.core.beat import BeatCore, Look, Planned, Send, Sent, Sleep, Unsent, begins_anew
from taskq.core.effects import Level, Say
from taskq.errors import ImproperlyConfigured, OperationalError, SchedulingError
from taskq.ports import Reading
from taskq.schedules import BaseSchedule, crontab

__all__ = ["DEFAULT_MAX_INTERVAL", "Scheduler"]

# The longest sleep: so late at most it is noticed that the clock was set.
DEFAULT_MAX_INTERVAL: Final = 300
# An entry whose schedule raises is asked again after so long.
ASK_AGAIN_S: Final = 60.0

# All entries have the same: who is due first comes first.
PRIORITY: Final = 5

CLEANUP: Final = "celery.backend_cleanup"
CLEANUP_EXPIRES_S: Final = 12 * 3600


class Scheduler:
    """Keeps its entries in memory."""

    Entry: Any = ScheduleEntry

    max_interval: Any = DEFAULT_MAX_INTERVAL
    # Seconds between two calls of ``sync``; or the number of entries sent.
    sync_every: float = 3 * 60
    sync_every_tasks: int | None = None

    logger: ClassVar[logging.Logger] = get_logger("taskq.beat")

    _last_sync: float | None = None
    _tasks_since_sync: int = 0

    def __init__(
        self,
        app: Any,
        schedule: Any = None,
        max_interval: float | None = None,
        Producer: Any = None,  # noqa: N803 - Celery's name
        lazy: bool = False,
        sync_every_tasks: int | None = None,
        **kwargs: Any,
    ) -> None:
        del kwargs
        self.app = app
        self.data: Any = {} if schedule is None else schedule
        self.max_interval = max_interval or app.conf.beat_max_loop_interval or self.max_interval
        self.Producer = Producer
        self.sync_every_tasks = (
            app.conf.beat_sync_every if sync_every_tasks is None else sync_every_tasks
        )
        self.old_schedulers: Any = None
        self._heap: list[event_t] | None = None  # None, or another one: it is planned anew
        self._core = BeatCore(self._ask)
        self._entries: dict[str, Any] = {}  # as they are after their last run
        self._unsent: dict[str, BaseException] = {}
        if not lazy:
            self.setup_schedule()

    # -- the entries ------------------------------------------------------------------------------

    def setup_schedule(self) -> None:
        """Take up what is kept, and what the settings say."""
        self.merge_inplace(self.app.conf.beat_schedule or {})
        self.install_default_entries(self.schedule)

    def get_schedule(self) -> Any:
        """Return the entries by their names."""
        return self.data

    def set_schedule(self, schedule: Any) -> None:
        """Have other entries."""
        self.data = schedule

    @property
    def schedule(self) -> Any:
        """The entries by their names."""
        return self.get_schedule()

    @schedule.setter
    def schedule(self, schedule: Any) -> None:
        self.set_schedule(schedule)

    def install_default_entries(self, data: Any) -> None:
        """Add what beat does by itself: cleaning up results, where the store does not."""
        if not self.app.conf.result_expires or CLEANUP in data or not self._keeps_expired_results:
            return
        entry = {
            "task": CLEANUP,
            "schedule": crontab("0", "4", "*"),
            "options": {"expires": CLEANUP_EXPIRES_S},
        }
        self.update_from_dict({CLEANUP: entry})

    @property
    def _keeps_expired_results(self) -> bool:
        """Whether results stay in the store until somebody cleans up."""
        if not hasattr(self.app.ports.store, "clean_up"):
            return False
        return not getattr(self.app.backend, "supports_autoexpire", False)

    def update_from_dict(self, dict_: Mapping[str, Any]) -> None:
        """Add or replace entries."""
        self.schedule.update({name: self._maybe_entry(name, one) for name, one in dict_.items()})

    def merge_inplace(self, b: Mapping[str, Any]) -> None:
        """Have exactly these entries; those that are known keep their history."""
        entries = self.schedule
        for name in [name for name in entries if name not in b]:
            del entries[name]
        for name, given in b.items():
            entry = self._maybe_entry(name, given)
            if name in entries:
                entries[name].update(entry)
            else:
                entries[name] = entry

    def add(self, **kwargs: Any) -> Any:
        """Add one entry."""
        entry = self.Entry(app=self.app, **kwargs)
        self.schedule[entry.name] = entry
        return entry

    def _maybe_entry(self, name: str, entry: Any) -> Any:
        if isinstance(entry, self.Entry):
            entry.app = self.app
            return entry
        try:
            return self.Entry(**{**entry, "name": name, "app": self.app})
        except (TypeError, ValueError) as error:
            raise ImproperlyConfigured(f"beat_schedule[{name!r}]: {error}") from error

    def schedules_equal(self, old_schedules: Any, new_schedules: Any) -> bool:
        """Whether both have the same entries, as far as the configuration goes."""
        if old_schedules is None or new_schedules is None:
            return old_schedules is new_schedules
        if set(old_schedules) != set(new_schedules):
            return False
        # A subclass's entries say themselves what is equal.
        return not any(old_schedules[name] != new_schedules[name] for name in old_schedules)

    # -- what a service calls ---------------------------------------------------------------------

    def tick(self) -> float:
        """Send what is due; return for how many seconds there is nothing to do."""
        entries = self.schedule
        if self._heap is None or not self.schedules_equal(self.old_schedulers, entries):
            self.old_schedulers = copy.copy(entries)
            self.populate_heap()
        for effect in self._core.handle(Look(float(self.max_interval)), self._now()):
            match effect:
                case Say():
                    say(self.logger, effect)
                case Send():
                    self._send(effect.names)
                    return 0.0
                case Sleep():
                    return effect.seconds
        raise AssertionError("a look ends with something to send or with a sleep")

    def populate_heap(self) -> None:
        """Plan anew, from the entries as they are."""
        self._entries = dict(self.schedule)
        self._core.handle(Planned(tuple(self._entries)), self._now())
        self._heap = [
            event_t(at_s, PRIORITY, self._entries[name]) for at_s, name in self._core.upcoming
        ]

    def should_sync(self) -> bool:
        """Whether it is time for ``sync``."""
        if self._last_sync is None:
            return True
        if self.sync_every_tasks and self._tasks_since_sync >= self.sync_every_tasks:
            return True
        return self._now().elapsed_s - self._last_sync > self.sync_every

    def _do_sync(self) -> None:
        self._last_sync, self._tasks_since_sync = self._now().elapsed_s, 0
        self.logger.debug("beat: Synchronizing schedule...")
        self.sync()

    def sync(self) -> None:
        """Write down what must not be forgotten; for subclasses."""

    def close(self) -> None:
        """The service ends."""
        self.sync()

    @property
    def info(self) -> str:
        """What it says of itself when beat starts."""
        return ""

    def adjust(self, n: float | None, drift: float = -0.010) -> float | None:
        """Return a wait that is a little shorter, for subclasses that sleep on their own."""
        return n + drift if n and n > 0 else n

    # -- sending ----------------------------------------------------------------------------------

    def is_due(self, entry: Any) -> tuple[bool, float | None]:
        """Say whether an entry is due, and in how many seconds to ask again."""
        found: tuple[bool, float | None] = entry.is_due()
        return found

    def reserve(self, entry: Any) -> Any:
        """Note that an entry runs now; returns it as it is after that."""
        new_entry = self.schedule[entry.name] = next(entry)
        return new_entry

    def apply_entry(self, entry: Any, producer: Any = None) -> None:
        """Send an entry; what goes wrong is kept for the scheduler, which tries again."""
        self.logger.info("Scheduler: Sending due task %s (%s)", entry.name, entry.task)
        try:
            result = self.apply_async(entry, producer=producer, advance=False)
        except Exception as error:  # noqa: BLE001 - a boundary: arguments and options are the user's
            self._unsent[entry.name] = error
        else:
            self.logger.debug("%s sent. id->%s", entry.task, getattr(result, "id", None))

    def apply_async(
        self, entry: Any, producer: Any = None, advance: bool = True, **kwargs: Any
    ) -> Any:
        """Send an entry; raises ``SchedulingError``."""
        if advance:
            entry = self.reserve(entry)
        task = self.app.tasks.get(entry.task)
        try:
            args, named = worked_out(entry.args, entry.kwargs)
            options = {"producer": producer, **entry.options, **kwargs}
            if task is not None:
                return task.apply_async(args, named, **options)
            return self.send_task(entry.task, args, named, **options)
        except Exception as error:
            raise SchedulingError(entry.name, entry.task, error) from error
        finally:
            self._tasks_since_sync += 1
            if self.should_sync():
                self._do_sync()

    def send_task(self, *args: Any, **kwargs: Any) -> Any:
        """Send a task that is not known here."""
        return self.app.send_task(*args, **kwargs)

    @cached_property
    def connection(self) -> Any:
        """A connection of kombu's, for subclasses; the scheduler itself sends by the app."""
        return self.app.connection_for_write()

    @cached_property
    def producer(self) -> Any:
        """What subclasses pass on to ``apply_async``: nothing, the app has its own connection."""
        return None

    # -- inside -----------------------------------------------------------------------------------

    def _now(self) -> Reading:
        reading: Reading = self.app.ports.clock.read()
        return reading

    def _ask(self, name: str) -> tuple[bool, float | None]:
        entry = self._entries[name]
        try:
            self._forget_future(entry)
            due, next_s = self.is_due(entry)
        except Exception as error:  # noqa: BLE001 - a boundary: schedules may be the user's
            facts = {"name": name, "error": _worded(error), "pause_s": ASK_AGAIN_S}
            say(self.logger, Say(Level.ERROR, "entry not asked", facts))
            return False, ASK_AGAIN_S
        return bool(due), next_s

    def _forget_future(self, entry: Any) -> None:
        """The clock was set back over the last run of an entry."""
        last, schedule = getattr(entry, "last_run_at", None), entry.schedule
        if last is None or not isinstance(schedule, BaseSchedule):
            return
        last, now = schedule.maybe_make_aware(last), schedule.maybe_make_aware(entry.default_now())
        if begins_anew(last, now, by_clock=schedule.by_clock):
            entry.last_run_at = now

    def _send(self, names: Iterable[str]) -> None:
        before = {name: self._entries[name] for name in names}
        after = {}
        for name, entry in before.items():
            try:
                after[name] = self._entries[name] = self.reserve(entry)
            except Exception as error:  # noqa: BLE001 - a boundary: entries may be the user's
                self._not_sent(name, entry, error)
        self._before_sending({name: before[name] for name in after})
        for name, reserved in after.items():
            self._send_one(name, before[name], reserved)

    def _send_one(self, name: str, before: Any, after: Any) -> None:
        try:
            # As it was: its last run is the one before, as receivers know it from Celery.
            self.apply_entry(before, producer=self.producer)
        except Exception as error:  # noqa: BLE001 - a boundary: a subclass's, or a patch's
            self._unsent[name] = error
        failure = self._unsent.pop(name, None)
        if failure is None:
            self._core.handle(Sent(name), self._now())
        else:
            self._put_back(name, before, after)
            self._not_sent(name, before, failure)
        self._after_sending(name)

    def _put_back(self, name: str, before: Any, after: Any) -> None:
        """The run did not happen: it is due as before."""
        self._entries[name] = before
        entries = self.schedule
        if entries.get(name) is after:
            entries[name] = before

    def _not_sent(self, name: str, entry: Any, error: BaseException) -> None:
        cause = error.__cause__ if isinstance(error, SchedulingError) else error
        what = Unsent(
            name=name,
            task=str(entry.task),
            error=_worded(cause or error),
            passing=isinstance(cause, OperationalError | OSError),
        )
        self.logger.debug("entry %s: not sent", name, exc_info=error)
        for effect in self._core.handle(what, self._now()):
            assert isinstance(effect, Say)
            say(self.logger, effect)

    def _before_sending(self, entries: Mapping[str, Any]) -> None:
        """These are about to be sent; as they were before. For schedulers that write it down."""

    def _after_sending(self, name: str) -> None:
        """One of them was sent, or put back."""


def _worded(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"
