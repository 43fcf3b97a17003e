"""Puts the parts together: the only room that knows both the app and the adapters.

``brokers``, ``stores`` and ``pools`` are tables from a name or a URL scheme to an adapter, which
is imported when it is used: ``import taskq`` costs nothing that a program does not need.
``taskq.TaskQ`` is the app with the real ports, ``workers`` makes a worker of settings and words
of the command line.
"""

from taskq.wiring.application import TaskQ

__all__ = ["TaskQ"]
