"""Rate limits: how often tasks of one name start, and that nobody else waits for them."""

from __future__ import annotations

from typing import Any

import pytest

from taskq.core.effects import Conclude, Emit, Say, SetPrefetch, Settle
from taskq.core.inputs import (
    ClusterSized,
    Connected,
    Disconnected,
    Happened,
    RateLimited,
    Stop,
    StopAsked,
    Woke,
)
from taskq.core.rates import AWAY_MOST_S, CATCH_UP_S, BadRateError, Rates, parse_rate
from taskq.core.worker import WorkerCore
from taskq.ports import JobsReturned, SlotLost, SlotReady, Verdict

from .helpers import START, at, core_of, deliver, delivery, end, iso, of, run_tags, settled

QUICK_S = 0.0001


def limited(rate: Any = "2/s", *, slots: int = 4, parks: bool = False, **more: Any) -> WorkerCore:
    core = core_of(slots=slots, traits={"rated": {"rate_limit": rate}}, **more)
    core.handle(Connected(parks), at(0.0))
    return core


def rated(*tags: int, **headers: Any) -> list[Any]:
    return [delivery(tag, "rated", **headers) for tag in tags]


def woke(core: WorkerCore, when: float) -> list[list[int]]:
    return run_tags(core.handle(Woke(), at(when)))


def starts(core: WorkerCore, until_s: float, lag_s: float = 0.0) -> list[float]:
    """Wake the core when it wants, ``lag_s`` late; return when bodies began, which are short."""
    found: list[float] = []
    while core.wake_at is not None and core.wake_at + lag_s <= until_s:
        when = core.wake_at + lag_s
        for [tag] in woke(core, when):
            found.append(when)
            end(core, tag, when=when, runtime_s=QUICK_S)
    return found


# -- words -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "per_s"),
    [
        ("10/s", 10.0),
        ("120/m", 2.0),
        ("36/h", 0.01),
        ("5", 5.0),
        ("0.5/s", 0.5),
        (3, 3.0),
        (0.25, 0.25),
        (0, 0.0),
        ("0", 0.0),
        ("", 0.0),
        (None, 0.0),
    ],
)
def test_what_a_rate_may_be(said: Any, per_s: float) -> None:
    """So many in a second, a minute or an hour; a number counts for a second."""
    assert parse_rate(said) == per_s


@pytest.mark.parametrize(
    "said", ["often", "5/d", "/s", -1, "-2/m", float("nan"), "inf", [], "1/s/s"]
)
def test_what_it_may_not_be(said: Any) -> None:
    """The error says what would be right."""
    with pytest.raises(BadRateError, match="is no rate limit; say how many in a second"):
        parse_rate(said)


# -- starts ----------------------------------------------------------------------------------


def test_the_first_starts_at_once_and_the_others_evenly_spaced() -> None:
    """Two in a second: half a second apart."""
    core = limited("2/s")

    assert run_tags(deliver(core, *rated(1, 2, 3, 4))) == [[1]]
    assert starts(core, 10.0) == [0.5, 1.0, 1.5]


def test_a_worker_that_wakes_late_keeps_the_rate() -> None:
    """Some milliseconds each time do not add up."""
    core = limited("10/s", slots=1)
    deliver(core, *rated(*range(100)))
    end(core, 0, when=0.0, runtime_s=QUICK_S)

    begun = starts(core, 5.1, lag_s=0.02)

    assert len(begun) == 50


def test_what_was_missed_for_long_is_not_made_up() -> None:
    """After a pause there is no burst."""
    core = limited("10/s")
    deliver(core, *rated(1, 2, 3, 4, 5))

    assert woke(core, 7.0) == [[2]]
    assert core.wake_at == 7.0 + 0.1
    assert CATCH_UP_S <= 0.1


def test_a_pause_between_tasks_gives_no_credit() -> None:
    """They may come at any time; two that come together are spaced."""
    core = limited("2/s")
    deliver(core, *rated(1))

    assert run_tags(deliver(core, *rated(2, 3), when=50.0)) == [[2]]
    assert core.wake_at == 50.5


def test_others_do_not_wait_for_it() -> None:
    """Unlimited tasks go past the line."""
    core = limited("1/m")
    deliver(core, *rated(1, 2, 3))

    assert run_tags(deliver(core, delivery(4), delivery(5), when=1.0)) == [[4], [5]]


def test_two_limited_tasks_have_two_lines() -> None:
    """Neither waits for the other."""
    core = core_of(slots=4, traits={"a": {"rate_limit": "1/s"}, "b": {"rate_limit": "1/m"}})

    effects = deliver(core, *(delivery(tag, "ab"[tag % 2]) for tag in range(4)))

    assert run_tags(effects) == [[0], [1]]
    assert woke(core, 1.0) == [[2]]


def test_nothing_is_let_out_while_slots_are_busy() -> None:
    """So nothing starts in a burst when one is free."""
    core = limited("10/s", slots=1)
    deliver(core, delivery(9), *rated(1, 2, 3, 4))
    for when in (1.0, 2.0, 3.0):
        assert woke(core, when) == []

    assert run_tags(end(core, 9, when=4.0)) == [[1]]
    assert run_tags(end(core, 1, when=4.01, runtime_s=QUICK_S)) == []
    assert woke(core, 4.1) == [[2]]


def test_a_fast_line_may_start_several_at_once_on_idle_slots() -> None:
    """As many as it is behind, within what may be caught up."""
    core = limited("100/s", slots=4)
    deliver(core, *rated(1, 2, 3, 4, 5, 6))

    assert woke(core, 0.035) == [[2], [3], [4]]


def test_no_limited_task_waits_in_a_slot() -> None:
    """Behind another it would start at a time that nobody planned."""
    core = limited("1000/s", slots=1)
    deliver(core, delivery(0))
    end(core, 0, when=0.0, runtime_s=QUICK_S)
    deliver(core, delivery(1), when=1.0)

    assert run_tags(deliver(core, *rated(2, 3), when=1.0)) == []
    assert run_tags(end(core, 1, when=1.1, runtime_s=QUICK_S)) == [[2]]


def test_what_comes_back_from_a_slot_is_the_next_of_its_line() -> None:
    """It did not start; those after it wait for it."""
    core = limited("1/s", slots=1)
    deliver(core, *rated(1, 2))

    core.handle(Happened((SlotLost(0, (), (1,), "gone"),)), at(0.1))
    effects = core.handle(Happened((SlotReady(0, 7),)), at(0.2))

    assert run_tags(effects) == []
    assert woke(core, 1.0) == [[1]]


def test_an_expired_task_takes_no_turn() -> None:
    """The next one starts in its place."""
    core = limited("1/s")
    deliver(core, *rated(1), *rated(2, expires=iso(0.5)), *rated(3))

    effects = core.handle(Woke(), at(1.0))

    assert [conclude.job.token for conclude in of(Conclude, effects)] == [2]
    assert run_tags(effects) == [[3]]


def test_what_had_to_wait_for_its_time_waits_for_its_turn_then() -> None:
    """An ETA is no way around a limit."""
    core = limited("1/s")
    deliver(core, *rated(1, 2, 3, eta=iso(5)))

    assert woke(core, 5.0) == [[1]]
    assert starts(core, 20.0) == [6.0, 7.0]


def test_no_limit_is_kept_where_they_are_off() -> None:
    """``worker_disable_rate_limits``, also for those that are set later."""
    core = limited("1/s", rate_limits=False)
    core.handle(RateLimited("rated", "1/m"), at(0.0))

    assert len(run_tags(deliver(core, *rated(1, 2, 3)))) == 3


def test_a_limit_that_cannot_be_read_is_said_once_and_not_kept() -> None:
    """A task is better run than held for a misprint."""
    core = limited("5/d")

    effects = deliver(core, *rated(1, 2))

    [line] = of(Say, effects)
    assert line.what == "bad rate limit"
    assert "'5/d' is no rate limit" in line.facts["reason"]
    assert len(run_tags(effects)) == 2


# -- at run time -----------------------------------------------------------------------------


def test_a_limit_can_be_set_while_tasks_wait() -> None:
    """Those that are ready already keep to it, too."""
    core = core_of(slots=1)
    deliver(core, delivery(1), *(delivery(tag, "late") for tag in (2, 3)), delivery(4))
    core.handle(RateLimited("late", "1/m"), at(0.0))

    assert core.rate("late") == "1/m"
    assert run_tags(end(core, 1, when=1.0)) == [[4]]
    assert run_tags(end(core, 4, when=2.0)) == [[2]]
    assert core.wake_at == 62.0


def test_a_limit_can_be_changed_while_tasks_wait() -> None:
    """The next start is as far from the last one as the new limit says."""
    core = limited("1/m")
    deliver(core, *rated(1, 2, 3))

    core.handle(RateLimited("rated", "1/s"), at(0.2))

    assert starts(core, 10.0) == [1.0, 2.0]


@pytest.mark.parametrize("nothing", [None, 0, "0"])
def test_a_limit_can_be_taken_away(nothing: Any) -> None:
    """Those that wait start now."""
    core = limited("1/m")
    deliver(core, *rated(1, 2, 3))

    effects = core.handle(RateLimited("rated", nothing), at(0.2))

    assert run_tags(effects) == [[2], [3]]
    assert core.rate("rated") == nothing
    assert len(run_tags(deliver(core, *rated(4), when=0.3))) == 1


def test_a_limit_may_be_set_for_a_task_that_never_came() -> None:
    """It holds when one comes."""
    core = limited(None)
    core.handle(RateLimited("rated", "1/m"), at(0.0))

    assert run_tags(deliver(core, *rated(1, 2))) == [[1]]


def test_a_bad_limit_changes_nothing() -> None:
    """It is said, and the old one stays."""
    core = limited("1/m")
    deliver(core, *rated(1, 2))

    [line] = of(Say, core.handle(RateLimited("rated", "often"), at(0.2)))

    assert line.what == "bad rate limit"
    assert core.rate("rated") == "1/m"
    assert core.wake_at == 60.0


def test_a_cluster_shares_a_limit_if_it_is_told_to() -> None:
    """Each of four workers starts a quarter."""
    alone, one_of_four = limited("2/s"), limited("2/s", shares_rates=True)
    for core in (alone, one_of_four):
        deliver(core, *rated(1, 2, 3, 4))
        core.handle(ClusterSized(4), at(0.0))

    assert starts(alone, 9.0) == [0.5, 1.0, 1.5]
    assert starts(one_of_four, 9.0) == [2.0, 4.0, 6.0]


def test_a_limit_that_is_not_known_is_none() -> None:
    """A task without a limit, and one that is not registered."""
    core = limited("2/s")

    assert (core.rate("rated"), core.rate("add"), core.rate("nope")) == ("2/s", None, None)


# -- the room that they take -----------------------------------------------------------------


def test_those_in_line_leave_the_window_to_others() -> None:
    """It grows by how many wait."""
    core = limited("1/m", slots=1)

    effects = deliver(core, *rated(1, 2, 3))

    assert of(SetPrefetch, effects) == [SetPrefetch(6)]
    assert len(core.waiting) == 2


def test_the_window_does_not_grow_without_end() -> None:
    """Where the broker does not park, a long line ends at the broker."""
    core = limited("1/h", slots=1)

    deliver(core, *rated(*range(1, 1200)))

    assert core.prefetch == 1000 + 4


def test_what_would_wait_for_long_waits_with_the_broker() -> None:
    """Spaced, so that it does not come in a crowd, and back after half of its time in line."""
    core = limited("1/s", slots=1, parks=True)

    effects = deliver(core, *rated(*range(1, 15)))

    [settle] = [one for one in of(Settle, effects) if one.settlements[0].verdict is Verdict.PARK]
    parked = [(one.tag, one.due_s) for one in settle.settlements]
    assert parked == [
        (11, START + 5.5),
        (12, START + 6),
        (13, START + 6.5),
        (14, START + 7),
    ]


def test_the_log_says_until_when_it_waits_there() -> None:
    """Monitors hear of it when it has come back."""
    core = limited("1/h", slots=1, parks=True, narrate=True, events=True)
    deliver(core, *rated(1))
    deliver(core, *rated(2))

    effects = deliver(core, *rated(3))

    [line] = of(Say, effects)
    assert (line.what, line.facts["until"]) == ("task parked", "2030-03-17T17:49:10+00:00")
    assert of(Emit, effects) == []


def test_nothing_waits_with_the_broker_for_too_long() -> None:
    """A worker that is new may take it when it comes back."""
    core = limited("1/h", slots=1, parks=True)

    effects = deliver(core, *rated(1, 2, 3, 4))

    [settle] = [one for one in of(Settle, effects) if one.settlements[0].verdict is Verdict.PARK]
    assert {one.due_s for one in settle.settlements} == {START + AWAY_MOST_S / 2}


def test_the_connection_takes_them_out_of_their_lines() -> None:
    """They come again, here or elsewhere."""
    core = limited("1/s")
    deliver(core, *rated(1, 2, 3))
    core.handle(Disconnected(keeps_deliveries=False), at(0.5))

    assert core.waiting == []
    assert core.wake_at is None
    assert run_tags(deliver(core, *rated(4), when=1.0)) == [[4]]


def test_a_stop_gives_them_back() -> None:
    """Nobody waits for a limit to leave."""
    core = limited("1/s", slots=1)
    deliver(core, *rated(1, 2, 3))

    assert settled(core.handle(StopAsked(Stop.WARM), at(0.5))) == [
        (2, Verdict.REQUEUE),
        (3, Verdict.REQUEUE),
    ]


def test_a_stop_does_not_wait_for_the_limit_of_what_only_it_can_run() -> None:
    """Claimed, and given back by a slot that was lost: it runs now."""
    core = limited("1/h", slots=1)
    deliver(core, *rated(1))
    core.handle(Happened((SlotLost(0, (), (1,), "gone"),)), at(0.1))
    core.handle(StopAsked(Stop.WARM), at(0.2))
    core.handle(RateLimited("rated", "1/h"), at(0.3))

    effects = core.handle(Happened((SlotReady(0, 7),)), at(0.4))

    assert run_tags(effects) == [[1]]


def test_what_comes_back_at_a_stop_is_not_held_by_its_limit() -> None:
    """No line is kept any more."""
    core = limited("1/h", slots=1)
    deliver(core, *rated(1))
    core.handle(StopAsked(Stop.WARM), at(0.2))
    core.handle(Happened((SlotReady(1, 8), JobsReturned(0, (1,)))), at(0.3))

    assert [job.token for job in core.active] == [1]


def test_what_cannot_go_back_into_a_line_is_told() -> None:
    """A task without a limit has none."""
    assert not Rates().put_back("add", 1)
