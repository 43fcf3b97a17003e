"""A worker among others: what it hears from clients and other workers, and what it tells them.

``Presence`` says how it takes part; a driver hands it to ``Drive``, which does the rest.  Owned
here: inboxes, heartbeats, gossip, the words at the start.  Not owned: what a command does
(``app.control``), who counts as there (``core.cluster``).
"""

from taskq.app.cluster.liaison import Liaison
from taskq.app.cluster.presence import Machine, NoMachine, Presence

__all__ = ["Liaison", "Machine", "NoMachine", "Presence"]
