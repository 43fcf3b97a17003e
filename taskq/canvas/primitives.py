"""The primitives under the names that Celery's users import."""

from taskq.canvas.chains import chain
from taskq.canvas.chords import chord
from taskq.canvas.groups import group, maybe_unroll_group
from taskq.canvas.maps import _basemap, chunks, xmap, xstarmap

__all__ = [
    "_basemap",
    "_chain",
    "_chord",
    "chain",
    "chord",
    "chunks",
    "group",
    "maybe_unroll_group",
    "xmap",
    "xstarmap",
]

_chain = chain
_chord = chord
