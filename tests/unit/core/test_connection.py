"""What becomes of bodies that run when the broker has taken their messages back."""

from __future__ import annotations

from typing import Any

from taskq.core.effects import Kill, Recall, SetPrefetch
from taskq.core.inputs import Connected, Disconnected, Happened, LeaseLost
from taskq.core.worker import WorkerCore
from taskq.ports import JobsReturned, SlotLost, SlotReady

from .helpers import at, core_of, deliver, delivery, end, of, run_tags, settled


def flap(core: WorkerCore, when: float = 1.0) -> list[Any]:
    lost = core.handle(Disconnected(keeps_deliveries=False), at(when))
    return lost + core.handle(Connected(), at(when))


def loaded(task: str = "late", **options: Any) -> WorkerCore:
    """A core whose one slot runs 1, with 2 and 3 behind it."""
    core = core_of(**options)
    deliver(core, delivery(0, task))
    end(core, 0, when=0.0, runtime_s=0.0001)
    deliver(core, delivery(1, task), delivery(2, task), delivery(3, task), when=0.0)
    return core


def test_what_has_not_begun_here_is_not_to_begin_twice() -> None:
    """Those behind a body are asked back: the broker gives them to others."""
    core = loaded()

    assert of(Recall, flap(core, 0.1)) == [Recall(0)]
    effects = core.handle(Happened((JobsReturned(0, (2, 3)),)), at(0.2))

    assert run_tags(effects) == []
    assert settled(end(core, 1, when=0.3)) == []
    assert core.active == []


def test_a_body_that_is_somebody_elses_runs_on() -> None:
    """As in Celery, where it is not told otherwise."""
    core = core_of()
    deliver(core, delivery(1, "late"))

    assert of(Kill, flap(core)) == []


def test_a_body_that_is_somebody_elses_may_be_ended() -> None:
    """With worker_cancel_long_running_tasks_on_connection_loss; nothing of it is stored."""
    core = core_of(slots=2, cancels_on_connection_loss=True)
    deliver(core, delivery(1, "late"), delivery(2))

    killed = flap(core)
    gone = core.handle(Happened((SlotLost(0, (1,), (), "killed", expected=True),)), at(1.1))

    assert of(Kill, killed) == [Kill(0, 9)]
    assert settled(gone) == []
    assert [job.token for job in core.active] == [2]


def test_those_behind_it_are_asked_back_before_it_is_ended() -> None:
    """They are orphans as well, and must not begin."""
    core = loaded(cancels_on_connection_loss=True)

    asked = flap(core, 0.1)
    killed = core.handle(Happened((JobsReturned(0, (2, 3)),)), at(0.2))

    assert (of(Recall, asked), of(Kill, asked)) == ([Recall(0)], [])
    assert of(Kill, killed) == [Kill(0, 9)]


def test_a_claimed_body_is_not_ended_for_the_sake_of_orphans_behind_it() -> None:
    """It is nobody else's."""
    core = core_of(cancels_on_connection_loss=True)
    for tag, task in enumerate(("add", "late")):
        deliver(core, delivery(tag, task))
        end(core, tag, when=0.0, runtime_s=0.0001)
    deliver(core, delivery(2, "add"), delivery(3, "late"), when=0.0)

    effects = flap(core, 0.1)

    assert (of(Recall, effects), of(Kill, effects)) == ([Recall(0)], [])


def test_leases_that_were_taken_over_are_like_a_lost_connection() -> None:
    """For those that are meant."""
    core = core_of(slots=2, cancels_on_connection_loss=True)
    deliver(core, delivery(1, "late"), delivery(2, "late"))

    assert of(Kill, core.handle(LeaseLost((2,)), at(9.0))) == [Kill(1, 9)]
    assert of(Kill, core.handle(LeaseLost((7,)), at(9.0))) == []


def test_the_window_is_smaller_while_orphans_run() -> None:
    """What the broker gives again and what still runs are no more than before, together."""
    core = core_of(slots=3, prefetch_multiplier=2)
    deliver(core, delivery(1, "late"), delivery(2, "late"), delivery(3))

    assert of(SetPrefetch, flap(core)) == [SetPrefetch(4), SetPrefetch(4)]
    assert of(SetPrefetch, end(core, 1, when=2.0)) == [SetPrefetch(5)]
    lost = core.handle(Happened((SlotLost(1, (2,), (), "gone"),)), at(2.0))
    assert of(SetPrefetch, lost) == [SetPrefetch(6)]


def test_the_window_stays_where_that_is_turned_off() -> None:
    """worker_enable_prefetch_count_reduction=False."""
    core = core_of(slots=3, prefetch_multiplier=2, reduces_prefetch=False)
    deliver(core, delivery(1, "late"))

    assert of(SetPrefetch, flap(core)) == [SetPrefetch(6)]


def test_the_window_has_room_for_one_at_least() -> None:
    """However many orphans run."""
    core = core_of(slots=2, prefetch_multiplier=1)
    deliver(core, delivery(1, "late"), delivery(2, "late"))
    flap(core)
    core.handle(Happened((SlotLost(0, (), (), "gone"), SlotReady(0, 9))), at(1.5))

    assert core.prefetch == 1


def test_an_orphan_that_was_not_begun_counts_no_longer() -> None:
    """Its slot is lost, or gives it back."""
    core = loaded(prefetch_multiplier=4)
    flap(core, 0.1)

    core.handle(Happened((JobsReturned(0, (2, 3)),)), at(0.2))
    end(core, 1, when=0.3, runtime_s=9.0)

    assert core.prefetch == 4


def test_a_recall_that_came_early_teaches_nothing() -> None:
    """The body has not run for longer than it was expected to."""
    core = core_of()
    for tag, runtime_s in ((0, 0.002), (1, 0.002)):
        deliver(core, delivery(tag, "late"), when=0.0)
        end(core, tag, when=0.0, runtime_s=runtime_s)
    deliver(core, delivery(2, "late"), delivery(3, "late"), when=0.0)
    core.handle(LeaseLost((3,)), at(0.001))
    core.handle(Happened((JobsReturned(0, (3,)),)), at(0.001))
    end(core, 2, when=0.002, runtime_s=0.002)

    assert run_tags(deliver(core, delivery(4, "late"), delivery(5, "late"), when=1.0)) == [[4, 5]]
