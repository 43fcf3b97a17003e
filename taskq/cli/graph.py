"""``taskq graph``: draws workers and workflows, for graphviz (DOT) or as Mermaid text."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

import click

from taskq.app.related import way_to
from taskq.canvas.drawing import FORMATS, Drawing
from taskq.canvas.picture import draw
from taskq.canvas.showing import MOST
from taskq.canvas.signature import Signature, maybe_signature
from taskq.cli.context import CLIContext
from taskq.cli.errors import FAILED, UNAVAILABLE, CommandError
from taskq.cli.extending import AppCommand
from taskq.errors import InvalidTaskError, OperationalError
from taskq.states import PENDING

# How many processes of one worker are drawn, unless it is said how many there are.
MOST_PROCESSES: Final = 4

pass_context: Final = click.pass_obj
format_option: Final = click.option(
    *("-F", "--format", "language"),
    type=click.Choice(sorted(FORMATS)),
    default="dot",
    show_default=True,
    help="Language of the drawing.",
)
most_option: Final = click.option(
    "--most",
    type=click.IntRange(min=1),
    default=MOST,
    show_default=True,
    help="How many members of a group, or steps of a chain, are shown.",
)


@click.group("graph")
def command() -> None:
    """Draw workers and workflows, as text for graphviz or for Mermaid."""


# -- workers -------------------------------------------------------------------------------------


@command.command("bootsteps", cls=AppCommand)
@click.argument("parts", nargs=-1, type=click.Choice(["worker", "consumer"], case_sensitive=False))
@format_option
@pass_context
def bootsteps(context: CLIContext, /, *, parts: Sequence[str], language: str) -> None:
    """Draw the steps of a worker, and of its consumer: each with those that it requires."""
    worker = context.app.Worker()
    try:
        worker.moments.make()
    finally:
        worker.drop()
    wanted = parts or ("worker", "consumer")
    drawn = [getattr(worker.moments, part) for part in wanted]
    if len(drawn) > 1:
        drawn[0].connect_with(drawn[1])
    context.echo(FORMATS[language](drawn[0].graph.drawing()))


@command.command("workers", cls=AppCommand)
@click.argument("said", nargs=-1, metavar="[nodes:A,B] [threads:N] [backend:URL]")
@format_option
@pass_context
def workers(context: CLIContext, /, *, said: Sequence[str], language: str) -> None:
    """Draw the workers that are there, their processes, the broker and the result store.

    What is said of nodes, threads and backend is drawn in the place of what is there.
    """
    told = _told(said)
    drawing = Drawing()
    ports = context.app.ports
    broker = drawing.add(f"broker\n{ports.broker.name}")
    store_name = told.get("backend") or ports.store.name
    store = None if store_name == "disabled" else drawing.add(f"results\n{store_name}")
    for name, slots in _nodes(context, told):
        node = drawing.add(name)
        drawing.join(node, broker)
        if store is not None:
            drawing.join(node, store)
        for slot in slots:
            drawing.join(drawing.add(slot), node)
    context.echo(FORMATS[language](drawing))


def _told(said: Sequence[str]) -> dict[str, str]:
    told = {}
    for each in said:
        name, colon, value = each.partition(":")
        if not colon or name not in ("nodes", "threads", "backend"):
            raise CommandError(f"{each!r}: say nodes:A,B or threads:N or backend:URL")
        told[name] = value
    if not told.get("threads", "0").isdigit():
        raise CommandError(f"threads:{told['threads']}: say how many, as threads:4")
    return told


def _nodes(context: CLIContext, told: Mapping[str, str]) -> Iterable[tuple[str, list[str]]]:
    """Return the name of each worker, and what its slots are called."""
    if told.get("nodes"):
        threads = int(told.get("threads", "0"))
        return [(name, _numbered(range(threads))) for name in told["nodes"].split(",")]
    try:
        replies: Mapping[str, Any] = context.app.control.inspect().stats() or {}
    except OperationalError as error:
        raise CommandError(str(error), UNAVAILABLE) from error
    return [(name, _slots(stats, told)) for name, stats in sorted(replies.items())]


def _slots(stats: Mapping[str, Any], told: Mapping[str, str]) -> list[str]:
    if "threads" in told:
        return _numbered(range(int(told["threads"])))
    pool = stats.get("pool") or {}
    processes = pool.get("processes")
    if isinstance(processes, list):
        return _shortened([f"process {pid}" for pid in processes])
    return _shortened(_numbered(range(int(pool.get("max-concurrency") or 0))))


def _numbered(numbers: range) -> list[str]:
    return [f"slot {number}" for number in numbers]


def _shortened(names: list[str]) -> list[str]:
    more = len(names) - MOST_PROCESSES
    return [*names[:MOST_PROCESSES], *([f"… and {more:,} more"] if more > 0 else [])]


# -- workflows -----------------------------------------------------------------------------------


@command.command("result", cls=AppCommand)
@click.argument("result_id")
@format_option
@most_option
@pass_context
def result(context: CLIContext, /, *, result_id: str, language: str, most: int) -> None:
    """Draw what a task, or a group that was saved, is a part of: who sent whom, and how it ended.

    Names of tasks are known with the setting result_extended.
    """
    app = context.app
    found = app.GroupResult.restore(result_id)
    if found is None:
        found = app.AsyncResult(result_id)
        if found.state == PENDING:
            raise CommandError(
                f"nothing is known of {result_id} in {app.ports.store.name}: it is no task that "
                "has ended and no group that was saved, or its time is over (result_expires)",
                FAILED,
            )
    context.echo(FORMATS[language](_Lineage(most).draw(way_to(found))))


class _Lineage:
    """Draws who sent whom; of many that one has sent the first few."""

    def __init__(self, most: int) -> None:
        self.drawing = Drawing()
        self._most = most
        self._numbers: dict[str, int] = {}
        self._counts: dict[str, int] = {}

    def draw(self, way: Sequence[Any]) -> Drawing:
        """Draw all that the first of a way has sent, and each that stands on the way.

        The body of a chord is no child of a member: it is joined to the one that ended last.
        """
        for parent, node in zip((None, *way), way, strict=False):
            if node.id not in self._numbers:
                self._add(parent, node)
            self._draw_below(node)
        for node_id, count in self._counts.items():
            if count > self._most:
                more = self.drawing.add(f"… and {count - self._most:,} more")
                self.drawing.join(self._numbers[node_id], more)
        return self.drawing

    def _draw_below(self, root: Any) -> None:
        for parent, node in root.iterdeps(intermediate=True):
            if node.id in self._numbers or parent is None or parent.id not in self._numbers:
                continue
            self._counts[parent.id] = self._counts.get(parent.id, 0) + 1
            if self._counts[parent.id] <= self._most:
                self._add(parent, node)

    def _add(self, parent: Any, node: Any) -> None:
        self._numbers[node.id] = self.drawing.add(_told_of(node))
        if parent is not None:
            self.drawing.join(self._numbers[parent.id], self._numbers[node.id])


def _told_of(node: Any) -> str:
    members = getattr(node, "results", None)
    if members is not None:
        return f"group of {len(members):,}\n{node.id}\n{node.completed_count():,} done"
    name = node.name
    return "\n".join(part for part in (name, node.id, node.state) if part)


@command.command("canvas", cls=AppCommand)
@click.argument("signature")
@click.option(
    *("-F", "--format", "language"),
    type=click.Choice([*sorted(FORMATS), "tree"]),
    default="dot",
    show_default=True,
    help="Language of the drawing; tree shows text with all options.",
)
@most_option
@pass_context
def canvas(context: CLIContext, /, *, signature: str, language: str, most: int) -> None:
    """Draw a workflow: SIGNATURE is its JSON, - for JSON on standard input, or where it is.

    That is the dotted name of a signature, or of a function that returns one: proj.flows.nightly
    """
    sig = _signature(context, signature)
    written: Mapping[str, Callable[[], str]] = {
        "tree": lambda: sig.tree(most),
        **{name: lambda: FORMATS[language](draw(sig, most)) for name in FORMATS},
    }
    context.echo(written[language]())


def _signature(context: CLIContext, said: str) -> Any:
    app = context.app
    text = sys.stdin.read() if said == "-" else said
    if said == "-" or text.lstrip().startswith("{"):
        try:
            found = maybe_signature(json.loads(text), app=app)
        except (ValueError, InvalidTaskError) as error:
            raise CommandError(f"this is no signature as JSON: {error}") from error
    else:
        context.import_modules()
        found = _named(said)
    if not isinstance(found, Signature):
        raise CommandError(f"{said!r} is {type(found).__name__}, and no signature; write task.s()")
    return found


def _named(name: str) -> Any:
    """Return what a dotted name stands for; a function is called."""
    module, colon, path = name.partition(":")
    if not colon:
        module, _, path = name.rpartition(".")
    try:
        found: Any = importlib.import_module(module)
        for part in path.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError, ValueError) as error:
        raise CommandError(
            f"there is no {name!r}: {error}; say it as package.module.name"
        ) from error
    if isinstance(found, Signature) or not callable(found):
        return found
    return found()
