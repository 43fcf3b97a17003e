"""What follows a task whose body has ended."""

from __future__ import annotations

import json
from typing import Any

import pytest

from taskq.canvas import Signature, chain, group, xmap
from taskq.canvas.plan import (
    OpenChord,
    Step,
    chord_body_step,
    error_steps,
    next_steps,
    retry_step,
    unfold,
)
from taskq.errors import InvalidTaskError
from taskq.protocol.message import Call
from tests.unit.canvas.paper_app import PaperApp


def wire(value: Any) -> Any:
    return json.loads(json.dumps(value))


def sig(name: str, *args: Any, **options: Any) -> Any:
    return wire(Signature(name, args, options=options))


def test_callbacks_come_before_the_chain() -> None:
    """Each with the result in front."""
    call = Call("t", "1", callbacks=[sig("a", 2), sig("b")], chain=[sig("d"), sig("c", 3)])

    steps = next_steps(call, 9)

    assert [(step.task, step.args) for step in steps] == [("a", (9, 2)), ("b", (9,)), ("c", (9, 3))]
    lineage = {"parent_id": "1", "root_id": "1"}
    assert [step.options for step in steps] == [
        lineage,
        lineage,
        {**lineage, "chain": [sig("d")]},
    ]
    assert all(step.is_plain for step in steps)


def test_nothing_follows_a_plain_task() -> None:
    """An exhausted chain is nothing too."""
    assert next_steps(Call("t", "1"), 9) == []
    assert next_steps(Call("t", "1", chain=[]), 9) == []


def test_an_immutable_callback_gets_its_own_args() -> None:
    """The result is not for it."""
    callback = {**sig("a", 2), "immutable": True}

    (step,) = next_steps(Call("t", "1", callbacks=[callback]), 9)

    assert step.args == (2,)


def test_root_and_priority_are_handed_on() -> None:
    """The root is that of the call; the priority only where it is given."""
    call = Call("t", "1", root_id="r", callbacks=[sig("a", priority=3)], chord=sig("b"))

    (step,) = next_steps(call, 9, priority=7)

    assert (step.options["root_id"], step.options["priority"]) == ("r", 7)
    assert chord_body_step(call, [1], priority=8).options["priority"] == 8


def test_a_group_as_callback_is_unfolded_with_the_apps_ids() -> None:
    """Its step is not plain; unfolding gives its members."""
    app = PaperApp()
    callback = wire(group(Signature("a", (1,)), Signature("b")))

    (step,) = next_steps(Call("t", "1", callbacks=[callback]), 9)
    unfolded = unfold(step, app)

    assert not step.is_plain
    members: Any = unfolded.operations
    assert [(each.task, each.args) for each in members] == [("a", (9, 1)), ("b", (9,))]
    assert {each.options["parent_id"] for each in members} == {"1"}
    assert [each.options["group_index"] for each in members] == [0, 1]
    assert [each.id for each in unfolded.result.results] == [
        each.options["task_id"] for each in members
    ]


def test_a_plain_step_is_its_own_unfolding() -> None:
    """Nothing has to be opened."""
    (step,) = next_steps(Call("t", "1", callbacks=[sig("a")]), 9)

    assert unfold(step, PaperApp()).operations == (step,)


def test_a_map_as_callback_is_one_message() -> None:
    """Its data is that of a call of the builtin task."""
    (step,) = next_steps(Call("t", "1", callbacks=[wire(xmap(Signature("a"), [1]))]), 9)

    assert (step.task, step.args, step.kwargs["it"]) == ("celery.map", (), [1])


def test_a_chord_that_follows_is_opened_under_its_own_id() -> None:
    """The ids that the client knows are those that are sent."""
    app = PaperApp()
    canvas = Signature("t", app=app) | group(Signature("a"), Signature("b")) | Signature("c")
    result: Any = canvas.delay()
    call = Call("t", app.sent[0].id, chain=wire(app.sent[0].chain))

    (step,) = next_steps(call, 9)
    opened, *members = unfold(step, app).operations

    assert opened == OpenChord(result.parent.id, 2)
    assert [each.options["task_id"] for each in members] == [  # type: ignore[union-attr]  # steps
        each.id for each in result.parent.results
    ]
    assert [each.args for each in members] == [(9,), (9,)]  # type: ignore[union-attr]  # steps
    body = members[0].options["chord"]  # type: ignore[union-attr]  # a step
    assert (body["options"]["task_id"], body["options"]["group_id"]) == (
        result.id,
        result.parent.id,
    )


def test_a_chain_as_callback_has_its_own_rest() -> None:
    """Its first step is sent with the others."""
    callback = wire(chain(Signature("a"), Signature("b")))

    (step,) = next_steps(Call("t", "1", callbacks=[callback]), 9)
    (first,) = unfold(step, PaperApp()).operations

    assert isinstance(first, Step)
    assert (first.task, first.args) == ("a", (9,))
    assert [each["task"] for each in first.options["chain"]] == ["b"]


def test_the_body_of_a_chord_gets_a_list() -> None:
    """One argument; an immutable body gets its own."""
    call = Call("t", "1", chord=sig("body", "x"))
    closed = Call("t", "1", chord={**sig("body", "x"), "immutable": True})

    assert chord_body_step(call, (1, 2)).args == ([1, 2], "x")
    assert chord_body_step(closed, (1, 2)).args == ("x",)


def test_a_chain_as_body_is_unfolded() -> None:
    """It gets the list as its first argument."""
    call = Call("t", "1", chord=wire(chain(Signature("a"), Signature("b"))))

    (first,) = unfold(chord_body_step(call, [1]), PaperApp()).operations

    assert isinstance(first, Step)
    assert first.args == ([1],)


def test_who_belongs_to_no_chord_has_no_body() -> None:
    """The error names the task."""
    with pytest.raises(InvalidTaskError, match="task 't' with id '1' belongs to no chord"):
        chord_body_step(Call("t", "1"), [])


@pytest.mark.parametrize("broken", ["text", {"args": []}, 5, {"task": None}])
def test_what_is_no_signature_is_refused(broken: Any) -> None:
    """Before anything is sent."""
    with pytest.raises(InvalidTaskError, match="no signature in its callbacks"):
        next_steps(Call("t", "1", callbacks=[sig("a"), broken]), 9)
    with pytest.raises(InvalidTaskError, match="no signature in its chord"):
        chord_body_step(Call("t", "1", chord=broken), [])


def test_errbacks_are_members_of_a_group_where_one_is_given() -> None:
    """All of the call, or those that are chosen."""
    call = Call("t", "1", root_id="r", errbacks=[sig("a"), {**sig("b", 1), "immutable": True}])

    first, second = error_steps(call, "1", group_id="g")
    (chosen,) = error_steps(call, "1", errbacks=[sig("c")])

    assert (first.args, second.args) == (("1",), (1,))
    assert first.options == {
        "parent_id": "1",
        "root_id": "r",
        "group_id": "g",
        "group_index": 0,
    }
    assert (chosen.task, chosen.options) == ("c", {"parent_id": "1", "root_id": "r"})


# -- retries -------------------------------------------------------------------------------------

FULL = Call(
    "t",
    "1",
    (2,),
    {"a": 3},
    expires="then",
    retries=2,
    callbacks=[sig("c")],
    errbacks=[sig("e")],
    chain=[sig("n")],
    chord=sig("b"),
    group="g",
    group_index=4,
    root_id="r",
    parent_id="p",
    timelimit=(30, 20),
    shadow="s",
    argsrepr="<hidden>",
    kwargsrepr="<hidden too>",
    origin="o",
    ignore_result=True,
    replaced_task_nesting=1,
    stamped_headers=["x"],
    stamps={"x": 1},
    headers={"my": "v"},
    reply_to="q",
    correlation_id="other",
    priority=5,
    delivery_mode=1,
)


def test_a_retry_says_everything_again() -> None:
    """One more retry, the call as its own parent, and the new time; nothing else changes."""
    step = retry_step(FULL, "later")

    app = PaperApp()
    app.send_task(step.task, step.args, step.kwargs, **step.options)
    from dataclasses import replace

    assert app.sent == [
        replace(
            FULL,
            retries=3,
            parent_id="1",
            eta="later",
            properties={"argsrepr": "<hidden>", "kwargsrepr": "<hidden too>"},
        )
    ]


def test_a_plain_retry_says_little() -> None:
    """What has no meaning is not an option."""
    step = retry_step(Call("t", "1", (2,), argsrepr="(2,)", kwargsrepr="{}"), None)

    assert step.options == {
        "task_id": "1",
        "root_id": "1",
        "ignore_result": False,
        "retries": 1,
        "parent_id": "1",
    }
    unsaid = Call("t", "1", ignore_result=None, priority=None)
    assert "ignore_result" not in retry_step(unsaid, None).options


def test_a_retry_may_have_other_arguments_and_options() -> None:
    """Texts that hid the old arguments are not kept for new ones."""
    step = retry_step(FULL, "later", args=[9], kwargs={"b": 1}, queue="slow", priority=1)

    assert (step.args, step.kwargs) == ((9,), {"b": 1})
    assert (step.options["queue"], step.options["priority"]) == ("slow", 1)
    assert "argsrepr" not in step.options
    assert step.signature["options"] is step.options
