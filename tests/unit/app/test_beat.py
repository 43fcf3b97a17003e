"""Entries and schedulers as programs see them."""

from __future__ import annotations

import pickle
import socket
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskq import TaskQ
from taskq.app.beat.listing import listing, upcoming
from taskq.app.beat.persistent import rows_from, rows_of, written
from taskq.app.beat.service import find_scheduler
from taskq.beat import (
    BeatLazyFunc,
    EmbeddedService,
    PersistentScheduler,
    ScheduleEntry,
    Scheduler,
    SchedulingError,
    Service,
    beat_nodename,
)
from taskq.errors import ImproperlyConfigured
from taskq.schedules import BaseSchedule, crontab, schedstate, schedule
from taskq.wiring.beat import Beat

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


@pytest.fixture
def app() -> Any:
    made = TaskQ("beats", broker="memory://", set_as_current=False)
    yield made
    made.close()


# -- entries -----------------------------------------------------------------------------------


def test_the_next_instance_is_the_entry_after_a_run(app: TaskQ) -> None:
    """One run more, later, and otherwise the same."""
    entry = ScheduleEntry("e", "t", NOON, 4, 60.0, (1,), {"a": 2}, {"queue": "q"}, app=app)

    after = next(entry)  # type: ignore[call-overload]  # Celery's protocol: __next__ without end

    assert (after.total_run_count, after.task, after.args) == (5, "t", (1,))
    assert after.last_run_at > entry.last_run_at
    assert entry == after
    assert entry.next(NOON).last_run_at == NOON
    assert repr(entry) == "<ScheduleEntry: e t(1, a=2) <freq: 1.00 minute>>"


def test_an_entry_takes_over_what_the_configuration_says(app: TaskQ) -> None:
    """Its history stays."""
    old = ScheduleEntry("e", "t", NOON, 4, 60.0, app=app)
    new = ScheduleEntry("e", "other", schedule=crontab(), args=(1,), app=app)

    assert old != new
    old.update(new)

    assert old == new
    assert (old.last_run_at, old.total_run_count) == (NOON, 4)
    assert pickle.loads(pickle.dumps(old)) == old


def test_lazy_arguments_are_worked_out_when_they_are_called() -> None:
    """Each time anew."""
    count = iter(range(10))
    lazy = BeatLazyFunc(lambda step: next(count) * step, step=2)

    assert [lazy(), lazy.delay(), lazy()] == [0, 2, 4]


# -- what the settings say -------------------------------------------------------------------------


def test_entries_of_the_settings(app: TaskQ) -> None:
    """Numbers, timedeltas and crontabs are schedules; the other keys are the entry's."""
    app.conf.beat_schedule = {
        "number": {"task": "t", "schedule": 5, "relative": True, "options": {"queue": "q"}},
        "delta": {"task": "t", "schedule": timedelta(minutes=1), "args": (1,)},
        "line": {"task": "t", "schedule": crontab(minute=0), "kwargs": {"a": 1}},
    }

    entries = Scheduler(app).schedule

    assert entries["number"].schedule.relative
    assert entries["number"].options == {"queue": "q"}
    assert entries["delta"].schedule.seconds == 60
    assert entries["line"].kwargs == {"a": 1}


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"task": "t", "schedule": "hourly"}, "'hourly' is no schedule"),
        ({"task": "t", "schedule": 0}, "more than 0"),
        ({"task": "t", "shedule": 5}, "shedule"),
    ],
)
def test_an_entry_that_is_none_is_named(app: TaskQ, entry: Any, words: str) -> None:
    """When beat starts, and not in the night in which it is due."""
    app.conf.beat_schedule = {"bad": entry}

    with pytest.raises(ImproperlyConfigured, match=r"beat_schedule\['bad'\]") as refused:
        Scheduler(app)

    assert words in str(refused.value)


def test_periodic_tasks_are_added_before_and_after_the_settings_are_read(app: TaskQ) -> None:
    """Both find their way into the schedule, with options of the signature and of the call."""

    @app.task(name="t")
    def work(*args: Any) -> None: ...

    seen = []

    @app.on_after_configure.connect
    def configured(sender: TaskQ, **_: Any) -> None:
        seen.append(sender)
        sender.add_periodic_task(30, work.s("configured"), name="configured")

    by_name = app.signature("t", args=(1,)).set(queue="q")
    early = app.add_periodic_task(10, by_name, name="early", expires=5)
    assert not seen
    late = app.add_periodic_task(crontab(), work, args=(2,), kwargs={"a": 3}, name="late")
    entries = Scheduler(app).schedule

    assert seen == [app]
    assert (early, late) == ("early", "late")
    assert entries["early"].options == {"queue": "q", "expires": 5}
    assert list(entries["early"].args) == [1]
    assert entries["configured"].schedule == schedule(30)
    assert (entries["late"].task, list(entries["late"].args)) == ("t", [2])
    assert entries["late"].kwargs == {"a": 3}


def test_a_signature_knows_its_entry_by_its_repr(app: TaskQ) -> None:
    """Where no name is given."""

    @app.task(name="t")
    def work(*args: Any) -> None: ...

    app.conf.beat_schedule  # noqa: B018 - as above
    name = app.add_periodic_task(20.0, work.s(4))

    assert name == repr(work.s(4))


# -- schedulers ------------------------------------------------------------------------------------


def test_entries_are_merged(app: TaskQ) -> None:
    """Known ones keep their history, others come and go."""
    scheduler = Scheduler(app)
    scheduler.add(name="a", task="t", schedule=schedule(60), total_run_count=7)
    scheduler.add(name="b", task="t", schedule=schedule(60))

    scheduler.merge_inplace(
        {"a": {"task": "new", "schedule": 5}, "c": {"task": "t", "schedule": 5}}
    )

    assert set(scheduler.schedule) == {"a", "c"}
    assert (scheduler.schedule["a"].task, scheduler.schedule["a"].total_run_count) == ("new", 7)


def test_equal_schedules(app: TaskQ) -> None:
    """The same names, and entries that say the same."""
    scheduler = Scheduler(app)
    scheduler.add(name="a", task="t", schedule=schedule(60))
    same = dict(scheduler.schedule)

    assert scheduler.schedules_equal(None, None)
    assert not scheduler.schedules_equal(None, same)
    assert scheduler.schedules_equal(same, {"a": same["a"].next()})
    assert not scheduler.schedules_equal(same, {})
    other = ScheduleEntry("a", "t", schedule=schedule(61), app=app)
    assert not scheduler.schedules_equal(same, {"a": other})


def test_what_cannot_be_sent_is_a_scheduling_error(app: TaskQ) -> None:
    """It names the entry, the task and why."""
    scheduler = Scheduler(app)
    entry = scheduler.add(name="e", task="t", schedule=schedule(60), args=(object(),))

    with pytest.raises(SchedulingError, match=r"cannot send entry e \(t\): .*JSON"):
        scheduler.apply_async(entry)

    assert scheduler.schedule["e"].total_run_count == 1  # it was reserved


def test_settings_of_the_loop(app: TaskQ) -> None:
    """What is given wins over the setting, that over the class."""
    assert Scheduler(app).max_interval == 300
    app.conf.beat_max_loop_interval = 7
    assert Scheduler(app).max_interval == 7
    assert Scheduler(app, max_interval=3).max_interval == 3
    app.conf.beat_sync_every = 2
    scheduler = Scheduler(app)
    scheduler._do_sync()
    assert not scheduler.should_sync()
    scheduler._tasks_since_sync = 2
    assert scheduler.should_sync()


def test_the_heap_shows_what_comes(app: TaskQ) -> None:
    """For programs that look at it."""
    scheduler = Scheduler(app)
    scheduler.add(name="a", task="t", schedule=schedule(60))
    scheduler.tick()

    assert scheduler._heap is not None
    assert [event.entry.name for event in scheduler._heap] == ["a"]
    assert scheduler.adjust(5) == 4.99
    assert scheduler.adjust(0) == 0
    assert scheduler.adjust(None) is None


def test_schedulers_are_found_by_path_and_by_name() -> None:
    """Celery's own names are ours; what is not there is said with what to do."""
    assert find_scheduler("celery.beat:PersistentScheduler") is PersistentScheduler
    assert find_scheduler("celery.beat.Scheduler") is Scheduler
    assert find_scheduler("taskq.beat:Scheduler") is Scheduler
    with pytest.raises(ImproperlyConfigured, match="no installed package"):
        find_scheduler("nosuch")
    with pytest.raises(ImproperlyConfigured, match="cannot be loaded"):
        find_scheduler("taskq.beat:NoSuch")


def test_results_are_cleaned_up_where_the_store_does_not(app: TaskQ, tmp_path: Any) -> None:
    """Each night; a Redis does it by itself."""
    assert "celery.backend_cleanup" not in Scheduler(app).schedule

    with TaskQ("kept", backend=f"file://{tmp_path}", set_as_current=False) as keeping:
        entry = Scheduler(keeping).schedule["celery.backend_cleanup"]
        assert entry.schedule == crontab(minute=0, hour=4)
        keeping.conf.result_expires = None
        assert "celery.backend_cleanup" not in Scheduler(keeping).schedule


# -- the file --------------------------------------------------------------------------------------


@given(
    st.dictionaries(
        st.text(),
        st.tuples(st.datetimes(timezones=st.timezones()), st.integers(0, 10**9), st.booleans()),
        max_size=5,
    )
)
def test_what_is_written_is_read(entries: dict[str, tuple[datetime, int, bool]]) -> None:
    """Names, moments, counts, and what is being sent."""

    class Row:
        def __init__(self, at: datetime, count: int) -> None:
            self.last_run_at, self.total_run_count = at, count

    rows = {name: Row(at, count + 1) for name, (at, count, _) in entries.items()}
    before = {name: Row(NOON, count) for name, (_, count, sending) in entries.items() if sending}

    read = rows_of(written(rows_from(rows, before), NOON))

    assert set(read) == set(entries)
    for name, (at, count, sending) in entries.items():
        moment = at.astimezone(UTC)
        assert read[name] == {
            "last_run_at": NOON if sending else moment,
            "total_run_count": count if sending else count + 1,
            "sending": moment if sending else None,
        }


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x13W\x9a\xce",
        b"[]",
        b"{}",
        b'{"format": "taskq schedule", "version": 2, "entries": {}}',
        b'{"format": "taskq schedule", "version": 1}',
        b'{"format": "taskq schedule", "version": 1, "entries": {"a": {}}}',
        b'{"format": "taskq schedule", "version": 1, "entries": {"a": {"last_run_at": 5}}}',
    ],
)
def test_what_is_none_is_set_aside(
    content: bytes, app: TaskQ, tmp_path: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """Damaged, foreign, or of a later version: kept, and said in one line."""
    path = tmp_path / "schedule"
    path.write_bytes(content)
    app.conf.beat_schedule = {"a": {"task": "t", "schedule": 60}}

    PersistentScheduler(app, schedule_filename=str(path)).close()

    assert (tmp_path / "schedule.old-1").read_bytes() == content
    assert set(rows_of(path.read_bytes())) == {"a"}
    assert len([line for line in caplog.messages if "is no schedule file of taskq" in line]) == 1


# -- listing ---------------------------------------------------------------------------------------


def test_a_listing_says_what_comes_when(app: TaskQ, tmp_path: Any) -> None:
    """The next first; last runs are those of the file, which stays as it is."""
    path = tmp_path / "schedule"
    app.conf.beat_schedule = {
        "late": {"task": "t", "schedule": crontab(minute=0, hour=0)},
        "soon": {"task": "t", "schedule": 60, "args": (1,)},
    }
    scheduler = PersistentScheduler(app, schedule_filename=str(path))
    scheduler.schedule["soon"].total_run_count = 3
    scheduler.close()
    content = path.read_bytes()

    lazy = PersistentScheduler(app, schedule_filename=str(path), lazy=True)
    soon, late = listing(lazy, 4)

    assert (soon.name, late.name) == ("soon", "late")
    assert soon.total_run_count == 3
    assert soon.last_run_at is not None
    assert late.last_run_at is None
    assert len(soon.next) == len(late.next) == 4
    assert {(b - a).total_seconds() for a, b in pairwise(soon.next)} == {60}
    assert all((at.hour, at.minute) == (0, 0) for at in late.next)
    assert path.read_bytes() == content


def test_what_is_late_comes_now() -> None:
    """And a schedule of a program, which only says what remains, has one time."""

    class Once(BaseSchedule):
        def remaining_estimate(self, last_run_at: datetime) -> timedelta:
            return timedelta(hours=1)

        def is_due(self, last_run_at: datetime) -> Any:
            return schedstate(is_due=False, next=3600)

    every = schedule(60, app=TaskQ("late", set_as_current=False))

    assert upcoming(every, NOON - timedelta(hours=5), NOON, 2) == [
        NOON,
        NOON + timedelta(minutes=1),
    ]
    [once] = upcoming(Once(), NOON, NOON, 5)
    assert abs(once - NOON - timedelta(hours=1)) < timedelta(seconds=1)


# -- the program -----------------------------------------------------------------------------------


def test_what_beat_prints(app: TaskQ) -> None:
    """Where it is connected, without passwords."""
    app.conf.broker_url = "redis://user:secret@host/1"
    beat = app.Beat(schedule="here", loglevel="INFO")
    told = beat.startup_info(Service(app, schedule_filename="here", max_interval=90))

    assert isinstance(beat, Beat)
    assert beat.app is app
    assert "secret" not in told
    assert ". broker -> redis://user:**@host/1" in told
    assert ". scheduler -> taskq.runtime.beat.PersistentScheduler" in told
    assert ". db -> here" in told
    assert ". maxinterval -> 1.50 minutes (90s)" in told


def test_names_of_beats() -> None:
    """As workers have them."""
    assert beat_nodename() == f"celerybeat@{socket.gethostname()}"
    assert beat_nodename("there") == "celerybeat@there"
    assert beat_nodename("b1@there") == "b1@there"
    assert beat_nodename("b1@%h") == f"b1@{socket.gethostname()}"


def test_beat_in_a_thread(app: TaskQ, tmp_path: Any) -> None:
    """It starts, ends when it is told, and has written its file."""
    app.conf.beat_schedule = {"a": {"task": "t", "schedule": 3600}}
    path = tmp_path / "schedule"

    beside = EmbeddedService(app, thread=True, schedule_filename=str(path))
    beside.start()
    beside.stop()

    assert set(rows_of(path.read_bytes())) == {"a"}
