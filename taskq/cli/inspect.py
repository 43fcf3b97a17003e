"""``taskq inspect``: asks workers what they know, and changes nothing."""

from taskq.cli.remote import remote_command, say_count

command = remote_command(
    "inspect",
    """Ask workers by the inspect command COMMAND.

    See --list for what there is; commands that the app defines are among it.
    """,
    show_end=say_count,
)
