"""Canvases within canvases."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from taskq.canvas import Signature, chain, chord, group
from tests.unit.canvas.paper_app import PaperApp

LEVELS = 50


def in_a_header(inner: Any, leaf: Any) -> Any:
    return group(inner, leaf) | leaf


def in_a_body(inner: Any, leaf: Any) -> Any:
    return chord([leaf, leaf], inner)


def in_a_chain(inner: Any, leaf: Any) -> Any:
    return chain(leaf, inner)


def in_a_group(inner: Any, leaf: Any) -> Any:
    return group(inner, leaf)


def in_a_link(inner: Any, leaf: Any) -> Any:
    outer = leaf.clone()
    outer.link(inner)
    return outer


@pytest.mark.parametrize("put", [in_a_header, in_a_body, in_a_chain, in_a_group, in_a_link])
def test_fifty_levels_are_no_more_work_than_their_parts(put: Callable[..., Any]) -> None:
    """They are built, travel as JSON, and come apart; a copy at each level would never end."""
    app = PaperApp()
    leaf = app.sig("a")
    canvas: Any = leaf
    for _ in range(LEVELS):
        canvas = put(canvas, leaf)

    sent = json.dumps(canvas)
    again = Signature.from_dict(json.loads(sent), app=app)

    assert json.dumps(again) == sent
    assert again.unfold().operations
