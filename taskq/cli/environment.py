"""Options out of the environment: ``TASKQ_WORKER_CONCURRENCY=4`` is ``--concurrency 4``.

The name is the prefix, the command, and the option; options of the program itself have no command
in it.  Celery's prefix works as well, by ``click``'s own ``auto_envvar_prefix``; where both are
given, ours counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import click

PREFIX: Final = "TASKQ"
# Celery's, for ``auto_envvar_prefix``.
ENVIRONMENT_PREFIX: Final = "CELERY"


def also_named(command: click.Command, *path: str) -> click.Command:
    """Let the options of a command, and of its subcommands, have names with our prefix."""
    for param in command.params:
        if isinstance(param, click.Option) and param.allow_from_autoenv:
            name = "_".join((PREFIX, *path, str(param.name))).upper().replace("-", "_")
            param.envvar = [name, *(other for other in _names(param) if other != name)]
    if isinstance(command, click.Group):
        for name, subcommand in command.commands.items():
            also_named(subcommand, *path, name)
    return command


def pool_by_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment with the pool of a worker under Celery's name of the option.

    Which pool it is has to be known before the command line is parsed: some need patches.
    """
    ours = environ.get(f"{PREFIX}_WORKER_POOL")
    return {**environ, f"{ENVIRONMENT_PREFIX}_WORKER_POOL": ours} if ours else dict(environ)


def _names(param: click.Option) -> list[str]:
    if param.envvar is None:
        return []
    return [param.envvar] if isinstance(param.envvar, str) else list(param.envvar)
