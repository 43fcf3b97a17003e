"""What waits for its time: with the broker where it can, else here."""

from __future__ import annotations

from typing import Any

from taskq.core.effects import Conclude, Emit, Run, Say, SetPrefetch, Settle
from taskq.core.inputs import Connected, Woke
from taskq.core.parking import MOST, Parking
from taskq.core.worker import WorkerCore
from taskq.ports import EndingKind, Settlement, Verdict

from .helpers import START, at, core_of, deliver, delivery, iso, of


def parking(**options: Any) -> WorkerCore:
    """A core whose broker parks."""
    core = core_of(**options)
    core.handle(Connected(parks=True), at(0.0))
    return core


def test_what_is_not_due_is_parked_and_forgotten() -> None:
    """No worker has it meanwhile: it takes no place, and nothing wakes for it."""
    core = parking()

    effects = deliver(core, delivery(1, eta=iso(60)))

    assert of(Settle, effects) == [Settle((Settlement(1, Verdict.PARK, due_s=START + 60),))]
    assert core.waiting == []
    assert core.wake_at is None


def test_parking_is_said_in_the_log_and_monitors_hear_of_it_when_it_has_come() -> None:
    """They are told once that a task is received: by the worker that may run it."""
    core = parking(events=True, narrate=True)

    parked = deliver(core, delivery(1, eta=iso(60)))
    come = deliver(core, delivery(2, eta=iso(60)), when=61.0)

    [line] = of(Say, parked)
    assert (line.what, line.facts["id"]) == ("task parked", "t1")
    assert line.facts["until"] == iso(60)
    assert of(Emit, parked) == []
    assert [one.event for one in of(Emit, come)] == ["task-received"]
    assert len(of(Run, come)) == 1


def test_what_has_expired_is_not_parked() -> None:
    """Its end is told at once."""
    effects = deliver(parking(), delivery(1, eta=iso(60), expires=iso(-1)))

    assert [conclude.reason for conclude in of(Conclude, effects)] == ["expired"]


def test_what_will_expire_is_parked_all_the_same() -> None:
    """It is looked at again when it comes."""
    core = parking()

    effects = deliver(core, delivery(1, eta=iso(60), expires=iso(30)))
    come = deliver(core, delivery(2, eta=iso(60), expires=iso(30)), when=60.0)

    assert of(Conclude, effects) == []
    assert [conclude.reason for conclude in of(Conclude, come)] == ["expired"]


def test_an_unknown_task_is_not_parked() -> None:
    """It could not be run later either."""
    effects = deliver(parking(), delivery(1, "nope", eta=iso(60)))

    assert [conclude.kind for conclude in of(Conclude, effects)] == [EndingKind.UNKNOWN]


def test_what_comes_back_too_early_waits_here() -> None:
    """Clocks that differ do not send a message to and fro."""
    core = parking()
    eta: dict[str, Any] = {"eta": iso(60), "id": "same"}
    deliver(core, delivery(1, **eta))

    early = deliver(core, delivery(2, **eta), when=59.2)
    due = core.handle(Woke(), at(60.0))

    assert of(Settle, early) == []
    assert len(of(Run, due)) == 1


def test_another_time_of_the_same_task_is_parked_again() -> None:
    """A retry keeps the id."""
    core = parking()
    deliver(core, delivery(1, eta=iso(60), id="same"))

    effects = deliver(core, delivery(2, eta=iso(90), id="same"), when=61.0)

    assert of(Settle, effects) == [Settle((Settlement(2, Verdict.PARK, due_s=START + 90),))]


def test_what_was_parked_is_not_remembered_without_end() -> None:
    """One that is forgotten is parked once more."""
    parked = Parking()
    for number in range(MOST + 1):
        assert parked.takes(f"t{number}", 5.0)

    assert not parked.takes(f"t{MOST}", 5.0)
    assert parked.takes("t0", 5.0)


def test_the_broker_may_stop_to_park() -> None:
    """Whether it parks is asked with each connection."""
    core = parking()
    core.handle(Connected(parks=False), at(1.0))

    assert of(Settle, deliver(core, delivery(1, eta=iso(60)))) == []
    assert core.wake_at == 60.0


def test_held_messages_widen_the_window_up_to_their_limit() -> None:
    """Beyond ``worker_eta_task_limit`` no more are taken for them: they wait in the queue."""
    core = core_of(eta_task_limit=2)
    later = [delivery(tag, eta=iso(60)) for tag in range(1, 6)]

    windows = [of(SetPrefetch, deliver(core, one)) for one in later]
    core.handle(Woke(), at(60.0))

    assert windows == [[SetPrefetch(5)], [SetPrefetch(6)], [], [], []]
    assert core.prefetch == 4
