"""Periodic tasks are sent once for each time at which they are due, whatever happens to beat."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from taskq import TaskQ, signals
from taskq.app.beat import BeatLazyFunc, ScheduleEntry, Scheduler
from taskq.core.beat import LONGEST_PAUSE_S
from taskq.errors import ImproperlyConfigured
from taskq.schedules import crontab, schedule
from taskq_testing import World
from tests.sim.tasks import make

BERLIN = ZoneInfo("Europe/Berlin")
START = datetime(2026, 1, 1, tzinfo=UTC)
HOUR, DAY = 3600.0, 86400.0


@pytest.fixture
def tick(app: TaskQ) -> Any:
    """A task that does nothing."""
    return make(app, lambda *args: None, name="tick")


def entries(app: TaskQ, **named: Any) -> None:
    """Let beat have entries, by their schedules."""
    app.conf.beat_schedule = {
        name: {"task": "tick", "schedule": when} for name, when in named.items()
    }


def sent_s(world: World, name: str = "tick") -> list[float]:
    """When messages of a task were sent."""
    return [record.at_s for record in world.trace.find("task.send", task=name)]


def local_times(world: World, zone: ZoneInfo) -> list[str]:
    """When they were sent, on the wall of a zone."""
    return [
        datetime.fromtimestamp(world.start_s + at_s, zone).isoformat(timespec="minutes")
        for at_s in sent_s(world)
    ]


# -- on time -------------------------------------------------------------------------------------


def test_an_interval_is_kept_for_hours(app: TaskQ, tick: Any) -> None:
    """Every entry comes at its times, and none of them drifts."""
    entries(app, often=10.0, seldom=timedelta(minutes=7))
    with World(app, start=START) as world:
        world.start_beat()
        world.run_for(HOUR)

        sent = Counter(round(at_s, 1) for at_s in sent_s(world))

    expected = Counter(float(at) for at in range(10, 3601, 10))
    expected.update(float(at) for at in range(420, 3601, 420))
    assert sent == expected


def test_a_worker_runs_what_beat_sends(app: TaskQ) -> None:
    """The message goes to the queue of the task, with arguments and options of the entry."""
    got: list[Any] = []
    make(app, lambda *args, **kwargs: got.append((args, kwargs)), name="note")
    app.conf.beat_schedule = {
        "noon": {
            "task": "note",
            "schedule": crontab(hour=12, minute=0),
            "args": (1, BeatLazyFunc(len, "four")),
            "kwargs": {"a": BeatLazyFunc(int, "11", base=2)},
            "options": {"queue": "celery", "expires": 60},
        }
    }
    with World(app, start=START) as world:
        world.start_worker("w1")
        world.start_beat()
        world.run_for(2 * DAY)

    assert got == [((1, 4), {"a": 3})] * 2


def test_a_year_of_nights(app: TaskQ, tick: Any) -> None:
    """Over a year with daylight saving a nightly entry runs once each night, by its rule."""
    app.conf.timezone = "Europe/Berlin"
    entries(app, nightly=crontab(hour=2, minute=30))
    with World(app, start=START) as world:
        world.start_beat(max_interval=HOUR)
        world.run_for(365 * DAY)

        times = local_times(world, BERLIN)

    assert len(times) == 365
    assert len({text[:10] for text in times}) == 365
    odd = [text for text in times if text[11:16] != "02:30"]
    assert odd == ["2026-03-29T03:00+02:00"]  # the clock skips 02:30
    assert "2026-10-25T02:30+02:00" in times  # and shows it twice
    assert "2026-10-25T02:30+01:00" not in times


def test_every_hour_is_every_real_hour(app: TaskQ, tick: Any) -> None:
    """Entries of every hour keep their distance in the nights in which clocks are changed."""
    app.conf.timezone = "Europe/Berlin"
    entries(app, hourly=crontab(minute=15))
    with World(app, start="2026-03-28T00:00:00Z") as world:
        world.start_beat()
        world.run_for(2 * DAY)

        spring = sent_s(world)

    assert {b - a for a, b in pairwise(spring)} == {3600.0}
    assert len(spring) == 48


# -- beat was not there ----------------------------------------------------------------------------


def test_what_was_missed_is_one_run(app: TaskQ, tick: Any) -> None:
    """A beat that was down for hours runs each entry once at its start, and goes on."""
    entries(app, ten=600.0, hourly=crontab(minute=0))
    with World(app, start=START) as world:
        world.start_beat()
        world.run_for(900)  # ten minutes: once
        world.kill("beat")
        world.run_for(3 * HOUR)
        before = len(sent_s(world))
        world.start_beat()
        world.run_for(1)

        assert before == 1
        assert len(sent_s(world)) == before + 2
        world.run_for(601)
        assert len(sent_s(world)) == before + 3


def test_a_run_that_is_too_late_is_left_out(app: TaskQ, tick: Any) -> None:
    """With a deadline a crontab that was missed for longer does not run at the start."""
    app.conf.beat_cron_starting_deadline = 600
    entries(app, hourly=crontab(minute=0))
    with World(app, start=START) as world:
        world.start_beat()
        world.run_for(60)
        world.kill("beat")
        world.run_for(HOUR + 700)
        world.start_beat()
        world.run_for(60)
        assert sent_s(world) == []

        world.run_for(HOUR)
        assert sent_s(world) == [2 * HOUR]


def test_a_beat_that_is_stopped_knows_its_last_runs(app: TaskQ, tick: Any) -> None:
    """After a stop and a start the next run comes when it would have come anyway."""
    entries(app, daily=DAY)
    with World(app, start=START) as world:
        world.start_beat()
        for _ in range(10):
            world.run_for(7 * HOUR)
            world.stop_beat()
            world.run_for(1)
            world.start_beat()

        assert [round(at_s / DAY) for at_s in sent_s(world)] == [1, 2]
        assert all(abs(at_s % DAY) < 2 for at_s in sent_s(world))


def test_killed_at_any_step_nothing_is_sent_twice(
    app: TaskQ, tick: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """A time whose message may have gone out is not sent again; it is said in the log."""
    app.conf.beat_schedule = {
        name: {"task": "tick", "schedule": crontab(minute=0), "args": (name,)}
        for name in ("a", "b")
    }
    seen: set[int] = set()
    for steps in range(1, 60):
        caplog.clear()
        with World(app, seed=steps, start=START) as world:
            world.start_beat()
            world.run_for(HOUR - 1)
            for _ in range(steps):
                world._scheduler.step()
                if world.now_s > HOUR + 5:
                    break
            world.kill("beat")
            lost_at = len(sent_s(world))
            world.start_beat()
            world.run_for(20)

            count = len(sent_s(world))
            doubt = [line for line in caplog.messages if "not known whether" in line]
            seen.add(lost_at)
            assert count <= 2, steps
            # What is missing was said.
            assert count == 2 or len(doubt) == 1, steps
    assert seen == {0, 1, 2}


def test_a_full_disk_stops_nothing(app: TaskQ, tick: Any, caplog: pytest.LogCaptureFixture) -> None:
    """Where the schedule file cannot be written, beat says so and goes on sending."""
    entries(app, often=60.0)
    with World(app, start=START) as world:
        world.start_beat()
        world.run_for(1)
        world.disks["beat"].full = True
        world.run_for(600)

        assert len(sent_s(world)) == 10
    assert any("No space left" in line for line in caplog.messages)


# -- two of them -----------------------------------------------------------------------------------


def test_two_beats_do_not_share_a_file(app: TaskQ, tick: Any) -> None:
    """The second beat with the same schedule file refuses to start."""
    entries(app, often=60.0)
    with World(app, start=START) as world:
        first = world.start_beat("machine")
        world.run_for(1)
        second = type(first)(
            app,
            hands=first._hands,
            disk=world.disks["machine"],
            scheduler=world._scheduler,
        )

        with pytest.raises(ImproperlyConfigured, match="another beat"):
            second.get_scheduler()


def test_two_beats_on_two_machines_both_send(app: TaskQ, tick: Any) -> None:
    """Nothing keeps beats on two machines from sending everything twice: run one."""
    entries(app, hourly=crontab(minute=0))
    with World(app, start=START) as world:
        world.start_beat("one")
        world.start_beat("other")
        world.run_for(HOUR + 1)

        assert sent_s(world) == [HOUR, HOUR]


# -- clocks that are set ---------------------------------------------------------------------------


def test_a_clock_that_is_set_forward_is_no_storm(app: TaskQ, tick: Any) -> None:
    """What lies between is one run for each entry."""
    entries(app, ten=600.0, hourly=crontab(minute=30))
    with World(app, start=START) as world:
        world.start_beat()
        world.run_for(700)
        before = len(sent_s(world))
        world.jump_clock("beat", 5 * HOUR)
        world.run_for(301)

        assert len(sent_s(world)) == before + 2


def test_a_clock_that_is_set_back_shows_times_again(app: TaskQ, tick: Any) -> None:
    """Distances go on; times on the clock that have been are not had again."""
    app.conf.beat_schedule = {
        "ten": {"task": "tick", "schedule": 600.0},
        "half past": {"task": "tock", "schedule": crontab(minute=30)},
    }
    with World(app, start=START) as world:
        world.start_beat()
        world.run_for(HOUR)
        tocks = len(sent_s(world, "tock"))
        assert tocks == 1
        world.jump_clock("beat", -HOUR)
        world.run_for(HOUR)

        assert len(sent_s(world, "tock")) == tocks
        assert 11 <= len(sent_s(world)) <= 12
        world.run_for(HOUR)
        assert len(sent_s(world, "tock")) == tocks + 1


def test_a_clock_that_was_a_year_ahead(app: TaskQ, tick: Any) -> None:
    """A clock that is set back by more was wrong, and what it made is forgotten."""
    entries(app, hourly=crontab(minute=0))
    with World(app, start=START) as world:
        world.add_node("beat")
        world.jump_clock("beat", 365 * DAY)
        world.start_beat()
        world.run_for(HOUR + 60)
        world.jump_clock("beat", -365 * DAY)
        world.run_for(3 * HOUR)

        assert len(sent_s(world)) == 4


# -- what cannot be sent ---------------------------------------------------------------------------


def test_what_the_broker_did_not_take_is_sent_when_it_is_back(
    app: TaskQ, tick: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """An outage over a due time makes it late, and says so; it is not doubled."""
    entries(app, hourly=crontab(minute=0), other=crontab(minute=1))
    with World(app, start=START) as world:
        world.start_beat()
        world.run_for(HOUR - 60)
        world.cut("beat", 600)
        world.run_for(2 * HOUR - 61)

        first = [at_s for at_s in sent_s(world) if at_s > HOUR - 60][:2]
        healed = HOUR - 60 + 600
        assert len(sent_s(world)) == 5  # minute 1, both late ones, both of the next hour
        assert all(healed <= at_s <= healed + LONGEST_PAUSE_S + 5 for at_s in first)
    assert any("could not be sent" in line for line in caplog.messages)


def test_an_entry_that_cannot_be_sent_stops_no_other(
    app: TaskQ, tick: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """It is tried again after pauses that grow; the others come at their times."""

    def broken() -> Any:
        raise ZeroDivisionError("no such number")

    app.conf.beat_schedule = {
        "bad": {"task": "tick", "schedule": 60.0, "args": (BeatLazyFunc(broken),)},
        "good": {"task": "tick", "schedule": 60.0},
    }
    with World(app, start=START) as world:
        world.start_beat()
        world.run_for(HOUR)

        assert sent_s(world) == [60.0 * n for n in range(1, 61)]
    failures = [line for line in caplog.messages if "no such number" in line]
    assert 10 < len(failures) < 40


def test_a_schedule_that_raises_stops_no_other(
    app: TaskQ, tick: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """Its entry is asked again after a minute, and the log says what it raised."""

    class Odd(schedule):
        def is_due(self, last_run_at: datetime) -> Any:
            raise RuntimeError("do not ask me")

    entries(app, odd=Odd(60), good=60.0)
    with World(app, start=START) as world:
        world.start_beat()
        world.run_for(600)

        assert len(sent_s(world)) == 10
    assert sum("do not ask me" in line for line in caplog.messages) in range(9, 12)


# -- schedulers of programs ------------------------------------------------------------------------


def test_a_scheduler_of_a_program_is_driven(app: TaskQ, tick: Any) -> None:
    """The methods that programs override are called as they know it, entries and all."""
    calls: list[str] = []

    class MyEntry(ScheduleEntry):
        def is_due(self) -> tuple[bool, float | None]:
            calls.append("is_due")
            return super().is_due()

    class Mine(Scheduler):
        Entry = MyEntry

        def setup_schedule(self) -> None:
            calls.append("setup_schedule")
            self.install_default_entries(self.schedule)
            self.update_from_dict({"mine": {"task": "tick", "schedule": 60.0}})

        def reserve(self, entry: Any) -> Any:
            calls.append("reserve")
            return next(entry)  # as django-celery-beat does: the mapping keeps the old one

        def apply_entry(self, entry: Any, producer: Any = None) -> None:
            calls.append("apply_entry")
            super().apply_entry(entry, producer=producer)

        def sync(self) -> None:
            calls.append("sync")

    app.conf.beat_scheduler = Mine
    with World(app, start=START) as world:
        world.start_beat()
        world.run_for(600)
        world.stop_beat()
        world.run_until_quiet()

        assert len(sent_s(world)) == 10
    counted = Counter(calls)
    assert counted["setup_schedule"] == 1
    assert counted["reserve"] == counted["apply_entry"] == 10
    assert counted["sync"] >= 2
    assert calls[-1] == "sync"


def test_a_scheduler_may_change_its_entries(app: TaskQ, tick: Any) -> None:
    """What is added, changed or taken out while beat runs counts from the next look on."""
    entries(app, first=3600.0)
    with World(app, start=START) as world:
        node = world.start_beat(max_interval=5)
        world.run_for(10)
        node.scheduler.add(name="second", task="tock", schedule=schedule(60, app=app))
        world.run_for(300)
        assert len(sent_s(world, "tock")) == 5
        del node.scheduler.schedule["second"]
        world.run_for(300)

        assert len(sent_s(world, "tock")) == 5


def test_a_foreign_file_is_set_aside(
    app: TaskQ, tick: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """What is no schedule file of ours is kept under another name, and said in one line."""
    entries(app, hourly=crontab(minute=0))
    with World(app, start=START) as world:
        world.start_beat()
        world.run_for(1)
        world.stop_beat()
        world.run_for(1)
        contents = world.disks["beat"].contents
        contents["celerybeat-schedule"] = b"\x13W\x9a\xceshelve"
        caplog.clear()
        world.start_beat()
        world.run_for(HOUR)

        assert contents["celerybeat-schedule.old-1"] == b"\x13W\x9a\xceshelve"
        assert len(sent_s(world)) == 1
    told = [line for line in caplog.messages if "no schedule file of taskq" in line]
    assert len(told) == 1


def test_the_same_seed_has_the_same_history(app: TaskQ, tick: Any) -> None:
    """A run with beats, deaths and jumps is the same the second time."""
    entries(app, often=60.0, hourly=crontab(minute=0))

    def history() -> Iterator[str]:
        with World(app, seed=5, start=START) as world:
            world.start_worker("w1")
            world.start_beat()
            world.run_for(1800)
            world.jump_clock("beat", 300)
            world.kill("beat")
            world.start_beat()
            world.run_for(3600)
            yield world.trace.text(1000)

    assert list(history()) == list(history())


def test_receivers_hear_that_beat_begins(app: TaskQ, tick: Any) -> None:
    """They get the service, whose scheduler has its entries already: packages lock there."""
    entries(app, hourly=3600.0)
    heard: list[Any] = []

    def hear(sender: Any, **_: Any) -> None:
        heard.append(set(sender.scheduler.schedule))

    signals.beat_init.connect(hear)
    signals.beat_embedded_init.connect(hear)
    try:
        with World(app, start=START) as world:
            world.start_beat()
            world.run_for(1)
    finally:
        signals.beat_init.disconnect(hear)
        signals.beat_embedded_init.disconnect(hear)

    assert heard == [{"hourly"}]
