"""``taskq dlq``: the messages that were given up, and what to do with them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Final

import click

from taskq.app.dead_letters import NoDeadLettersError
from taskq.app.log_lines import escape
from taskq.cli.context import CLIContext
from taskq.cli.errors import FAILED, UNAVAILABLE, CommandError
from taskq.cli.extending import AppCommand
from taskq.ports import DeadLetter

# How much of a body is shown.
BODY_LIMIT: Final = 4096
LABEL: Final = 11

as_json_option = click.option("-j", "--json", "as_json", is_flag=True, help="Print JSON.")
all_option = click.option("--all", "everything", is_flag=True, help="All that there are.")
yes_option = click.option("-y", "--yes", is_flag=True, help="Do not ask.")


@click.group("dlq")
def command() -> None:
    """Look at dead letters, send them again, or throw them away.

    A message becomes a dead letter when it cannot be read, when its task is not known, when it
    was delivered too often, or when it is lost with its worker and must not run twice.
    """


@contextmanager
def _answered() -> Iterator[None]:
    try:
        yield
    except NoDeadLettersError as error:
        raise CommandError(str(error), UNAVAILABLE) from None


# -- looking -------------------------------------------------------------------------------------


@command.command("list", cls=AppCommand)
@click.option("-n", "--limit", type=click.IntRange(1, 10_000), default=100, show_default=True)
@click.option("--offset", type=click.IntRange(0), default=0, help="So many are passed over.")
@as_json_option
@click.pass_obj
def list_(context: CLIContext, /, limit: int, offset: int, as_json: bool) -> None:
    """List dead letters, the newest first."""
    with _answered():
        letters = context.app.dead_letters.list(limit, offset)
        count = context.app.dead_letters.count()
    if as_json:
        context.echo_json({"count": count, "letters": [summary(letter) for letter in letters]})
        return
    for letter in letters:
        facts = summary(letter)
        what = f"{facts['task'] or 'no task'}[{facts['task_id'] or '?'}]"
        context.echo(
            escape(f"{letter.letter_id}  {facts['at']}  {letter.queue}  {what}  {letter.reason}")
        )
    if not context.quiet:
        context.echo(f"{len(letters)} of {count} dead letters" if count else "no dead letters")


@command.command("show", cls=AppCommand)
@click.argument("letter_id")
@click.option("--body", is_flag=True, help="Show the body as well: it may hold secrets.")
@as_json_option
@click.pass_obj
def show(context: CLIContext, /, letter_id: str, body: bool, as_json: bool) -> None:
    """Show all that is known of the dead letter LETTER_ID."""
    with _answered():
        letter = context.app.dead_letters.show(letter_id)
    if letter is None:
        raise _gone(letter_id)
    facts = details(letter, with_body=body)
    if as_json:
        context.echo_json(facts)
        return
    for name, value in facts.items():
        if value not in (None, "", {}):
            context.echo(f"{name:<{LABEL}} {escape(value)}")


def summary(letter: DeadLetter) -> dict[str, Any]:
    """Return what is said of a letter in a list."""
    headers = _headers(letter)
    return {
        "id": letter.letter_id,
        "at": datetime.fromtimestamp(letter.at_s, UTC).isoformat(timespec="seconds"),
        "queue": letter.queue,
        "task": headers.get("task"),
        "task_id": headers.get("id"),
        "reason": letter.reason,
        "node": letter.node,
        "attempts": letter.attempts,
    }


def details(letter: DeadLetter, *, with_body: bool) -> dict[str, Any]:
    """Return all that is known of a letter; of its body only what was asked for."""
    message, headers = letter.message, _headers(letter)
    content = letter.raw if message is None else message.body
    facts = {
        **summary(letter),
        "exchange": letter.exchange,
        "routing_key": letter.routing_key,
        "args": headers.get("argsrepr"),
        "kwargs": headers.get("kwargsrepr"),
        "headers": dict(headers),
        "properties": {} if message is None else dict(message.properties),
        "content_type": None if message is None else message.content_type,
        "size": len(content),
    }
    if with_body:
        facts["body"] = content[:BODY_LIMIT].decode("utf-8", "backslashreplace")
    return facts


def _headers(letter: DeadLetter) -> Mapping[str, Any]:
    return {} if letter.message is None else letter.message.headers


def _gone(letter_id: str) -> CommandError:
    return CommandError(
        f"there is no dead letter {letter_id!r} (any more); see `taskq dlq list`", FAILED
    )


# -- deciding ------------------------------------------------------------------------------------


@command.command("replay", cls=AppCommand)
@click.argument("letter_ids", nargs=-1)
@all_option
@yes_option
@as_json_option
@click.pass_obj
def replay(
    context: CLIContext,
    /,
    *,
    letter_ids: tuple[str, ...],
    everything: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Put LETTER_IDS into their queues again; their attempts begin anew.

    Asks before it sends all of them.
    """
    _check(letter_ids, everything)
    if everything and not yes:
        _confirm(context, "Send all {count} dead letters again?", as_json)
    with _answered():
        count = context.app.dead_letters.replay(*letter_ids, all=everything)
    _tell(context, letter_ids, count, "sent again", as_json)


@command.command("purge", cls=AppCommand)
@click.argument("letter_ids", nargs=-1)
@all_option
@yes_option
@as_json_option
@click.pass_obj
def purge(
    context: CLIContext,
    /,
    *,
    letter_ids: tuple[str, ...],
    everything: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Throw LETTER_IDS away.  They cannot be had back, so it asks first."""
    _check(letter_ids, everything)
    if not yes:
        what = "all {count}" if everything else str(len(letter_ids))
        _confirm(context, f"Throw {what} dead letters away, for ever?", as_json)
    with _answered():
        count = context.app.dead_letters.purge(*letter_ids, all=everything)
    _tell(context, letter_ids, count, "thrown away", as_json)


def _check(letter_ids: Sequence[str], everything: bool) -> None:
    if everything and letter_ids:
        raise click.UsageError("name dead letters, or say --all; not both")
    if not everything and not letter_ids:
        raise click.UsageError("name dead letters by their ids, or say --all")


def _confirm(context: CLIContext, question: str, as_json: bool) -> None:
    with _answered():
        count = context.app.dead_letters.count()
    click.confirm(question.format(count=count), abort=True, err=as_json)


def _tell(
    context: CLIContext, letter_ids: Sequence[str], count: int, done: str, as_json: bool
) -> None:
    if as_json:
        context.echo_json({"count": count})
    else:
        context.echo(f"{count} dead letters {done}")
    if count < len(letter_ids):
        missing = len(letter_ids) - count
        raise CommandError(f"{missing} of {len(letter_ids)} are not there (any more)", FAILED)
