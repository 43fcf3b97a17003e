"""A workflow as a tree of text, for people who debug one.

Reads signatures and their data alike, changes nothing, and needs no app.  Where a result flows to
is shown by what stands in front of the arguments: ``total(<3 results>)``.  Of many members or steps
the first few are shown, so a tree of a group of 50,000 is as short as one of 20.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from typing import Any, Final, NamedTuple

from taskq.canvas.parts import listed, task_name_from
from taskq.protocol.saferepr import safe_repr

__all__ = [
    "MOST",
    "call_text",
    "excerpt",
    "gives",
    "header_of",
    "kind_of",
    "last_of",
    "options_text",
    "tree",
]

# How many members, steps or links of one signature are shown.
MOST: Final = 10
# How much is shown of one argument, and of all of them.
ARGUMENT_LENGTH: Final = 40
CALL_LENGTH: Final = 120
# How much of a tree stands in the message of an error, which may be stored many times.
EXCERPT_MOST: Final = 3
EXCERPT_LINES: Final = 20

RESULT: Final = "<result>"
FAILURE: Final = "<what failed>"

# Options that say where a signature stands in a workflow: the tree shows that by itself.
_SHOWN_OTHERWISE: Final = frozenset(
    {"add_to_parent", "chain", "chord", "group_id", "group_index", "link", "link_error", "origin"}
    | {"parent_id", "replaced_task_nesting", "reply_to", "root_id", "stamped_headers", "task_id"}
)

Sig = Mapping[str, Any]


class Branch(NamedTuple):
    """A line, and what stands below it, which is worked out when it is asked for."""

    text: str
    below: Callable[[], Iterator[Branch]]


def tree(sig: Sig, most: int = MOST) -> str:
    """Show a signature of any kind; ``most`` members, steps or links of each part."""
    lines: list[str] = []
    # A stack and not a recursion: a workflow may be nested deeper than Python can call.
    waiting = [("", "", _branch(sig, None, most))]
    while waiting:
        first, indent, branch = waiting.pop()
        lines.append(first + branch.text)
        below = list(branch.below())
        for place in reversed(range(len(below))):
            is_last = place == len(below) - 1
            elbow, pipe = ("└─ ", "   ") if is_last else ("├─ ", "│  ")
            waiting.append((indent + elbow, indent + pipe, below[place]))
    return "\n".join(lines)


def excerpt(sig: Sig) -> str:
    """Show the beginning of a tree, for messages of errors."""
    shown = tree(sig, EXCERPT_MOST).splitlines()
    more = len(shown) - EXCERPT_LINES
    return "\n".join(shown[:EXCERPT_LINES] + ([f"… and {more:,} more lines"] if more > 0 else []))


# -- what a signature is -------------------------------------------------------------------------


def kind_of(sig: Sig) -> str | None:
    """Return ``chain``, ``group``, ``chord``, ``chunks`` or None: one message."""
    kind = sig.get("subtask_type")
    return "chunks" if sig.get("task") == "celery.chunks" else kind


def header_of(sig: Sig) -> tuple[Sequence[Any], Mapping[str, Any]]:
    """Return the members of a chord's header, and the group that it may be, with its options."""
    header = sig["kwargs"].get("header") or ()
    if isinstance(header, Mapping):
        return header["kwargs"].get("tasks") or (), header
    return list(header), {}


def last_of(sig: Sig) -> Sig:
    """Return the part whose result is the result of a signature."""
    while True:
        kind, kwargs = kind_of(sig), sig.get("kwargs") or {}
        steps = kwargs.get("tasks") if kind == "chain" else None
        if steps:
            sig = steps[-1]
        elif kind == "chord" and kwargs.get("body") is not None:
            sig = kwargs["body"]
        else:
            return sig


def gives(sig: Sig) -> str:
    """Say what whoever follows a signature gets in front of its arguments."""
    last = last_of(sig)
    kind = kind_of(last)
    if kind == "group":
        return _results(len(last["kwargs"].get("tasks") or ()))
    if kind == "chord":
        return _results(len(header_of(last)[0]))
    if kind == "chunks":
        return _results(_part_count(last))
    return RESULT


def _results(count: int) -> str:
    return f"<{count:,} result{'' if count == 1 else 's'}>"


def _part_count(chunks: Sig) -> int:
    items, size = len(chunks["kwargs"]["it"]), chunks["kwargs"]["n"]
    return int(-(-items // size))


# -- one line ------------------------------------------------------------------------------------


def call_text(sig: Sig, given: str | None = None) -> str:
    """Show one call, with what it is given in front."""
    mapped = _mapped_text(sig)
    if mapped is not None:
        return mapped
    shown = [] if given is None or sig.get("immutable") else [given]
    shown += [safe_repr(arg, ARGUMENT_LENGTH) for arg in islice(sig.get("args") or (), MOST)]
    more = len(sig.get("args") or ()) - MOST
    if more > 0:
        shown.append(f"… and {more:,} more")
    kwargs = sig.get("kwargs") or {}
    shown += [f"{name}={safe_repr(value, ARGUMENT_LENGTH)}" for name, value in kwargs.items()]
    text = ", ".join(shown)
    if len(text) > CALL_LENGTH:
        text = f"{text[: CALL_LENGTH - 1]}…"
    return f"{sig.get('task')}({text})"


def _mapped_text(sig: Sig) -> str | None:
    """Show a map or chunks; None for anything else."""
    stars = {"celery.map": "", "celery.starmap": "*", "celery.chunks": "*"}
    name, kwargs = sig.get("task"), sig.get("kwargs") or {}
    if name not in stars or not isinstance(kwargs.get("task"), Mapping) or "it" not in kwargs:
        return None
    items = list(kwargs["it"])
    text = f"{task_name_from(kwargs['task'].get('task'))}({stars[name]}x) for each of "
    text += f"{len(items):,} item{'' if len(items) == 1 else 's'}"
    if name == "celery.chunks":
        return f"{text}, {kwargs['n']:,} in each message"
    return f"{text}, in one message"


def options_text(sig: Sig) -> str:
    """Show the options that change what happens, the id if it is fixed, and stamps."""
    options = sig.get("options") or {}
    stamps = [name for name in listed(options.get("stamped_headers")) if name in options]
    said = [
        f"{name}={safe_repr(value, ARGUMENT_LENGTH)}"
        for name, value in options.items()
        if name not in _SHOWN_OTHERWISE and name not in stamps and value is not None
    ]
    if options.get("task_id"):
        said.insert(0, f"id={options['task_id']}")
    said += [f"stamp {name}={safe_repr(options[name], ARGUMENT_LENGTH)}" for name in stamps]
    return f"  [{', '.join(said)}]" if said else ""


# -- branches ------------------------------------------------------------------------------------


def _branch(sig: Sig, given: str | None, most: int, label: str = "") -> Branch:
    kind = kind_of(sig)
    text, below = _PARTS.get(kind or "", _task)(sig, given, most)
    return Branch(label + text + options_text(sig), partial(_all_below, below, sig, most))


def _all_below(below: Callable[[], Iterator[Branch]], sig: Sig, most: int) -> Iterator[Branch]:
    """Return the parts of a signature, and what is linked to it."""
    yield from below()
    options = sig.get("options") or {}
    rest = listed(options.get("chain"))[::-1]
    yield from _some(rest, most, lambda each, _: _branch(each, RESULT, most, "and then: "))
    links = listed(options.get("link"))
    result = gives(sig)
    yield from _some(links, most, lambda each, _: _branch(each, result, most, "then: "))
    errbacks = listed(options.get("link_error"))
    yield from _some(errbacks, most, lambda each, _: _branch(each, FAILURE, most, "on error: "))


def _some(parts: Sequence[Any], most: int, show: Callable[[Any, int], Branch]) -> Iterator[Branch]:
    """Show the first few of many."""
    for place, part in enumerate(islice(parts, most)):
        yield show(part, place)
    more = len(parts) - most
    if more > 0:
        yield Branch(f"… and {more:,} more", lambda: iter(()))


Text = tuple[str, Callable[[], Iterator[Branch]]]


def _task(sig: Sig, given: str | None, _most: int) -> Text:
    return call_text(sig, given), lambda: iter(())


def _chain(sig: Sig, given: str | None, most: int) -> Text:
    steps = sig["kwargs"].get("tasks") or ()

    def step(each: Sig, place: int) -> Branch:
        before = given if place == 0 else gives(steps[place - 1])
        return _branch(each, before, most, f"{place + 1}. ")

    text = f"chain of {len(steps):,} step{'' if len(steps) == 1 else 's'}"
    return text, lambda: _some(steps, most, step)


def _group(sig: Sig, given: str | None, most: int) -> Text:
    members = sig["kwargs"].get("tasks") or ()
    return f"group of {len(members):,}", lambda: _members(members, given, most)


def _members(members: Sequence[Any], given: str | None, most: int) -> Iterator[Branch]:
    return _some(members, most, lambda each, _: _branch(each, given, most))


def _chord(sig: Sig, given: str | None, most: int) -> Text:
    members, header = header_of(sig)
    body = sig["kwargs"].get("body")

    def below() -> Iterator[Branch]:
        text = f"header: group of {len(members):,}{options_text(header)}"
        yield Branch(text, lambda: _members(members, given, most))
        if body is not None:
            yield _branch(body, _results(len(members)), most, "body: ")

    return "chord" if body is not None else "chord without a body", below


_PARTS: Final[Mapping[str, Callable[[Sig, str | None, int], Text]]] = {
    "chain": _chain,
    "group": _group,
    "chord": _chord,
}
