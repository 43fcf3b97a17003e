"""The algebra of ``|``: which canvas two canvases make.

A chain is a list of steps.  A group that something follows becomes the header of a chord, and what
follows a chord is chained to its body; so whatever follows a group waits for all of it.  With that,
``(a | b) | c`` and ``a | (b | c)`` are the same canvas.

Called by ``Signature.__or__`` and by the constructor of ``chain``.  The classes come in as the
table ``Signature.TYPES``, so that this module stands below them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["append_step", "join", "pieces", "without_nested_bodies"]

Types = Mapping[str, Any]


def join(left: Any, right: Any, types: Types) -> Any:
    """Return ``left | right``; neither is changed.

    What a chain said of itself is said of its own steps: what is joined to it comes after.
    """
    steps: list[Any] = []
    append_step(steps, left.clone(), types)
    append_step(steps, right.clone(), types)
    if len(steps) == 1 and left.subtask_type != "chain":
        return steps[0]
    return types["chain"].of(steps, left._app)  # noqa: SLF001 - what was given, not the default


def append_step(steps: list[Any], step: Any, types: Types) -> None:
    """Add to a list of steps, in place.  The step is the caller's own copy."""
    if step.subtask_type == "chain":
        for piece in pieces(step):
            append_step(steps, piece, types)
        return
    if isinstance(step, types["chunks"]):
        step = step.group()
    if steps and steps[-1].subtask_type == "group":
        steps.append(types["chord"](steps.pop(), step))
    elif steps and steps[-1].subtask_type == "chord":
        _extend_body(steps[-1], step, types)
    else:
        steps.append(step)


def _extend_body(chord: Any, step: Any, types: Types) -> None:
    if chord.body is None:
        chord.body = step
        return
    steps: list[Any] = []
    append_step(steps, chord.body, types)
    append_step(steps, step, types)
    chord.body = steps[0] if len(steps) == 1 else types["chain"].of(steps, chord._app)  # noqa: SLF001 - what was given, not the default


def without_nested_bodies(steps: list[Any]) -> list[Any]:
    """Let what is chained to the body of a chord be steps of the chain that the chord stands in.

    That is how a chain is sent, so that the body travels alone and the rest once.
    """
    flat: list[Any] = []
    for step in steps:
        flat.append(step)
        if step.subtask_type == "chord" and step.body is not None:
            first, *rest = pieces(step.body) if step.body.subtask_type == "chain" else [step.body]
            step.body = first
            flat.extend(without_nested_bodies(rest))
    return flat


def pieces(chain: Any) -> list[Any]:
    """Take a chain apart, so that its steps say what the chain as a whole said."""
    steps = [step.clone() for step in chain.tasks]
    if not steps:
        return steps
    options = dict(chain.options)
    for errback in _listed(options.pop("link_error", None)):
        for step in steps:
            step.link_error(errback)
    for callback in _listed(options.pop("link", None)):
        steps[-1].link(callback)
    options.pop("task_id", None)
    if chain.args or options:
        steps[0] = steps[0].clone(chain.args, {}, **options)
    if chain.immutable:
        steps[0].set_immutable(True)
    return steps


def _listed(value: Any) -> list[Any]:
    if not value:
        return []
    return list(value) if isinstance(value, list | tuple) else [value]
