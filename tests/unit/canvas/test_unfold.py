"""What chains, groups, chords and chunks come to."""

from __future__ import annotations

import json
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from taskq import current
from taskq.canvas import Signature, chain, chord, chunks, group, maybe_signature, xmap, xstarmap
from taskq.canvas.plan import OpenChord, Step, plan, unfold
from taskq.canvas.primitives import maybe_unroll_group
from tests.unit.canvas.paper_app import PaperApp, PaperStore


@pytest.fixture
def app() -> PaperApp:
    return PaperApp()


def wire(value: Any) -> Any:
    return json.loads(json.dumps(value))


def names(app: PaperApp) -> list[str]:
    return [call.task for call in app.sent]


# -- chains --------------------------------------------------------------------------------------


def test_the_results_of_a_chain_lead_back(app: PaperApp) -> None:
    """The call returns the last result; ``parent`` walks to the first, whose parent is None."""
    result: Any = chain(app.sig("a"), app.sig("b"), app.sig("c"), app=app)()

    ids = [result.id, result.parent.id, result.parent.parent.id]
    (call,) = app.sent
    assert ids == [
        call.chain[0]["options"]["task_id"],  # type: ignore[index]  # it is there
        call.chain[1]["options"]["task_id"],  # type: ignore[index]  # it is there
        call.id,
    ]
    assert result.parent.parent.parent is None


def test_an_empty_chain_gives_none(app: PaperApp) -> None:
    """Nothing is sent."""
    empty = chain(app=app)

    assert empty() is None
    assert empty.freeze() is None
    assert empty.app is app
    assert not app.sent


def test_a_chain_of_one_is_one_message(app: PaperApp) -> None:
    """Without a chain in it."""
    result: Any = chain(app.sig("a", 1))(2)

    (call,) = app.sent
    assert (call.id, call.args, call.chain) == (result.id, (2, 1), None)


def test_options_of_a_chain_find_their_steps(app: PaperApp) -> None:
    """When to start is for the first, the id and links for the last, errbacks for all."""
    errback, callback = app.sig("e"), app.sig("c")

    result: Any = chain(app.sig("a"), app.sig("b")).apply_async(
        countdown=None,
        eta="then",
        expires="sooner",
        task_id="mine",
        link=callback,
        link_error=errback,
    )

    (call,) = app.sent
    ((last,),) = (call.chain,)  # type: ignore[misc]  # it is there
    assert result.id == last["options"]["task_id"] == "mine"
    assert call.eta == "then"
    assert call.expires == "sooner"
    assert set(last["options"]) == {"task_id", "reply_to", "link_error", "link"}
    assert (call.callbacks, last["options"]["link"]) == (None, [callback])
    assert call.errbacks == last["options"]["link_error"] == [errback]


def test_links_of_a_chain_fire_once(app: PaperApp) -> None:
    """``link`` after the last step, ``on_error`` at the failing one."""
    canvas = app.sig("a") | app.sig("b")
    canvas.link(app.sig("c"))

    canvas.on_error(app.sig("e")).apply_async()

    (call,) = app.sent
    assert call.callbacks is None
    assert [each["task"] for each in call.chain[0]["options"]["link"]] == ["c"]  # type: ignore[index]  # it is there
    assert [each["task"] for each in call.errbacks] == ["e"]  # type: ignore[union-attr]  # it is there


def test_sending_a_chain_leaves_it_alone(app: PaperApp) -> None:
    """It can be sent again, with new ids."""
    canvas = app.sig("a") | group(app.sig("b")) | app.sig("c")
    before = wire(canvas)

    canvas.delay()
    canvas.delay()

    assert wire(canvas) == before
    assert app.sent[0].id != app.sent[1].id


def test_a_frozen_chain_is_sent_with_its_ids(app: PaperApp) -> None:
    """``freeze`` first, send later."""
    canvas = app.sig("a") | app.sig("b")

    frozen = canvas.freeze("last", root_id="root", parent_id="parent")
    sent: Any = canvas.apply_async()

    assert (frozen.id, frozen.parent.id) == (sent.id, sent.parent.id) == ("last", app.sent[0].id)
    assert (app.sent[0].root_id, app.sent[0].parent_id) == ("root", "parent")


def test_the_rest_of_an_outer_chain_comes_last(app: PaperApp) -> None:
    """A chain as a step of a chain does its own steps first."""
    canvas = app.sig("a") | app.sig("b")

    canvas.apply_async(chain=[app.sig("outer2"), app.sig("outer1")])

    assert [each["task"] for each in app.sent[0].chain] == ["outer2", "outer1", "b"]  # type: ignore[union-attr]  # it is there


def test_an_exhausted_chain_stays_an_empty_list(app: PaperApp) -> None:
    """As recorded."""
    chain(app.sig("a")).apply_async(chain=[])

    assert app.sent[0].chain == []


def test_an_immutable_chain_takes_no_args(app: PaperApp) -> None:
    """As any immutable signature."""
    canvas = app.sig("a", 1) | app.sig("b")
    canvas.set_immutable(True)

    canvas.apply_async((5,))

    assert app.sent[0].args == (1,)


def test_in_protocol_1_each_step_is_a_callback_of_the_one_before() -> None:
    """There is no place for a chain."""
    app = PaperApp(protocol=1)

    chain(app.sig("a"), app.sig("b"), app=app).apply_async(chain=[dict(app.sig("c"))])

    (call,) = app.sent
    (second,) = call.callbacks or ()
    (third,) = second["options"]["link"]
    assert (call.chain, second["task"], third["task"]) == (None, "b", "c")


# -- groups --------------------------------------------------------------------------------------


def test_a_task_before_a_group_is_the_parent_of_its_result(app: PaperApp) -> None:
    """``task | group`` gives a group result whose parent is the first result."""
    result: Any = (app.sig("a") | group(app.sig("b"), app.sig("c"))).apply_async()

    assert (len(result.results), result.parent.id) == (2, app.sent[0].id)


def test_members_are_counted_through_nested_groups(app: PaperApp) -> None:
    """Nested groups are flattened, and no two members have one index."""
    nested = group(group(app.sig("a"), app.sig("b"), countdown=3), group(), app.sig("c"))

    result: Any = nested()

    assert [(call.task, call.group_index) for call in app.sent] == [("a", 0), ("b", 1), ("c", 2)]
    assert {call.group for call in app.sent} == {result.id}
    assert [each.id for each in result.results] == [call.id for call in app.sent]
    assert [given.get("countdown") for given in app.given] == [3, 3, None]


def test_args_of_a_nested_group_go_to_its_members(app: PaperApp) -> None:
    """As if it had been sent by itself."""
    inner = group(app.sig("a", 1))
    inner.args = (7,)

    group(inner, app.sig("b")).delay(5)

    assert [call.args for call in app.sent] == [(5, 7, 1), (5,)]


def test_an_empty_group_has_a_result(app: PaperApp) -> None:
    """With no members."""
    empty = group(app=app)

    result: Any = empty.delay()

    assert (result.results, len(empty), bool(empty)) == ([], 0, True)
    assert empty.link(app.sig("c")) == app.sig("c")


@pytest.mark.parametrize("option", ["link", "link_error"])
def test_a_group_takes_no_links_at_the_call(app: PaperApp, option: str) -> None:
    """It would not be clear when they fire."""
    with pytest.raises(TypeError, match=f"a group takes no {option}"):
        group(app.sig("a")).apply_async((), {}, True, None, **{option: app.sig("c")})


def test_links_of_a_group_go_to_its_members(app: PaperApp) -> None:
    """``link`` to the first, immutable; ``link_error`` to each."""
    canvas = group(app.sig("a"), app.sig("b"))

    canvas.link(app.sig("c"))
    canvas.link_error(app.sig("e"))
    canvas.delay()

    a, b = app.sent
    assert [(each["task"], each["immutable"]) for each in a.callbacks or ()] == [("c", True)]
    assert b.callbacks is None
    assert [each["task"] for each in (*a.errbacks, *b.errbacks)] == ["e", "e"]  # type: ignore[misc]  # they are there


def test_links_among_the_options_of_a_group_go_the_same_way(app: PaperApp) -> None:
    """``set`` writes options."""
    group(app.sig("a"), app.sig("b")).set(link=app.sig("c"), link_error=app.sig("e")).delay()

    assert [len(call.callbacks or ()) for call in app.sent] == [1, 0]
    assert [len(call.errbacks or ()) for call in app.sent] == [1, 1]


def test_only_the_last_step_of_a_chain_is_a_member(app: PaperApp) -> None:
    """The group's place travels with that step."""
    group(app.sig("a") | app.sig("b"), app.sig("c")).delay()

    first, other = app.sent
    assert (first.task, first.group, first.group_index) == ("a", None, None)
    last = first.chain[0]["options"]  # type: ignore[index]  # it is there
    assert (last["group_id"], last["group_index"]) == (other.group, 0)
    assert other.group_index == 1


def test_members_share_root_and_parent(app: PaperApp) -> None:
    """Those of the group, where it has any."""
    group(app.sig("a")).apply_async(root_id="r", parent_id="p", producer="mine")
    group(app.sig("a")).apply_async(root_id=None)

    assert [(call.root_id, call.parent_id) for call in app.sent] == [("r", "p"), (None, None)]
    assert [given.get("producer") for given in app.given] == ["mine", None]


def test_a_group_is_a_child_of_the_task_that_sends_it(app: PaperApp) -> None:
    """One child, not one for each member."""
    parent = app.task("parent")
    request = SimpleNamespace(called_directly=False)
    token = current.frames.set(current.Frame(parent, request, None))
    try:
        result = group(app.sig("a"), app.sig("b")).apply_async()
        group(app.sig("a")).apply_async(add_to_parent=False)
    finally:
        current.frames.reset(token)

    assert parent.trail == [result]
    assert {given["add_to_parent"] for given in app.given} == {False}


def test_a_group_that_something_follows_is_a_chord(app: PaperApp) -> None:
    """Also where a foreign client left it in the middle of a chain."""
    canvas = group(app.sig("a"), app.sig("b"))
    canvas.freeze()

    result: Any = canvas.apply_async(chain=[dict(app.sig("d")), dict(app.sig("c"))])

    assert app.store.opened == [(canvas.id, 2, 7 * DAY_S)]
    assert [step["task"] for step in app.sent[0].chord["kwargs"]["tasks"]] == ["c", "d"]  # type: ignore[index]  # it is there
    assert result.parent.parent.id == canvas.id


def test_members_can_begin_one_after_the_other(app: PaperApp) -> None:
    """``skew`` sets countdowns, up to a limit."""
    canvas = group(app.sig("a"), app.sig("b"), app.sig("c"))

    assert [each.options["countdown"] for each in canvas.skew(1, 2).tasks] == [1, 2, 2]
    assert [each.options["countdown"] for each in canvas.skew().tasks] == [1.0, 2.0, 3.0]


def test_a_group_is_made_of_many_things(app: PaperApp) -> None:
    """Signatures, lists, iterators, another group, one signature, data."""
    a = app.sig("a")
    forms = [group(a), group([a]), group(iter([a])), group(group(a)), group([dict(a)])]

    assert all(form == group(a) for form in forms)
    assert maybe_unroll_group(group(a)) == a
    assert maybe_unroll_group(group(a, a)) == group(a, a)


def test_immutability_of_a_group_is_that_of_its_members(app: PaperApp) -> None:
    """``set_immutable`` goes down."""
    group(app.sig("a", 1)).set(immutable=True).delay(5)

    assert app.sent[0].args == (1,)


# -- chords --------------------------------------------------------------------------------------


def test_the_result_of_a_chord_is_that_of_its_body(app: PaperApp) -> None:
    """Its parent is the header's."""
    result: Any = chord([app.sig("a"), app.sig("b")], app.sig("c")).apply_async(task_id="mine")

    assert result.id == "mine" == app.sent[0].chord["options"]["task_id"]  # type: ignore[index]  # it is there
    assert [each.id for each in result.parent.results] == [call.id for call in app.sent]


def test_options_of_a_chord_go_to_header_and_body(app: PaperApp) -> None:
    """But links are the body's, and when to start is the header's."""
    canvas = chord([app.sig("a")], app.sig("c"), priority=3)

    canvas.apply_async(link=app.sig("l"), eta="then", producer="p", add_to_parent=True)

    (call,) = app.sent
    assert (call.priority, call.eta, call.callbacks) == (3, "then", None)
    body = call.chord["options"]  # type: ignore[index]  # it is there
    assert set(body) == {"priority", "link", "task_id", "reply_to", "group_id"}


def test_links_of_a_chord_are_the_bodys(app: PaperApp) -> None:
    """The header gets errbacks only where the setting says so."""
    canvas = chord([app.sig("a")], app.sig("c"))

    canvas.link(app.sig("l"))
    canvas.link_error(app.sig("e"))
    app.conf.task_allow_error_cb_on_chord_header = True
    canvas.link_error(app.sig("f"))

    assert [each.task for each in canvas.body.options["link"]] == ["l"]
    assert [each.task for each in canvas.body.options["link_error"]] == ["e", "f"]
    assert [each.task for each in canvas.tasks[0].options["link_error"]] == ["f"]


def test_a_chord_without_a_body_is_its_header(app: PaperApp) -> None:
    """Nothing is counted."""
    canvas = chord([app.sig("a")])
    canvas.link(app.sig("l"))
    canvas.link_error(app.sig("e"))

    frozen = canvas.freeze()
    result: Any = canvas()

    assert (result.id, len(result.results)) == (frozen.id, 1)
    assert (app.sent[0].chord, app.store.opened) == (None, [])
    assert (len(app.sent[0].callbacks or ()), len(app.sent[0].errbacks or ())) == (1, 1)


def test_the_body_can_be_given_at_the_call(app: PaperApp) -> None:
    """As data too."""
    chord([app.sig("a")], app.sig("unused"))(dict(app.sig("used")))

    assert app.sent[0].chord["task"] == "used"  # type: ignore[index]  # it is there


def test_with_an_empty_header_the_body_runs_at_once(app: PaperApp) -> None:
    """With an empty list."""
    result: Any = chord([], app.sig("c"), app=app).apply_async()

    (call,) = app.sent
    assert (call.task, call.args, call.id) == ("c", ([],), result.id)
    assert (result.parent.results, app.store.opened) == ([], [])


def test_members_of_groups_in_a_header_keep_their_order(app: PaperApp) -> None:
    """``chord([group(a, b), c])`` gives results in the order a, b, c."""
    chord([group(app.sig("a"), app.sig("b")), app.sig("c")], app.sig("body"))()

    assert [(call.task, call.group_index) for call in app.sent] == [("a", 0), ("b", 1), ("c", 2)]
    assert app.store.opened[0][1] == 3
    assert len({call.group for call in app.sent}) == 1


def test_a_chain_in_a_header_is_one_member(app: PaperApp) -> None:
    """Only its last step carries the body."""
    chord([app.sig("a") | app.sig("b"), app.sig("c")], app.sig("body"))()

    chained, single = app.sent
    assert app.store.opened[0][1] == 2
    assert chained.chord is None
    last = chained.chain[0]["options"]  # type: ignore[index]  # it is there
    assert (last["chord"]["task"], last["group_index"]) == ("body", 0)
    assert (single.chord["task"], single.group_index) == ("body", 1)  # type: ignore[index]  # it is there


def test_a_group_at_the_end_of_a_chain_in_a_header_is_one_member(app: PaperApp) -> None:
    """A task hands its results on as one list, in which the body finds them."""
    chord([app.sig("a") | group(app.sig("b"), app.sig("c")), app.sig("d")], app.sig("body"))()

    chained, single = app.sent
    header_id = app.store.opened[0][0]
    assert app.store.opened == [(header_id, 2, 7 * DAY_S)]
    step = Step(wire(chained.chain)[0], (1,), {}, {"parent_id": "p", "chain": []})
    opened, *members = unfold(step, app).operations
    assert (opened.size, len(members)) == (2, 2)  # type: ignore[union-attr]  # it opens a chord
    (gathers,) = {each.options["chord"]["task"] for each in members}  # type: ignore[union-attr]  # steps
    place = members[0].options["chord"]["options"]  # type: ignore[union-attr]  # steps
    assert gathers == "celery.accumulate"
    assert (place["group_id"], place["group_index"]) == (header_id, 0)
    assert (single.group, single.group_index) == (header_id, 1)


def test_a_chord_in_a_header_counts_by_its_body(app: PaperApp) -> None:
    """The inner body is a member of the outer header."""
    inner = chord([app.sig("a")], app.sig("inner"))

    chord([inner, app.sig("b")], app.sig("outer"))()

    a, b = app.sent
    (outer_id, outer_size, _), (inner_id, inner_size, _) = app.store.opened
    assert (outer_size, inner_size, b.group) == (2, 1, outer_id)
    body = a.chord
    assert (a.group, body["task"]) == (inner_id, "inner")  # type: ignore[index]  # it is there
    place = {key: body["options"][key] for key in ("group_id", "group_index")}  # type: ignore[index]  # it is there
    assert place == {"group_id": outer_id, "group_index": 0}
    assert body["options"]["chord"]["task"] == "outer"  # type: ignore[index]  # it is there


def test_what_follows_a_chord_travels_with_its_body(app: PaperApp) -> None:
    """As a chain with the body in front."""
    result: Any = (chord([app.sig("a")], app.sig("b")) | app.sig("c")).apply_async()

    body = app.sent[0].chord
    assert [step["task"] for step in body["kwargs"]["tasks"]] == ["b", "c"]  # type: ignore[index]  # it is there
    assert "group_id" not in body["options"]  # type: ignore[index]  # it is there
    assert result.parent.parent.id == app.store.opened[0][0]


def test_in_a_chain_the_body_of_a_chord_travels_alone(app: PaperApp) -> None:
    """What is chained to it is a step of the chain, as Celery sends it."""
    canvas = app.sig("a") | group(app.sig("b")) | app.sig("c") | app.sig("d") | app.sig("e")

    result: Any = canvas.delay()

    *rest, opened = app.sent[0].chain or ()
    assert [step["task"] for step in rest] == ["e", "d"]
    assert opened["kwargs"]["body"]["task"] == "c"
    assert result.id == rest[0]["options"]["task_id"]
    assert result.parent.parent.id == opened["kwargs"]["body"]["options"]["task_id"]


def test_a_body_of_many_messages_shows_the_group_of_its_header(app: PaperApp) -> None:
    """As a single one does; a chain's last step, all members of a group."""
    chord([app.sig("a")], app.sig("b") | app.sig("c"))()
    chord([app.sig("a")], group(app.sig("b"), app.sig("c")))()

    (chain_id, _, _), (group_id, _, _) = app.store.opened
    chained, grouped = (call.chord["kwargs"]["tasks"] for call in app.sent)  # type: ignore[index]  # it is there
    assert [step["options"].get("group_id") for step in chained] == [None, chain_id]
    assert [step["options"].get("group_id") for step in grouped] == [group_id, group_id]


def test_a_header_is_a_list_until_it_is_sent(app: PaperApp) -> None:
    """Then it is a group with an id; one that says more than its members is one at once."""
    canvas = group(app.sig("a")) | app.sig("b")

    assert canvas.tasks == [app.sig("a")]
    canvas.freeze()
    assert canvas.tasks.subtask_type == "group"
    assert (group(app.sig("a"), priority=3) | app.sig("b")).tasks.options == {"priority": 3}


def test_the_rest_of_a_chain_goes_on_with_the_body(app: PaperApp) -> None:
    """A worker may be handed a chord in the middle of a chain."""
    chord([app.sig("a")], app.sig("b")).apply_async(chain=[app.sig("c")])
    chord([app.sig("a")], app.sig("b")).apply_async(chain=None)

    assert app.sent[0].chord["options"]["chain"] == [app.sig("c")]  # type: ignore[index]  # it is there
    assert "chain" not in app.sent[1].chord["options"]  # type: ignore[index]  # it is there
    assert app.sent[0].chain is None


def test_the_args_of_a_chord_go_to_its_header(app: PaperApp) -> None:
    """Its own and those of the call; kwargs too."""
    canvas = chord([app.sig("a", 1)], app.sig("b"), args=(2,), kwargs={"x": 1})

    canvas.apply_async((3,), {"y": 2})

    assert (app.sent[0].args, app.sent[0].kwargs) == ((3, 2, 1), {"x": 1, "y": 2})


def test_immutability_of_a_chord_is_that_of_its_header(app: PaperApp) -> None:
    """The body still gets the results."""
    canvas = chord([app.sig("a")], app.sig("b"))

    canvas.set_immutable(True)

    assert (canvas.tasks[0].immutable, canvas.body.immutable) == (True, False)


def test_a_store_that_cannot_count_refuses_chords(app: PaperApp) -> None:
    """Before anything is sent, and saying which store it is."""
    app.ports.store = PaperStore(counts_chords=False, name="rpc://")

    with pytest.raises(NotImplementedError, match=r"rpc:// does not; .* redis://"):
        group(app.sig("x"), chord([app.sig("a")], app.sig("b"))).delay()

    assert not app.sent


DAY_S = 86_400.0


@pytest.mark.parametrize(
    ("results", "said", "seconds"),
    [
        (None, None, None),
        (0, None, None),
        (60, None, 7 * DAY_S),
        (timedelta(days=30), None, 30 * DAY_S),
        (60, 90, 90.0),
        (None, timedelta(minutes=2), 120.0),
        (60, 0, None),
    ],
)
def test_a_chord_waits_longer_than_results_are_kept(
    results: Any, said: Any, seconds: float | None
) -> None:
    """A week at least for its next member, unless ``result_chord_expires`` says how long."""
    app = PaperApp(result_expires=results, result_chord_expires=said)

    chord([app.sig("a")], app.sig("b"))()

    assert app.store.opened[0][2] == seconds


def test_the_app_of_a_canvas_is_that_of_its_parts(app: PaperApp) -> None:
    """Or the one it was given, or the current one."""
    other = PaperApp()
    a = app.sig("a")

    assert group(a).app is chain(a).app is chord([a], a).app is chord([], a).app is app
    assert group(a, app=other).app is chain(a, app=other).app is chord([a], app=other).app is other


# -- maps and chunks -----------------------------------------------------------------------------


def test_a_map_is_routed_as_its_task(app: PaperApp) -> None:
    """But sent as the builtin task; args of a call are not for it."""
    xmap(app.sig("a"), iter([1, 2]), app=app).apply_async((9,), priority=4)
    xstarmap("a", [(1, 2)], app=app).delay()

    assert names(app) == ["celery.map", "celery.starmap"]
    assert [given["route_name"] for given in app.given] == ["a", "a"]
    assert (app.sent[0].args, app.sent[0].priority) == ((), 4)
    assert wire(app.sent[0].kwargs["it"]) == [1, 2]


def test_chunks_are_parts_of_n(app: PaperApp) -> None:
    """The last one may be smaller; options go to all."""
    canvas = chunks(dict(app.sig("a")), ((n,) for n in range(5)), 2, app=app, priority=2)

    result: Any = canvas(countdown=1)
    chunks.apply_chunks(app.sig("a"), [(1,)], 1, app=app)

    assert [len(call.kwargs["it"]) for call in app.sent] == [2, 2, 1, 1]
    assert [call.priority for call in app.sent[:3]] == [2, 2, 2]
    assert len(result.results) == 3


def test_chunks_in_a_group_are_members(app: PaperApp) -> None:
    """Each part by itself."""
    group(chunks(app.sig("a"), [(1,), (2,)], 1, app=app), app.sig("b")).delay()

    assert [call.group_index for call in app.sent] == [0, 1, 2]


def test_chunks_of_nothing_are_refused(app: PaperApp) -> None:
    """They would never end."""
    with pytest.raises(ValueError, match="at least 1"):
        chunks(app.sig("a"), [1], 0)


def test_the_data_of_maps_and_chunks_is_that_of_builtin_tasks(app: PaperApp) -> None:
    """As observed: no subtask_type says more."""
    made = [xmap(app.sig("a"), [1]), xstarmap(app.sig("a"), [[1]]), chunks(app.sig("a"), [[1]], 1)]

    assert [sig.subtask_type for sig in made] == [None, None, None]
    assert [type(sig.clone()) for sig in made] == [xmap, xstarmap, chunks]


@pytest.mark.parametrize("kind", ["chunks", "xmap"])
def test_maps_survive_json(app: PaperApp, kind: str) -> None:
    """And can be sent by whoever reads them."""
    made: Any = chunks(app.sig("a"), [[1]], 1) if kind == "chunks" else xmap(app.sig("a"), [[1]])

    maybe_signature(wire(made), app=app).apply_async()

    assert len(app.sent) == 1


# -- plans ---------------------------------------------------------------------------------------


def test_a_plan_says_what_would_be_done(app: PaperApp) -> None:
    """Chords to open and messages to send, in order; nothing is done."""
    canvas = chord([app.sig("a"), app.sig("b")], app.sig("c"))

    planned = plan(canvas, (1,), priority=5)

    opened, *steps = planned.operations
    assert isinstance(opened, OpenChord)
    assert opened.size == 2
    assert [(step.task, tuple(step.args)) for step in steps] == [("a", (1,)), ("b", (1,))]  # type: ignore[union-attr]  # steps
    assert planned.result.parent.id == opened.group_id
    assert not app.sent
    assert not app.store.opened


def test_a_plan_of_one_signature_is_one_step(app: PaperApp) -> None:
    """Complete, and without a result: the id is given when it is sent."""
    planned = plan(app.sig("a", 2), (1,), {"x": 1})

    assert planned.operations == (Step(app.sig("a", 2), (1, 2), {"x": 1}, {}),)
    assert planned.result is None


def test_the_task_of_a_signature_sends_it_within_a_canvas(app: PaperApp) -> None:
    """Also where another app knows the task."""
    elsewhere = PaperApp()
    task = elsewhere.task("t")

    group(task.s(), app=app).delay()

    assert (elsewhere.by_task, app.by_task) == (["t"], [])


def test_a_route_name_is_handed_on(app: PaperApp) -> None:
    """To all members."""
    (app.sig("a") | app.sig("b")).apply_async(route_name="r")

    assert app.given[0]["route_name"] == "r"


def test_a_long_chain_is_built_quickly(app: PaperApp) -> None:
    """Work grows with the number of steps, not with its square."""
    steps = [Signature("t", app=app) for _ in range(2000)]

    chain(steps).delay()

    assert len(app.sent[0].chain or ()) == 1999
