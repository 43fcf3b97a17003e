"""What a task knows of its call."""

from __future__ import annotations

import pickle

from taskq.app.context import Context


def test_what_was_not_sent_reads_as_its_default() -> None:
    """Also by ``get``; a name that nobody knows is the default that is given."""
    context = Context(id="t", own=1)

    assert (context.retries, context.get("id"), context.get("own")) == (0, "t", 1)
    assert context.get("nothing", "else") == "else"
    assert repr(context) == "<Context: {'id': 't', 'own': 1}>"


def test_a_context_can_be_emptied_and_sent() -> None:
    """It is no more than its values."""
    context = Context({"id": "t"}, retries=2)
    again = pickle.loads(pickle.dumps(context))
    context.clear()

    assert (again.id, again.retries) == ("t", 2)
    assert (context.id, context.retries) == (None, 0)


def test_headers_are_those_that_somebody_added() -> None:
    """Unless they were set."""
    context = Context(id="t", task="add", mine="x", **{"x-death": []})
    assert context.headers == {"mine": "x"}
    context.headers = {"other": 1}

    assert context.headers == {"other": 1}
    assert Context(id="t").headers is None


def test_children_are_those_of_this_call() -> None:
    """The list begins empty, and may be replaced."""
    one, other = Context(), Context()
    one.children.append("child")
    other.children = ["another"]

    assert (one.children, other.children) == (["child"], ["another"])


def test_a_call_can_be_made_again() -> None:
    """Its options are what the request says, stamps and limits among them."""
    context = Context(
        id="t",
        timelimit=[10, 5],
        callbacks=[{"task": "x"}],
        stamped_headers=["customer"],
        stamps={"customer": "acme"},
    )
    options = context.as_execution_options()

    assert (options["task_id"], options["link"]) == ("t", [{"task": "x"}])
    assert (options["time_limit"], options["soft_time_limit"]) == (10, 5)
    assert (options["stamped_headers"], options["customer"]) == (["customer"], "acme")
    assert "stamped_headers" not in Context(id="t").as_execution_options()
