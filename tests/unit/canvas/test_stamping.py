"""Stamps and the visitor that gives them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from taskq.canvas import Signature, StampingVisitor, chain, chord, group
from tests.unit.canvas.paper_app import PaperApp


class Recorder(StampingVisitor):
    """Writes down which hooks are called, and with which headers."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.seen: dict[str, Any] = {}

    def on_signature(self, sig: Any, **headers: Any) -> dict[str, Any]:
        self.calls.append(f"signature {sig.task}")
        self.seen[sig.task] = headers
        return {"by": "visitor"}

    def on_group_start(self, group: Any, **headers: Any) -> dict[str, Any]:
        self.calls.append("group start")
        return {"in_group": 1}

    def on_group_end(self, group: Any, **headers: Any) -> None:
        self.calls.append("group end")

    def on_chain_start(self, chain: Any, **headers: Any) -> dict[str, Any]:
        self.calls.append("chain start")
        return {"in_chain": 1}

    def on_chain_end(self, chain: Any, **headers: Any) -> None:
        self.calls.append("chain end")

    def on_chord_header_start(self, sig: Any, **header: Any) -> dict[str, Any]:
        self.calls.append("header start")
        return super().on_chord_header_start(sig, **header)

    def on_chord_header_end(self, sig: Any, **header: Any) -> None:
        self.calls.append("header end")

    def on_chord_body(self, sig: Any, **header: Any) -> dict[str, Any]:
        self.calls.append("body")
        return {"body": 1}

    def on_callback(self, callback: Any, **header: Any) -> dict[str, Any]:
        self.calls.append("callback")
        return {"callback": 1}

    def on_errback(self, errback: Any, **header: Any) -> dict[str, Any]:
        self.calls.append("errback")
        return {"errback": 1}


class Quiet(StampingVisitor):
    """Has no hooks but the one that has to be."""

    def on_signature(self, sig: Any, **headers: Any) -> dict[str, Any]:
        return {"quiet": sig.task}


A, B, C = "abc"


def test_a_chain_is_visited_step_by_step() -> None:
    """Start, each step, end; what the start returns is given to the steps."""
    visitor = Recorder()

    canvas = chain(Signature(A), Signature(B)).stamp(visitor)

    assert visitor.calls == ["chain start", "signature a", "signature b", "chain end"]
    assert visitor.seen["a"] == {"in_chain": 1, "stamped_headers": ["in_chain"]}
    assert canvas.tasks[0].options == {
        "in_chain": 1,
        "stamped_headers": ["by", "in_chain"],
        "by": "visitor",
    }


def test_a_chord_is_visited_header_first() -> None:
    """As observed: the end of a group is not told for a header."""
    visitor = Recorder()

    canvas = chord([Signature(A)], Signature(B)).stamp(visitor)

    assert visitor.calls == [
        "header start",
        "group start",
        "signature a",
        "header end",
        "body",
        "signature b",
    ]
    assert canvas.body.options["stamped_headers"] == ["by", "body"]


def test_a_group_is_visited_member_by_member() -> None:
    """Start, members, end."""
    visitor = Recorder()

    group(Signature(A), Signature(B)).stamp(visitor)

    assert visitor.calls == ["group start", "signature a", "signature b", "group end"]


def test_callbacks_are_visited_before_the_signature() -> None:
    """On_callback or on_errback, then the callback as a signature, then the signature."""
    sig = Signature(A)
    sig.link(dict(Signature(B)))
    sig.link_error(Signature(C))
    visitor = Recorder()

    sig.stamp(visitor)

    assert visitor.calls == ["callback", "signature b", "errback", "signature c", "signature a"]
    assert sig.options["link"][0].options["callback"] == 1
    assert sig.options["link_error"][0].options["stamped_headers"] == ["by", "errback"]


def test_hooks_are_optional() -> None:
    """A visitor need only say what a signature gets."""
    a = Signature(A)
    a.link(Signature(C))
    a.link_error(Signature(C))

    canvas: Any = chain(a, group(Signature(B)), Signature(C)).stamp(Quiet())

    first, last = canvas.tasks
    assert first.options["quiet"] == "a"
    assert last.tasks.tasks[0].options["quiet"] == "b"
    assert last.body.options == {"quiet": "c", "stamped_headers": ["quiet"]}
    group(Signature(A)).stamp(Quiet())


def test_stamps_by_keyword_need_no_visitor() -> None:
    """They go to all parts and links."""
    a = Signature(A)
    a.link(Signature(C))

    canvas: Any = (a | group(Signature(B)) | Signature(C)).stamp(customer="acme")

    first, last = canvas.tasks
    stamped = {"customer": "acme", "stamped_headers": ["customer"]}
    assert first.options["link"][0].options == stamped
    assert last.tasks.tasks[0].options == last.body.options == stamped
    assert chord([Signature(A)]).stamp(x=1).body is None
    assert group(Signature(A)).stamp(customer="acme").tasks[0].options == stamped


def test_a_hook_may_return_options_that_are_no_stamps() -> None:
    """It says itself which of them are stamps."""

    class Mixed(StampingVisitor):
        def on_signature(self, sig: Any, **headers: Any) -> dict[str, Any]:
            return {"customer": "acme", "priority": 5, "stamped_headers": ["customer"]}

    app = PaperApp()

    app.sig("a").stamp(Mixed()).delay()

    assert (app.sent[0].stamps, app.sent[0].priority) == ({"customer": "acme"}, 5)


@pytest.mark.parametrize(("append", "stamp"), [(False, "new"), (True, ["new", "old"])])
def test_a_second_stamp_replaces_or_appends(append: bool, stamp: Any) -> None:
    """Appending makes a list with the new value first."""
    sig = Signature(A).stamp(customer="old")

    sig.stamp(append_stamps=append, customer="new")

    assert sig.options == {"customer": stamp, "stamped_headers": ["customer"]}


def test_appended_stamps_are_not_repeated() -> None:
    """Equal values stand once, also if they are lists."""
    sig = Signature(A).stamp(customer=["a", ["b"]])

    sig.stamp(append_stamps=True, customer=["c", "a"])
    sig.stamp(append_stamps=True, other=1)

    assert sig.options["customer"] == ["c", "a", ["b"]]


def test_stamps_at_the_call_join_those_of_the_signature() -> None:
    """The names of both are kept."""
    app = PaperApp()

    app.sig("a").stamp(x=1).apply_async(stamped_headers=["y"], y=2)

    assert app.sent[0].stamps == {"x": 1, "y": 2}


def test_stamps_survive_json() -> None:
    """They are options."""
    sig = Signature.from_dict(json.loads(json.dumps(Signature(A).stamp(x=1))))

    assert sig.options == {"x": 1, "stamped_headers": ["x"]}
