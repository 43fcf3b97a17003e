"""``taskq control``: tells workers to do something."""

from taskq.cli.remote import remote_command

command = remote_command(
    "control",
    """Tell workers the control command COMMAND.

    See --list for what there is; commands that the app defines are among it.
    """,
)
