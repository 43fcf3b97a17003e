"""Strategies for hypothesis: whole canvases, with what becomes of each part of them.

>>> from taskq_testing.strategies import CanvasTasks, build, canvases      # doctest: +SKIP
>>> @given(canvases())                                                     # doctest: +SKIP
... def test_it(canvas):
...     heard = []
...     tasks = CanvasTasks(app, lambda *what: heard.append(what))
...     result = build(canvas, tasks).apply_async()

A canvas is drawn as plain data (``canvas.py``), so that a test can work out what must come of
it; ``build`` (``building.py``) makes the signature, and ``CanvasTasks`` (``tasks.py``) are the
tasks that it calls.  Only ``drawing.py`` imports hypothesis.
"""

from taskq_testing.strategies.building import build
from taskq_testing.strategies.canvas import (
    Callback,
    Canvas,
    Chain,
    Chord,
    Errback,
    Group,
    Items,
    Leaf,
)
from taskq_testing.strategies.drawing import canvases
from taskq_testing.strategies.tasks import CanvasTasks

__all__ = [
    "Callback",
    "Canvas",
    "CanvasTasks",
    "Chain",
    "Chord",
    "Errback",
    "Group",
    "Items",
    "Leaf",
    "build",
    "canvases",
]
