"""The command line, a file for each command.

``main.py`` is the program, ``commands.py`` the table of its commands.  A command is a file that has
a ``click`` command of the name ``command``, and a row in that table.
"""
