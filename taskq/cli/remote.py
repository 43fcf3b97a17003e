"""What ``inspect``, ``control`` and ``status`` share: asking workers, and showing what they say.

The commands are not listed here: they stand in the table that workers answer from, where those of
the app's own modules stand as well.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from difflib import get_close_matches
from functools import partial
from textwrap import indent
from typing import Any, Final

import click

import taskq.app.control.commands  # noqa: F401 - fills the table
from taskq.app.control.panel import Panel
from taskq.cli.context import INDENT, CLIContext
from taskq.cli.errors import UNAVAILABLE, CommandError
from taskq.cli.extending import AppCommand
from taskq.cli.params import COMMA_SEPARATED_LIST

NOBODY: Final = "Error: No nodes replied within time constraint"
DEFAULT_TIMEOUT_S: Final = 1.0
# Columns of the list of commands.
HELP_WIDTH: Final = 100


def remote_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that all of them have."""
    for option in (
        click.option("-j", "--json", "as_json", is_flag=True, help="Print JSON, for machines."),
        click.option(
            "-d",
            "--destination",
            type=COMMA_SEPARATED_LIST,
            help="Only these nodes: w1@host,w2@host.",
        ),
        click.option(
            "-t",
            "--timeout",
            type=float,
            help=f"Seconds to wait for replies (as the command needs; at least"
            f" {DEFAULT_TIMEOUT_S:g}).",
        ),
    ):
        function = option(function)
    return function


# -- the table of commands -----------------------------------------------------------------------


def find(context: CLIContext, kind: str, name: str) -> Any:
    """Return what the table says of a command; raises ``CommandError``."""
    known = available(context, kind)
    if name in known:
        return known[name]
    other = "control" if kind == "inspect" else "inspect"
    if name in available(context, other):
        raise CommandError(f"{name!r} is a command of `taskq {other}`, not of `taskq {kind}`")
    close = get_close_matches(name, known, n=1)
    advice = f"did you mean {close[0]!r}?" if close else f"see `taskq {kind} --list`"
    raise CommandError(f"there is no {kind} command {name!r}; {advice}")


def available(context: CLIContext, kind: str) -> dict[str, Any]:
    """Return the commands of one kind by name, with those that modules of the app define."""
    context.import_modules()
    return {name: meta for name, meta in Panel.meta.items() if meta.type == kind and meta.visible}


def show_list(context: CLIContext, kind: str) -> None:
    """Print the commands of one kind."""
    formatter = click.HelpFormatter(max_width=HELP_WIDTH)
    rows = [
        (f"{meta.name} {meta.signature or ''}".rstrip(), _first_line(meta.help))
        for _, meta in sorted(available(context, kind).items())
        if meta.name == _
    ]
    with formatter.section(f"{kind.capitalize()} Commands"):
        formatter.write_dl(rows)
    context.echo(formatter.getvalue().rstrip())


def _first_line(text: str | None) -> str:
    return (text or "").strip().partition("\n")[0]


def arguments_of(meta: Any, words: Sequence[str]) -> dict[str, Any]:
    """Turn words of the command line into the arguments of a command, by name."""
    given = list(words)
    arguments: dict[str, Any] = {}
    for name, convert in meta.args or ():
        if not given:
            break
        arguments[name] = _converted(meta, name, convert, given.pop(0))
    if given and not meta.variadic:
        usage = f"{meta.name} {meta.signature or ''}".rstrip()
        raise click.UsageError(f"{given[0]!r} is one argument too many for `{usage}`")
    if given:
        arguments[meta.variadic] = given
    return arguments


def _converted(meta: Any, name: str, convert: Callable[[str], Any] | None, word: str) -> Any:
    if convert is None:
        return word
    try:
        return convert(word)
    except (TypeError, ValueError):
        kind = getattr(convert, "__name__", str(convert))
        raise click.UsageError(
            f"{meta.name}: {name} has to be of the type {kind}, {word!r} is not"
        ) from None


def remote_command(
    kind: str, doc: str, show_end: Callable[[CLIContext, int], object] | None = None
) -> click.Command:
    """Make the command that sends remote commands of one kind.

    With ``show_end`` a node stands for its answer: JSON is one object by node, and something is
    said at the end; else JSON is the list of replies.
    """

    def run(
        context: CLIContext,
        /,
        *,
        command: str | None,
        args: tuple[str, ...],
        list_: bool,
        timeout: float | None,
        destination: list[str] | None,
        as_json: bool,
    ) -> None:
        if list_:
            show_list(context, kind)
            return
        if command is None:
            raise click.UsageError("Missing argument 'COMMAND'; --list shows what there is")
        meta = find(context, kind, command)
        replies = ask(
            context,
            meta.name,
            arguments_of(meta, args),
            timeout_s=timeout or max(meta.default_timeout, DEFAULT_TIMEOUT_S),
            destination=destination,
            on_reply=None if as_json else partial(say_reply, context),
        )
        if as_json:
            context.echo_json(replies if show_end is None else by_node(replies))
        elif show_end is not None:
            show_end(context, len(replies))

    command: Any = click.pass_obj(run)
    for decorate in (
        remote_options,
        click.option("--list", "list_", is_flag=True, help="List the commands and exit."),
        click.argument("args", nargs=-1, metavar="[ARGUMENTS]..."),
        click.argument("command", required=False, metavar="COMMAND"),
        click.command(kind, cls=AppCommand, help=doc),
    ):
        command = decorate(command)
    made: click.Command = command
    return made


# -- asking --------------------------------------------------------------------------------------


def ask(
    context: CLIContext,
    command: str,
    arguments: Mapping[str, Any],
    *,
    timeout_s: float,
    destination: Sequence[str] | None,
    on_reply: Callable[[str, Any], object] | None = None,
) -> list[dict[str, Any]]:
    """Send a command, wait for replies; raises ``CommandError`` where there is none."""

    def heard(reply: Mapping[str, Any]) -> None:
        for node, said in reply.items():
            if on_reply is not None:
                on_reply(node, said)

    replies: list[dict[str, Any]] = context.app.control.broadcast(
        command,
        arguments=dict(arguments),
        destination=destination,
        reply=True,
        timeout=timeout_s,
        # Who was asked by name has answered: nobody else will.
        limit=len(destination) if destination else None,
        callback=heard,
    )
    if not replies:
        raise CommandError(NOBODY, UNAVAILABLE)
    _name_the_silent(context, destination or (), replies)
    return replies


def by_node(replies: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Return what each node has said."""
    return {node: said for reply in replies for node, said in reply.items()}


def _name_the_silent(
    context: CLIContext, destination: Iterable[str], replies: Iterable[Mapping[str, Any]]
) -> None:
    heard = {node for reply in replies for node in reply}
    silent = [node for node in destination if node not in heard]
    if silent:
        context.error(f"no reply from {', '.join(silent)}")


# -- showing -------------------------------------------------------------------------------------


def say_reply(context: CLIContext, node: str, said: Any, *, show_body: bool = True) -> None:
    """Print what one node has said."""
    status, body = context.pretty(said)
    context.say_chat("->", f"{node}: {status}", indent(body, INDENT), show_body)


def say_count(context: CLIContext, count: int) -> None:
    """Print how many have answered."""
    if not context.quiet:
        context.echo(f"\n{count} {'node' if count == 1 else 'nodes'} online.")
