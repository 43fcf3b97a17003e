"""One signature: data, attributes, changes, calls."""

from __future__ import annotations

import copy
import json
import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskq import current
from taskq.canvas import (
    Signature,
    chain,
    chord,
    chunks,
    group,
    maybe_signature,
    signature,
    subtask,
    task_name_from,
    xmap,
)
from taskq.errors import InvalidTaskError
from tests.unit.canvas.paper_app import REPLY_TO, PaperApp

NAMES = st.text(min_size=1, max_size=5)
VALUES = st.none() | st.integers() | st.text(max_size=4)
PLAIN = st.builds(
    lambda name, args, kwargs, options, immutable: Signature(
        name, args, kwargs, options, immutable=immutable
    ),
    NAMES,
    st.lists(VALUES, max_size=3),
    st.dictionaries(NAMES, VALUES, max_size=2),
    st.dictionaries(NAMES, VALUES, max_size=2),
    st.booleans(),
)
ANY = st.recursive(
    PLAIN,
    lambda inner: (
        st.lists(inner, max_size=3).map(group)
        | st.lists(inner, max_size=3).map(chain)
        | st.tuples(st.lists(inner, max_size=2), inner).map(lambda pair: chord(*pair))
    ),
    max_leaves=6,
)


@pytest.fixture
def app() -> PaperApp:
    return PaperApp()


# -- data ----------------------------------------------------------------------------------------


@given(ANY)
def test_a_signature_survives_json(sig: Signature[Any]) -> None:
    """Read back from JSON it is the same kind and says the same."""
    again = Signature.from_dict(json.loads(json.dumps(sig)))

    assert type(again) is type(sig)
    assert json.dumps(again) == json.dumps(sig)


@given(ANY)
def test_a_signature_survives_pickling_and_copying(sig: Signature[Any]) -> None:
    """It stays the same kind, and equal."""
    for again in (pickle.loads(pickle.dumps(sig)), copy.deepcopy(sig), copy.copy(sig), sig.copy()):
        assert type(again) is type(sig)
        assert again == sig
        assert again is not sig


@given(ANY)
def test_a_clone_shares_nothing_that_can_change(sig: Signature[Any]) -> None:
    """Options, links and parts of a clone are its own."""
    before = json.dumps(sig)

    cloned = sig.clone()
    cloned.set(task_id="changed")
    cloned.freeze = None  # type: ignore[method-assign, assignment]  # an attribute of the clone
    for part in [*(cloned.kwargs.get("tasks") or ()), *listed(cloned.kwargs.get("body"))]:
        part.set(countdown=5)

    assert json.dumps(sig) == before


def listed(value: Any) -> list[Any]:
    return [] if value is None else [value]


def test_a_signature_has_six_keys() -> None:
    """In the order in which they were recorded."""
    sig = Signature("t", (1,), {"a": 2}, countdown=3)

    assert list(sig) == ["task", "args", "kwargs", "options", "subtask_type", "immutable"]
    assert (sig.task, sig.args, sig.kwargs, sig.options) == ("t", (1,), {"a": 2}, {"countdown": 3})
    assert (sig.subtask_type, sig.immutable, sig.name) == (None, False, "t")
    assert sig.__json__() == dict(sig)


def test_keys_are_attributes() -> None:
    """Reading and writing an attribute reads and writes the data."""
    sig = Signature("t")

    sig.id, sig.immutable, sig.args = "1", True, (4,)

    assert (sig["options"], sig["immutable"], sig["args"]) == ({"task_id": "1"}, True, (4,))
    assert (sig.parent_id, sig.root_id) == (None, None)
    assert "immutable" in dir(Signature)
    assert vars(Signature)["immutable"] is getattr(Signature, "immutable")  # noqa: B009 - of the class


def test_data_from_elsewhere_is_completed_and_not_shared() -> None:
    """A foreign client may say no more than the name; its dictionary is left alone."""
    data = {"task": "t", "options": {"queue": "q"}, "kwargs": None}

    sig = Signature.from_dict(data)
    sig.set(countdown=1)

    assert (sig.args, sig.kwargs, sig.immutable) == ((), {}, False)
    assert data == {"task": "t", "options": {"queue": "q"}, "kwargs": None}


def test_an_unknown_kind_is_refused() -> None:
    """The error names the kinds there are."""
    with pytest.raises(InvalidTaskError, match="no subtask_type is called 'tree'; there are chain"):
        Signature.from_dict({"task": "t", "subtask_type": "tree"})


def test_a_new_kind_can_be_registered() -> None:
    """Under its own name or another."""

    @Signature.register_type()
    class twice(Signature[Any]):  # noqa: N801 - a name of data
        pass

    assert Signature.TYPES.pop("twice") is twice


def test_signatures_are_made_of_names_tasks_data_and_signatures(app: PaperApp) -> None:
    """``signature`` takes them all; a signature is cloned."""
    task = app.task("t")
    sig = signature("t", args=(1,), app=app)

    assert signature(sig) == sig
    assert signature(sig) is not sig
    assert signature(dict(sig), app=app) == sig
    assert signature(task, args=(1,), app=app) == sig
    assert signature(task).type is task
    assert subtask is signature
    assert task_name_from(task) == task_name_from("t") == "t"


def test_maybe_signature_leaves_others_alone(app: PaperApp) -> None:
    """None and what is no signature come back as they are."""
    sig = Signature("t")

    assert maybe_signature(None) is None
    assert maybe_signature(5) == 5
    assert maybe_signature(sig) is sig
    assert maybe_signature(sig, clone=True) is not sig
    assert maybe_signature(dict(sig), app=app).app is app
    assert maybe_signature(sig, app=app).app is app


def test_nested_signatures_get_the_app_too(app: PaperApp) -> None:
    """Members of a group that was read belong to the app that it was read for."""
    data = json.loads(json.dumps(group(Signature("t"))))

    assert maybe_signature(data, app=app).tasks[0].app is app


# -- the app -------------------------------------------------------------------------------------


def test_without_an_app_it_is_the_current_one(app: PaperApp) -> None:
    """A signature of a message belongs to whoever reads it."""
    before = current._app_here.get()
    current.set_current_app(app)
    try:
        assert Signature("t").app is app
    finally:
        current.forget_app(app)
        current._app_here.set(before)


def test_the_type_is_the_registered_task(app: PaperApp) -> None:
    """Or the task that the signature was made of."""
    task = app.task("t")

    assert app.sig("t").type is task
    assert task.s().clone().type is task
    with pytest.raises(KeyError):
        _ = app.sig("unknown").type


def test_results_are_made_by_the_app(app: PaperApp) -> None:
    """``AsyncResult`` is the app's."""
    assert app.sig("t").AsyncResult("1").id == "1"


# -- calls ---------------------------------------------------------------------------------------


def test_args_of_a_call_stand_in_front(app: PaperApp) -> None:
    """Partial args, kwargs and options are put together; the call wins."""
    sig = Signature("t", (3,), {"a": 1, "b": 1}, {"priority": 1, "queue": "q"}, app=app)

    sig.apply_async((1, 2), {"b": 2}, route_name="other", priority=5)

    (call,) = app.sent
    assert (call.args, call.kwargs, call.priority) == ((1, 2, 3), {"a": 1, "b": 2}, 5)
    assert app.given[0]["route_name"] == "other"


def test_an_immutable_signature_takes_options_only(app: PaperApp) -> None:
    """Args and kwargs of a call are not for it."""
    app.sig("t", 3, immutable=True).apply_async((1,), {"b": 2}, priority=5)

    (call,) = app.sent
    assert (call.args, call.kwargs, call.priority) == ((3,), {}, 5)


def test_a_registered_task_sends_itself(app: PaperApp) -> None:
    """So that options and overridden methods of its class count; others go by name."""
    app.task("known")

    app.sig("known").delay(1, a=2)
    app.sig("unknown").delay(1)

    assert app.by_task == ["known"]
    assert [(call.task, call.args, call.kwargs) for call in app.sent] == [
        ("known", (1,), {"a": 2}),
        ("unknown", (1,), {}),
    ]


def test_a_signature_can_be_called_like_its_task(app: PaperApp) -> None:
    """Without a message."""
    app.task("add")

    assert app.sig("add", 3)(1) == 4
    assert app.sig("add", 3).apply((1,)).get() == 4
    assert not app.sent


def test_a_tilde_waits_for_the_value(app: PaperApp) -> None:
    """``~sig`` sends and gets."""
    assert ~app.sig("t") is None
    assert len(app.sent) == 1


# -- changes -------------------------------------------------------------------------------------


def test_a_clone_may_say_more(app: PaperApp) -> None:
    """Args in front, kwargs and options on top; ``partial`` is another name."""
    sig = Signature("t", (3,), {"a": 1}, app=app)

    assert sig.clone((1,), {"b": 2}, priority=3) == Signature(
        "t", (1, 3), {"a": 1, "b": 2}, {"priority": 3}
    )
    assert sig.partial((1,)) == sig.clone((1,))


def test_replace_puts_other_parts_in_place(app: PaperApp) -> None:
    """Only those that are given; the original stays."""
    sig = Signature("t", (3,), {"a": 1}, {"queue": "q"})

    assert sig.replace(args=(9,)) == Signature("t", (9,), {"a": 1}, {"queue": "q"})
    assert sig.replace(kwargs={}, options={}) == Signature("t", (3,))
    assert sig.args == (3,)


def test_set_returns_itself() -> None:
    """So that it can be chained."""
    sig = Signature("t")

    assert sig.set(immutable=True, queue="q") is sig
    assert (sig.immutable, sig.options) == (True, {"queue": "q"})


def test_freeze_fixes_the_id(app: PaperApp) -> None:
    """A frozen signature is sent with the id of its result; an id that is there stays."""
    sig = app.sig("t")

    first = sig.freeze(root_id="r", parent_id="p")

    assert first.id == sig.freeze().id == sig.id
    assert list(sig.options) == ["task_id", "root_id", "parent_id", "reply_to"]
    assert sig.options["reply_to"] == REPLY_TO
    assert sig.freeze("other").id == "other"


def test_who_belongs_to_a_group_stays_in_it(app: PaperApp) -> None:
    """Freezing again, for an inner group, does not take it out of the outer one."""
    sig = app.sig("t")

    sig.freeze(group_id="outer", chord={"task": "c"}, group_index=3)
    sig.freeze(group_id="inner", group_index=0)

    place = {key: sig.options[key] for key in ("group_id", "chord", "group_index")}
    assert place == {"group_id": "outer", "chord": {"task": "c"}, "group_index": 3}


# -- links ---------------------------------------------------------------------------------------


def test_an_equal_link_is_stored_once() -> None:
    """Linking twice calls once."""
    sig = Signature("t")

    assert sig.link(Signature("c")) == Signature("c")
    sig.link(Signature("c"))
    sig.link(Signature("d"))

    assert sig.options["link"] == [Signature("c"), Signature("d")]


def test_on_error_returns_the_signature() -> None:
    """``link_error`` returns the errback."""
    sig, errback = Signature("t"), Signature("e")

    assert sig.link_error(errback) is errback
    assert sig.on_error(errback) is sig
    assert sig.options["link_error"] == [errback]


def test_list_options_are_extended() -> None:
    """One value or many, whatever was there before."""
    sig = Signature("t", options={"link": Signature("a")})

    sig.extend_list_option("link", [Signature("b")])
    sig.extend_list_option("link", Signature("c"))

    assert [each.task for each in sig.options["link"]] == ["a", "b", "c"]
    assert sig.append_to_list_option("x", 1) == 1


def test_links_are_found_at_all_depths() -> None:
    """``flatten_links`` returns the signature, its callbacks and theirs."""
    sig, callback = Signature("a"), Signature("b")
    callback.link(dict(Signature("c")))
    sig.link(callback)

    assert [each.task for each in sig.flatten_links()] == ["a", "b", "c"]


# -- joining -------------------------------------------------------------------------------------


@pytest.mark.parametrize("other", [{}, {"task": "t"}, 5, "t"])
def test_only_signatures_can_follow(other: Any) -> None:
    """On either side; a dictionary would quietly take the signature apart."""
    with pytest.raises(TypeError, match="only a signature can follow a signature"):
        Signature("t") | other
    with pytest.raises(TypeError, match="a signature can follow a signature, not"):
        other | Signature("t")


def test_joining_in_place_makes_a_new_one() -> None:
    """``|=`` does not write into the signature."""
    first = sig = Signature("a")

    sig |= Signature("b")

    assert first == Signature("a")
    assert [step.task for step in sig.tasks] == ["a", "b"]  # type: ignore[attr-defined]  # a chain


# -- looks ---------------------------------------------------------------------------------------


def test_signatures_show_what_they_do(app: PaperApp) -> None:
    """As it would be written."""
    a, b = Signature("a", (1,), {"x": 2}), Signature("b")

    assert repr(a) == "a(1, x=2)"
    assert a.reprcall(0) == "a(0, 1, x=2)"
    assert repr(a | b) == "a(1, x=2) | b()"
    assert repr(chain()) == "<empty chain>"
    assert repr(group(a, b)) == "group([a(1, x=2), b()])"
    assert repr(chord([b], b)) == "b([b()])"
    assert repr(chord([b])) == "<chord without body: [b()]>"
    assert repr(chord([b], a | b)) == "group([b()]) | a(1, x=2) | b()"
    assert repr(xmap(b, [1])) == "[b(x) for x in [1]]"
    assert repr(chunks(b, [1], 1)).startswith("celery.chunks(")
