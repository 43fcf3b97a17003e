"""``taskq amqp``: talks to the broker by hand, one command at a time or in a shell."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any, Final

import click

from taskq.cli.context import CLIContext
from taskq.cli.errors import FAILED, UNAVAILABLE, CommandError
from taskq.cli.extending import AppCommand

PROMPT: Final = "amqp> "
LEAVE: Final = frozenset({"exit", "quit", ":q"})


class Talk:
    """One channel to the broker, for as long as the command or the shell lasts."""

    def __init__(self, context: CLIContext) -> None:
        self.context = context

    @cached_property
    def connection(self) -> Any:
        """A connection; made when first needed."""
        connection = self.context.app.connection_for_write()
        try:
            connection.ensure_connection(max_retries=1)
        except connection.recoverable_connection_errors as error:
            raise CommandError(
                f"cannot reach {connection.as_uri()}: {error}", UNAVAILABLE
            ) from None
        return connection

    @cached_property
    def channel(self) -> Any:
        """The channel that all commands of a shell use: what it got, it can acknowledge."""
        return self.connection.default_channel

    @contextmanager
    def answered(self) -> Iterator[Any]:
        """Give the channel to a block; what the broker refuses is one line for people."""
        channel, connection = self.channel, self.connection
        try:
            yield channel
        except (*connection.channel_errors, *connection.connection_errors) as error:
            self.__dict__.pop("channel", None)  # the broker has closed it
            connection.close()
            self.__dict__.pop("connection", None)
            raise CommandError(f"the broker refused: {error}", FAILED) from None

    def close(self) -> None:
        """Let go; what was got and not acknowledged goes back."""
        connection = self.__dict__.pop("connection", None)
        self.__dict__.pop("channel", None)
        if connection is not None:
            connection.close()


@click.group("amqp", invoke_without_command=True)
@click.pass_context
def command(ctx: click.Context) -> None:
    """Talk to the broker by hand; without a command, in a shell.

    Works with every broker that kombu knows.  Names of exchange types, and what a queue can be
    told, are those of AMQP.
    """
    context: CLIContext = ctx.obj
    talk = Talk(context)
    ctx.meta[__name__] = talk
    ctx.call_on_close(talk.close)
    if ctx.invoked_subcommand is None:
        ctx.invoke(repl)


def talking(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the talk that it belongs to."""

    @click.pass_context
    def talked(ctx: click.Context, /, **options: Any) -> Any:
        return function(ctx.meta[__name__], **options)

    talked.__doc__, talked.__name__ = function.__doc__, function.__name__
    return talked


def yes(name: str, default: bool) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Make an argument that is true or false, and may be left out."""
    return click.argument(name, type=bool, default=default)


# -- exchanges -----------------------------------------------------------------------------------


@command.command("exchange.declare", cls=AppCommand)
@click.argument("exchange")
@click.argument("type")
@yes("passive", False)
@yes("durable", True)
@yes("auto_delete", False)
@talking
def exchange_declare(talk: Talk, exchange: str, type: str, **said: bool) -> None:  # noqa: A002 - AMQP's name
    """Make sure of an exchange; PASSIVE: only see whether it is there."""
    with talk.answered() as channel:
        channel.exchange_declare(exchange=exchange, type=type, **said)
    talk.context.echo("ok")


@command.command("exchange.delete", cls=AppCommand)
@click.argument("exchange")
@yes("if_unused", False)
@talking
def exchange_delete(talk: Talk, exchange: str, if_unused: bool) -> None:
    """Delete an exchange."""
    with talk.answered() as channel:
        channel.exchange_delete(exchange=exchange, if_unused=if_unused)
    talk.context.echo("ok")


# -- queues --------------------------------------------------------------------------------------


@command.command("queue.declare", cls=AppCommand)
@click.argument("queue")
@yes("passive", False)
@yes("durable", True)
@yes("auto_delete", False)
@talking
def queue_declare(talk: Talk, queue: str, **said: bool) -> None:
    """Make sure of a queue, and say how much is in it."""
    with talk.answered() as channel:
        found = channel.queue_declare(queue=queue, **said)
    talk.context.echo(
        f"queue {found.queue}: {found.message_count} messages, {found.consumer_count} consumers"
    )


@command.command("queue.bind", cls=AppCommand)
@click.argument("queue")
@click.argument("exchange")
@click.argument("routing_key")
@talking
def queue_bind(talk: Talk, queue: str, exchange: str, routing_key: str) -> None:
    """Let a queue get what an exchange has for a key."""
    with talk.answered() as channel:
        channel.queue_bind(queue=queue, exchange=exchange, routing_key=routing_key)
    talk.context.echo("ok")


@command.command("queue.delete", cls=AppCommand)
@click.argument("queue")
@yes("if_unused", False)
@yes("if_empty", False)
@talking
def queue_delete(talk: Talk, queue: str, **said: bool) -> None:
    """Delete a queue, with what is in it."""
    with talk.answered() as channel:
        count = channel.queue_delete(queue=queue, **said)
    talk.context.echo(f"{count or 0} messages deleted with it")


@command.command("queue.purge", cls=AppCommand)
@click.argument("queue")
@talking
def queue_purge(talk: Talk, queue: str) -> None:
    """Throw away what waits in a queue."""
    with talk.answered() as channel:
        count = channel.queue_purge(queue=queue)
    talk.context.echo(f"{count or 0} messages thrown away")


# -- messages ------------------------------------------------------------------------------------


@command.command("basic.publish", cls=AppCommand)
@click.argument("msg")
@click.argument("exchange")
@click.argument("routing_key")
@yes("mandatory", False)
@yes("immediate", False)
@talking
def basic_publish(talk: Talk, msg: str, exchange: str, routing_key: str, **said: bool) -> None:
    """Send MSG, as it is."""
    with talk.answered() as channel:
        message = channel.prepare_message(msg)
        channel.basic_publish(message, exchange=exchange, routing_key=routing_key, **said)
    talk.context.echo("ok")


@command.command("basic.get", cls=AppCommand)
@click.argument("queue")
@yes("no_ack", False)
@talking
def basic_get(talk: Talk, queue: str, no_ack: bool) -> None:
    """Take a message and show it; it goes back at the end unless it is acknowledged."""
    with talk.answered() as channel:
        message = channel.basic_get(queue, no_ack=no_ack)
    if message is None:
        talk.context.echo("no message")
        return
    for name in ("body", "properties", "headers", "delivery_info"):
        value = getattr(message, name, None)
        if name == "body" and isinstance(value, bytes):
            value = value.decode("utf-8", "backslashreplace")
        if value:
            talk.context.echo(f"{name:<13} {value}")
    talk.context.echo(f"{'delivery_tag':<13} {message.delivery_tag}")


@command.command("basic.ack", cls=AppCommand)
@click.argument("delivery_tag")
@talking
def basic_ack(talk: Talk, delivery_tag: str) -> None:
    """Acknowledge a message that this shell has taken."""
    tag: Any = int(delivery_tag) if delivery_tag.isdigit() else delivery_tag
    with talk.answered() as channel:
        channel.basic_ack(tag)
    talk.context.echo("ok")


# -- the shell -----------------------------------------------------------------------------------


@command.command("repl", cls=AppCommand)
@click.pass_context
def repl(ctx: click.Context) -> None:
    """Open a shell: `help` lists its commands, `exit` leaves."""
    talk: Talk = ctx.meta[__name__]
    for line in _lines(talk.context):
        _run(ctx, line)


def _lines(context: CLIContext) -> Iterator[str]:
    people = sys.stdin.isatty()
    if people and not context.quiet:
        context.echo("`help` lists commands, `exit` leaves")
    while True:
        try:
            line = input(PROMPT if people else "").strip()
        except (EOFError, KeyboardInterrupt):
            return
        if line in LEAVE:
            return
        if line:
            yield line


def _run(ctx: click.Context, line: str) -> None:
    context: CLIContext = ctx.obj
    try:
        words = shlex.split(line)
    except ValueError as error:
        context.error(f"cannot read that: {error}")
        return
    if words[0] in {"help", "?"}:
        for name, each in sorted(command.commands.items()):
            context.echo(f"{name:<18} {each.get_short_help_str()}")
        return
    found = command.commands.get(words[0])
    if found is None or found is repl:
        context.error(f"there is no command {words[0]!r}; `help` lists them")
        return
    try:
        with found.make_context(words[0], words[1:], parent=ctx) as own:
            found.invoke(own)
    except click.ClickException as error:
        context.error(error.format_message())
    except click.exceptions.Exit:
        return
