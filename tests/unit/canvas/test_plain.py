"""What follows a task is written as data, also by serializers that would write classes."""

from __future__ import annotations

import pickle
from collections import OrderedDict
from typing import Any

import pytest

from taskq.canvas import Signature, chain, group
from taskq.canvas.plain import plain, with_plain_followers


def classes_in(value: Any) -> set[type]:
    """Every class in a tree."""
    inner = value.values() if isinstance(value, dict) else value
    nested = inner if isinstance(value, dict | list | tuple) else ()
    return {type(value)}.union(*(classes_in(each) for each in nested))


def test_a_tree_of_signatures_becomes_dicts() -> None:
    """At any depth; it says the same."""
    sig = Signature("a", args=(1,), options={"link": [Signature("b")]})
    tree = [chain(sig, group(sig, sig)), sig]

    assert plain(tree) == tree
    assert not any(issubclass(each, Signature) for each in classes_in(plain(tree)))


def test_objects_of_the_user_stay() -> None:
    """Also those that are dicts of another class."""
    order = OrderedDict(a=1)

    assert plain(Signature("a", args=(order, 1 + 2j)))["args"] == (order, 1 + 2j)
    assert type(plain(Signature("a", args=(order,)))["args"][0]) is OrderedDict


@pytest.mark.parametrize("protocol", [1, 2])
def test_arguments_keep_their_class(protocol: int) -> None:
    """A signature that is an argument arrives as one, in pickle."""
    sig = Signature("a")
    body: Any = (
        {"args": [sig], "kwargs": {}, "callbacks": [sig], "chord": None}
        if protocol == 1
        else ((sig,), {}, {"callbacks": [sig], "chord": None})
    )
    found = pickle.loads(pickle.dumps(with_plain_followers(body)))
    args, embed = (found["args"], found) if protocol == 1 else (found[0], found[2])

    assert type(args[0]) is Signature
    assert type(embed["callbacks"][0]) is dict
