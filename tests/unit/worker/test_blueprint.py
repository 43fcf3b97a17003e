"""Steps come in the order of what they require, and are told what they are to be told."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskq.errors import ImproperlyConfigured
from taskq.worker.bootsteps import Blueprint, ConsumerStep, StartStopStep, Step
from taskq.worker.components import Pool, Timer
from taskq.worker.consumer import Mingle, Tasks
from taskq.worker.moments import ConsumerBlueprint, WorkerBlueprint


def make(name: str, *requires: Any, said: list[str] | None = None, **more: Any) -> Any:
    """Make a class of steps that writes down what it is told."""
    told = [] if said is None else said

    def write(what: str) -> Any:
        return lambda _self, _parent: told.append(f"{name} {what}")

    moments = {what: write(what) for what in ("start", "stop", "close", "terminate", "shutdown")}
    return type(name, (StartStopStep,), {"requires": requires, **moments, **more})


def parent() -> SimpleNamespace:
    return SimpleNamespace(steps=[])


def test_a_step_is_called_by_its_place() -> None:
    """The name of a step is its module and class; its label is short, unless it says one."""

    class Door(Step):
        pass

    class Window(Step):
        label = "view"

    assert Door.name == f"{__name__}.Door"
    assert Door(None).alias == "Door"
    assert repr(Window(None)) == "<step: view>"


def test_a_step_comes_after_what_it_requires() -> None:
    """Steps are started after those that they require, and stopped before them."""
    said: list[str] = []
    first = make("First", said=said)
    second = make("Second", first, said=said)
    owner = parent()
    blueprint = Blueprint([second, first]).apply(owner)

    blueprint.start(owner)
    blueprint.stop(owner)

    assert said == [
        *("First start", "Second start"),
        *("First close", "Second close", "Second stop", "First stop"),
    ]
    assert blueprint.human_state() == "terminating"


def test_what_is_required_need_not_be_named() -> None:
    """A step that only others require is made as well."""
    first = make("First")
    second = make("Second", first)

    assert [step.alias for step in Blueprint([second]).apply(parent()).order] == ["First", "Second"]


@given(st.data())
def test_order_keeps_what_is_required(data: st.DataObject) -> None:
    """Whatever requires what: each comes after all that it requires, the last ones at the end."""
    classes: list[Any] = []
    for number in range(data.draw(st.integers(1, 8))):
        known = [cls for cls in classes if not cls.last]
        requires = data.draw(st.lists(st.sampled_from(known), unique=True)) if known else []
        last = data.draw(st.booleans())
        classes.append(make(f"Step{number}", *requires, last=last))

    order = [type(step) for step in Blueprint(classes).apply(parent()).order]

    for place, cls in enumerate(order):
        assert all(order.index(required) < place for required in cls.requires)
    assert [cls.last for cls in order] == sorted(cls.last for cls in order)


def test_a_circle_is_refused() -> None:
    """Steps that require each other are named in the error."""
    first = make("First")
    second = make("Second", first)
    first.requires = (second,)

    with pytest.raises(ImproperlyConfigured, match=r"circle: .*First.*Second"):
        Blueprint([first]).apply(parent())


def test_a_step_that_is_not_there_is_refused() -> None:
    """A requirement that leads nowhere is an error that says where the steps are."""
    lost = make("Lost", "celery.worker.components:Attic")

    with pytest.raises(ImproperlyConfigured, match=r"taskq\.worker\.components"):
        Blueprint([lost]).apply(parent())


@pytest.mark.parametrize(
    ("place", "cls"),
    [
        ("celery.worker.components:Pool", Pool),
        ("taskq.worker.components:Timer", Timer),
        ("celery.worker.consumer:Mingle", Mingle),
        ("celery.worker.consumer.tasks:Tasks", Tasks),
        ("celery.worker.consumer.mingle.Mingle", Mingle),
    ],
)
def test_documented_places_are_known(place: str, cls: Any) -> None:
    """The places of Celery's documentation stand for ours, without the alias too."""
    known = Blueprint([make("Own", place)]).claim_steps()

    assert cls in known.values()


def test_own_steps_come_behind_the_worker_s() -> None:
    """A step that requires nothing comes after the documented ones, before the consumer."""
    names = [str(each.name) for each in WorkerBlueprint([make("Own")]).types]
    order = WorkerBlueprint([make("Own")])._sorted(WorkerBlueprint([make("Own")]).claim_steps())

    assert len(names) == len(order)
    assert [cls.name.rpartition(".")[2] for cls in order][-2:] == ["Own", "Consumer"]


def test_a_consumer_step_needs_the_connection() -> None:
    """What takes messages of its own comes after the connection, whatever else is said."""
    known = ConsumerBlueprint([type("Mine", (ConsumerStep,), {})]).claim_steps()

    assert "taskq.worker.consumer.connection.Connection" in known


def test_a_step_may_be_left_out() -> None:
    """A step whose ``include_if`` says no is made, and never called."""
    said: list[str] = []
    out = make("Out", said=said, include_if=lambda _self, _parent: False)
    owner = parent()

    Blueprint([out]).apply(owner).start(owner)

    assert not said
    assert not owner.steps


def test_what_create_returns_is_started_in_its_place() -> None:
    """A step may delegate: what its ``create`` returns is started, stopped, terminated."""
    said: list[str] = []
    made = SimpleNamespace(start=lambda: said.append("start"), stop=lambda: said.append("stop"))
    owner = parent()
    kind = type("Delegating", (StartStopStep,), {"create": lambda _self, _parent: made})
    blueprint = Blueprint([kind]).apply(owner)

    blueprint.start(owner)
    blueprint.stop(owner, terminate=True)

    assert said == ["start", "stop"]


def test_one_that_fails_to_stop_keeps_no_other_from_it(caplog: pytest.LogCaptureFixture) -> None:
    """What a step raises when it is stopped is logged; the others are stopped all the same."""
    said: list[str] = []
    first = make("First", said=said)

    def fail(_self: Any, _parent: Any) -> None:
        raise RuntimeError("stuck")

    second = make("Second", first, stop=fail)
    owner = parent()
    blueprint = Blueprint([second]).apply(owner)
    blueprint.start(owner)

    blueprint.stop(owner)

    assert said[-1] == "First stop"
    assert "Second" in caplog.text
    assert "stuck" in caplog.text
