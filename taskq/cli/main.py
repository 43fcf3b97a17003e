"""The program ``taskq``: its own options, and its commands, each loaded when it is asked for.

An error that a person can cause (a wrong option, an app that is not there, a configuration that
cannot be read, a broker that does not answer) is one line, with what to do, and exit code 2 (69 for
the broker).  A traceback means a bug.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence
from difflib import get_close_matches
from importlib.metadata import EntryPoint, entry_points, version
from typing import Any, Final

import click

from taskq.cli.commands import COMMANDS, ENTRY_POINTS, LATER
from taskq.cli.context import CLIContext
from taskq.cli.environment import ENVIRONMENT_PREFIX, also_named, pool_by_environment
from taskq.cli.errors import CANNOT_CREATE, FAILED, UNAVAILABLE, WRONG_USE
from taskq.errors import ImproperlyConfigured, LockFailed, OperationalError
from taskq.wiring.patching import patch_as_told

PROGRAM: Final = "taskq"
WRONG_PLACE: Final = (
    "{option_name} goes before the command: {program} {option_name} ... {info_name}"
)


class Commands(click.Group):
    """A group whose commands stand in a table, and in the entry points of installed packages."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Name all commands."""
        del ctx
        return sorted({*COMMANDS, *self.commands, *(point.name for point in _plugins())})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Load one command."""
        if cmd_name in COMMANDS:
            return also_named(self._load(COMMANDS[cmd_name].module, "command"), cmd_name)
        known = super().get_command(ctx, cmd_name)
        if known is not None:
            return known
        for point in _plugins():
            if point.name == cmd_name:
                return self._load(point.module, point.attr)
        return None

    @staticmethod
    def _load(module: str, attribute: str) -> click.Command:
        found: click.Command = getattr(importlib.import_module(module), attribute)
        return found

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that is meant, or propose one."""
        if args and self.get_command(ctx, args[0]) is None:
            if args[0] in LATER:
                instead = LATER[args[0]]
                raise click.UsageError(f"{args[0]!r} is not there yet; {instead}", ctx)
            close = get_close_matches(args[0], self.list_commands(ctx), n=1)
            advice = f"; did you mean {close[0]!r}?" if close else ""
            raise click.UsageError(f"there is no command {args[0]!r}{advice}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without loading them."""
        lines = [
            (name, COMMANDS[name].help if name in COMMANDS else "From an installed package.")
            for name in self.list_commands(ctx)
        ]
        with formatter.section("Commands"):
            formatter.write_dl(lines)


def _plugins() -> list[EntryPoint]:
    return [point for group in ENTRY_POINTS for point in entry_points(group=group)]


def _show_version(ctx: click.Context, _param: click.Parameter, wanted: bool) -> None:
    if wanted and not ctx.resilient_parsing:
        click.echo(f"{PROGRAM} {version('taskq')}")
        ctx.exit()


@click.group(
    PROGRAM, cls=Commands, invoke_without_command=True, context_settings={"max_content_width": 100}
)
@click.option("-A", "--app", help="The application: proj, proj.module:app.", metavar="APP")
@click.option("-b", "--broker", help="URL of the broker; wins over the configuration.")
@click.option("--result-backend", help="URL of the result store; wins over the configuration.")
@click.option("--loader", help="Name of a loader, for programs that still have one.")
@click.option("--config", help="Name of the module that holds the configuration.")
@click.option(
    "--workdir",
    type=click.Path(exists=True, file_okay=False),
    help="Directory to change to before anything is loaded.",
)
@click.option("-C", "--no-color", is_flag=True, help="No colours (or set NO_COLOR).")
@click.option("-q", "--quiet", is_flag=True, help="Say only what was asked for.")
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    allow_from_autoenv=False,
    callback=_show_version,
    help="Show the version.",
)
@click.option(
    "--skip-checks", is_flag=True, envvar="SKIP_CHECKS", help="Do not run Django's checks."
)
@click.pass_context
def taskq(ctx: click.Context, /, workdir: str | None, **options: Any) -> None:
    """Distributed task queue: workers, and what one does with them.

    Every option can be given in the environment too: TASKQ_APP=proj, TASKQ_WORKER_CONCURRENCY=4
    (or CELERY_APP and so on).
    """
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())
        ctx.exit(2)
    if workdir:
        os.chdir(workdir)
    # The environment, because it reaches the app while it is loaded, and every child.
    for option, variable in _TOLD_BY_ENVIRONMENT.items():
        if options[option]:
            os.environ[variable] = str(options[option])
    if options["skip_checks"]:
        os.environ["CELERY_SKIP_CHECKS"] = "true"
    ctx.obj = CLIContext(
        app=options["app"] or ctx.obj,
        # Any value that is not empty counts, also one that is no truth value.
        no_color=options["no_color"] or bool(os.environ.get("NO_COLOR")),
        workdir=workdir,
        quiet=options["quiet"],
        config=options["config"],
    )


also_named(taskq)

_TOLD_BY_ENVIRONMENT: Final = {
    "broker": "TASKQ_BROKER_URL",
    "result_backend": "TASKQ_RESULT_BACKEND",
    "loader": "CELERY_LOADER",
    "config": "CELERY_CONFIG_MODULE",
}


# What a person can cause, and the exit code that it ends with.
_CODES: Final[dict[type[Exception], int]] = {
    LockFailed: CANNOT_CREATE,
    ImproperlyConfigured: WRONG_USE,
    OperationalError: UNAVAILABLE,
}


def main(argv: Sequence[str] | None = None, app: Any = None) -> int:
    """Run the program, with the app that ``-A`` names or that is given; returns its exit code."""
    words = sys.argv[1:] if argv is None else list(argv)
    try:
        patch_as_told(words, pool_by_environment(os.environ))
        code = taskq.main(
            args=words,
            prog_name=PROGRAM,
            standalone_mode=False,
            auto_envvar_prefix=ENVIRONMENT_PREFIX,
            obj=app,
        )
    except click.UsageError as error:
        return _complain(_word_usage(error), error.exit_code)
    except click.ClickException as error:
        return _complain(error.format_message(), error.exit_code)
    except tuple(_CODES) as error:
        return _complain(
            str(error), next(_CODES[kind] for kind in _CODES if isinstance(error, kind))
        )
    except click.Abort:
        return _complain("stopped", FAILED)
    return code if isinstance(code, int) else 0


def _complain(message: str, code: int) -> int:
    click.echo(f"{PROGRAM}: {message}", err=True)
    return code


def _word_usage(error: click.UsageError) -> str:
    message = error.format_message().rstrip(".")
    path = error.ctx.command_path if error.ctx is not None else PROGRAM
    if isinstance(error, click.NoSuchOption) and error.ctx is not None and error.ctx.parent:
        own = {name for param in taskq.params for name in param.opts}
        if error.option_name in own:
            return WRONG_PLACE.format(
                option_name=error.option_name, info_name=error.ctx.info_name, program=PROGRAM
            )
    return f"{' '.join(message.split())} (see `{path} --help`)"


if __name__ == "__main__":
    sys.exit(main())
