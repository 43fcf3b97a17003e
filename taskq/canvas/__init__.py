"""Signatures and what they become as messages; it sends nothing by itself."""

from taskq.canvas.parts import task_name_from
from taskq.canvas.primitives import (
    _basemap,
    _chain,
    _chord,
    chain,
    chord,
    chunks,
    group,
    maybe_unroll_group,
    xmap,
    xstarmap,
)
from taskq.canvas.signature import (
    Signature,
    maybe_signature,
    maybe_subtask,
    signature,
    subtask,
)
from taskq.canvas.stamping import StampingVisitor

__all__ = [
    "Signature",
    "StampingVisitor",
    "_basemap",
    "_chain",
    "_chord",
    "chain",
    "chord",
    "chunks",
    "group",
    "maybe_signature",
    "maybe_subtask",
    "maybe_unroll_group",
    "signature",
    "subtask",
    "task_name_from",
    "xmap",
    "xstarmap",
]
