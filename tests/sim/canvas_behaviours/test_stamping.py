"""The rows of area ``stamping``, and that of revoking by stamps."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from taskq import TaskQ, chain, chord
from taskq.canvas import StampingVisitor
from taskq_testing import World

Tasks = SimpleNamespace
HOOKS = [name for name in vars(StampingVisitor) if name.startswith("on_")]


class Diary(StampingVisitor):
    """Writes down each hook that is called; a hook that may give stamps gives one of its name."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.given: dict[str, Any] = {}

    def on_signature(self, sig: Any, **headers: Any) -> dict[str, Any]:
        """Needed: the class could not be made without."""
        return {}

    def __getattribute__(self, name: str) -> Any:
        found = super().__getattribute__(name)
        if name not in HOOKS:
            return found

        def noted(sig: Any, **headers: Any) -> Any:
            self.calls.append(name)
            self.given[f"{name} {getattr(sig, 'task', '')}"] = headers
            answer = found(sig, **headers)
            return answer if name.endswith("_end") else {**(answer or {}), f"of_{name}": 1}

        return noted


def test_stamping_visitor_order_chain(t: Tasks) -> None:
    """Start, a signature for each step, end; what the start returns is given to the steps."""
    visitor = Diary()
    chain(t.add.s(1, 1), t.same.s()).stamp(visitor=visitor)

    assert visitor.calls == ["on_chain_start", "on_signature", "on_signature", "on_chain_end"]
    assert visitor.given["on_signature add"]["of_on_chain_start"] == 1


def test_stamping_visitor_order_chord(t: Tasks) -> None:
    """Header, its group, its members, its end; then the body.  No end of a group is told."""
    visitor = Diary()
    chord([t.add.s(1), t.add.s(2)], t.total.s()).stamp(visitor=visitor)

    assert visitor.calls == [
        "on_chord_header_start",
        "on_group_start",
        "on_signature",
        "on_signature",
        "on_chord_header_end",
        "on_chord_body",
        "on_signature",
    ]


def test_stamping_callbacks(t: Tasks) -> None:
    """Callbacks and errbacks, each followed by itself as a signature, before the signature."""
    visitor = Diary()
    sig = t.add.s(1)
    sig.link(t.same.s())
    sig.link_error(t.tell.s())
    sig.stamp(visitor=visitor)

    assert visitor.calls == [
        "on_callback",
        "on_signature",
        "on_errback",
        "on_signature",
        "on_signature",
    ]
    assert "of_on_callback" in sig.options["link"][0].options


@pytest.mark.parametrize(("append", "stamp"), [(False, "new"), (True, ["new", "old"])])
def test_stamp_append_stamps(t: Tasks, append: bool, stamp: Any) -> None:
    """False replaces, true makes a list with the new value first."""
    sig = t.add.s(1).stamp(customer="old")

    assert sig.stamp(append_stamps=append, customer="new").options["customer"] == stamp


def test_revoke_by_stamped_headers(app: TaskQ, t: Tasks, world: World) -> None:
    """Messages in queues with a stamp that matches end as REVOKED."""
    world.stop_worker("w1")
    world.run_until_quiet()
    mine = t.add.s(1, 2).stamp(customer="acme").delay()
    other = t.add.s(1, 2).stamp(customer="other").delay()
    world.start_worker("w2")
    app.control.revoke_by_stamped_headers({"customer": "acme"})
    world.run_until_quiet()

    assert (mine.state, other.state) == ("REVOKED", "SUCCESS")
