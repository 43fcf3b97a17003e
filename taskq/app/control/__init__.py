"""Remote control: what clients tell workers, and what workers answer.

The client's side: ``Control``, ``Inspect``, ``Mailbox``.  The worker's: the ``Panel`` of commands,
their ``State``, and the ``Desk`` that takes messages and gives replies.  What a command decides is
told to the core as an input; nothing here decides for it.
"""

from taskq.app.control import commands
from taskq.app.control.client import Control
from taskq.app.control.inspect import Inspect, flatten_reply
from taskq.app.control.mailbox import Mailbox
from taskq.app.control.panel import Panel, control_command, inspect_command
from taskq.app.control.state import State

__all__ = [
    "Control",
    "Inspect",
    "Mailbox",
    "Panel",
    "State",
    "commands",
    "control_command",
    "flatten_reply",
    "inspect_command",
]
