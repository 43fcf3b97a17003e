"""Chords: side by side, and then one more with the list of all results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Self, TypeVar

from taskq.canvas.composite import (
    Composite,
    add_links,
    gathered,
    is_many,
    leaves,
    link_results,
    take,
)
from taskq.canvas.groups import group
from taskq.canvas.parts import Fixing, Item, is_nothing
from taskq.canvas.signature import Signature, maybe_signature
from taskq.canvas.stamping import StampingVisitor, merged_stamps, with_stamps
from taskq.canvas.steps import COMPOSITE, OpenChord, Unfolded, is_chunks
from taskq.canvas.unlocking import unlock_step

__all__ = ["chord"]

ChordT = TypeVar("ChordT", bound="chord")

# Options of a call that are about this one sending, not about the body, which is sent much later.
_OF_THE_SENDER = frozenset(
    {"add_to_parent", "connection", "countdown", "eta", "parent_id", "producer", "publisher"}
    | {"result_cls", "root_id", "route_name", "router"}
)


@Signature.register_type("chord")
class chord(Composite[Any]):  # noqa: N801 - Celery's name
    """A header, which is a group, and a body that gets the list of its results.

    Each member of the header carries the body; who ends last sends it.
    """

    tasks = Item("kwargs", "header")
    body = Item("kwargs", "body")

    def __init__(  # noqa: PLR0917 - Celery's signature
        self,
        header: Any,
        body: Any = None,
        task: str = "celery.chord",
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        app: Any = None,
        **options: Any,
    ) -> None:
        super().__init__(
            task,
            args,
            {
                "kwargs": dict(kwargs or {}),
                "header": _as_header(header, app),
                "body": _as_body(maybe_signature(body, app=app, clone=True)),
            },
            subtask_type="chord",
            app=app,
            **options,
        )

    def _adopt(self) -> None:
        self.kwargs.setdefault("kwargs", {})
        self.tasks = _adopted_header(self.kwargs.get("header") or (), self._app)
        self.body = _as_body(maybe_signature(self.kwargs.get("body"), app=self._app))

    def __call__(self, body: Any = None, **options: Any) -> Any:
        """Send it, with another body if one is given."""
        return self.apply_async((), {} if body is None else {"body": body}, **options)

    def _parts(self) -> list[Any]:
        return self._members() if self.body is None else [*self._members(), self.body]

    def _leaves(self) -> int:
        return sum(map(leaves, self._members())) if self.body is None else leaves(self.body)

    def _members(self) -> list[Any]:
        found = self.tasks.tasks if isinstance(self.tasks, group) else self.tasks
        return list(found)

    def _header(self) -> group:
        """Turn the header into a group, for good."""
        if not isinstance(self.tasks, group):
            self.tasks = group.of(self.tasks, self._known_app())
        header: group = self.tasks
        return header

    def _gather(self) -> None:
        """Let each member of the header have one result: what is many becomes a list."""
        if self.body is not None:
            header = self._header()
            header.flatten()
            header.tasks = [gathered(each) if is_many(each) else each for each in header.tasks]

    # -- sending ---------------------------------------------------------------------------------

    def apply_async(  # type: ignore[override]  # noqa: PLR0917 - Celery's signature
        self,
        args: Sequence[Any] | None = (),
        kwargs: Mapping[str, Any] | None = None,
        task_id: str | None = None,
        producer: Any = None,
        publisher: Any = None,
        connection: Any = None,
        router: Any = None,
        result_cls: Any = None,
        **options: Any,
    ) -> Any:
        """Send the header; ``task_id`` is that of the body."""
        given = {
            "task_id": task_id,
            "producer": producer,
            "publisher": publisher,
            "connection": connection,
            "router": router,
            "result_cls": result_cls,
        }
        options.update({name: value for name, value in given.items() if value is not None})
        return super().apply_async(args, kwargs, **options)

    def run(  # noqa: PLR0917 - Celery's signature
        self,
        header: Any,
        body: Any,
        partial_args: Sequence[Any] = (),
        app: Any = None,
        interval: float | None = None,  # noqa: ARG002 - nobody asks again and again here
        countdown: float | None = None,  # noqa: ARG002 - the same
        max_retries: int | None = None,  # noqa: ARG002 - the same
        eager: bool = False,
        task_id: str | None = None,
        kwargs: Mapping[str, Any] | None = None,
        header_delay: float | None = None,
        **options: Any,
    ) -> Any:
        """Send another header and body than its own; with ``eager`` run them here."""
        other = chord(header, body, app=app or self._known_app(), **self.options)
        given = {"task_id": task_id, "countdown": header_delay}
        options.update({name: value for name, value in given.items() if value is not None})
        if eager:
            return other.apply(partial_args, kwargs, **options)
        return other._send(partial_args, kwargs, options)

    def _come_apart(
        self, args: tuple[Any, ...], kwargs: dict[str, Any], said: dict[str, Any]
    ) -> Unfolded:
        """Open the chord, and send the header."""
        header, body, given = self._given(kwargs)
        header_id, body_id = self._ids(said.pop("task_id", None))
        if body is None:
            unfolded: Unfolded = header.unfold(args, given, task_id=header_id, **said)
            return unfolded
        links = take(said, "link", "link_error")
        place = take(said, "group_id", "chord", "group_index")
        if said.get("chain") is None:
            said.pop("chain", None)
        body.options.update({k: v for k, v in said.items() if k not in _OF_THE_SENDER})
        add_links(links, self)
        self._gather()
        said.pop("chain", None)
        # Who stands in no other group shows that of the header.
        result = body.freeze(body_id, **(place or {"group_id": header_id}))
        if not leaves(header):
            link_results(result, self.app.GroupResult(header_id, []))
            return Unfolded(body.unfold(([],)).operations, result)
        sent = header.unfold(args, given, task_id=header_id, chord=body, **said)
        link_results(result, sent.result)
        unlock = partial(unlock_step, header_id, body, sent.result)
        opened = OpenChord(header_id, leaves(header), unlock, sent.result, body)
        return Unfolded((opened, *sent.operations), result)

    def _given(self, kwargs: Mapping[str, Any] | None) -> tuple[Any, Any, dict[str, Any]]:
        """Return header, body, and what is given to the members of the header."""
        given = {**self.kwargs["kwargs"], **(kwargs or {})}
        other = given.pop("body", None)
        if other is not None:
            self.body = _as_body(maybe_signature(other, app=self._app, clone=True))
        return self._header(), self.body, given

    def _ids(self, said: str | None) -> tuple[str, str | None]:
        """Return the ids of header and body; what was said is the body's.

        But a frozen chord carries the id of its header.
        """
        header_id = self._header().options.get("task_id")
        if said == header_id:
            said = None
        return header_id or self.app.new_id(), said

    def _fix(self, said: Fixing) -> Any:
        """Fix the ids of header and body; the place in a group is that of the body."""
        self._give_app(self._known_app())
        self._gather()
        header = self._header()
        header_result = header.freeze(root_id=said.root_id, parent_id=said.parent_id)
        self.options["task_id"] = header.options["task_id"]
        if self.body is None:
            return header_result
        result = self.body.freeze(said.id, **said.place)
        link_results(result, header_result)
        return result

    def apply(
        self,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        propagate: bool | None = None,
        body: Any = None,
        **options: Any,
    ) -> Any:
        """Run header and body here.

        If a member of the header fails, so does the chord, as it would in workers.  But with
        ``propagate`` it raises, and with False its error stands among the results.
        """
        named = dict(kwargs or {}) if body is None else {**(kwargs or {}), "body": body}
        if propagate is None:
            return super().apply(args, named, **options)
        own = self.clone()
        header, last, given = own._given(named)  # noqa: SLF001 - its own copy
        own._gather()  # noqa: SLF001 - its own copy
        said = merged_stamps({k: v for k, v in self.options.items() if k != "task_id"}, options)
        if last is None:
            return header.apply(self._in_front(args), given, **said)
        body_id = take(said, "task_id")
        add_links(said, last)
        header_result = header.apply(self._in_front(args), given, **said)
        result = last.apply((header_result.get(propagate=propagate),), {}, **body_id)
        link_results(result, header_result)
        return result

    # -- changing --------------------------------------------------------------------------------

    def set_immutable(self, immutable: bool) -> None:
        """Say whether the header takes the result of what stands before it."""
        for member in self._members():
            member.set_immutable(immutable)

    def link(self, callback: Any) -> Any:
        """Give a callback to the body."""
        return (self._header() if self.body is None else self.body).link(callback)

    def link_error(self, errback: Any) -> Any:
        """Give an errback to the body, and to the header where the setting says so."""
        if self.body is None or self.app.conf.task_allow_error_cb_on_chord_header:
            for member in self._members():
                member.link_error(errback)
        if self.body is not None:
            self.body.link_error(errback)
        return errback

    def stamp(
        self,
        visitor: StampingVisitor | None = None,
        append_stamps: bool = False,
        **headers: Any,
    ) -> Self:
        """Stamp the header's members, then the body."""
        header = self._header()  # visitors are shown a group
        found = visitor.on_chord_header_start(self, **headers) if visitor is not None else None
        above = with_stamps(headers, found)
        self.stamp_links(visitor, append_stamps, **above)
        for member in header.tasks:
            member.stamp(visitor, append_stamps, **above)
        if visitor is not None:
            visitor.on_chord_header_end(self, **above)
        if self.body is not None:
            found = visitor.on_chord_body(self, **headers) if visitor is not None else None
            self.body.stamp(visitor, append_stamps, **with_stamps(headers, found))
        return self

    def __repr__(self) -> str:
        if self.body is None:
            return f"<chord without body: {self._members()!r}>"
        if self.body.subtask_type in COMPOSITE:
            return f"group({self._members()!r}) | {self.body!r}"
        shown: str = self.body.reprcall(self._members())
        return shown


def _as_body(body: Any) -> Any:
    """Say what a body is as a step: an empty chain is none, and chunks are a group."""
    if is_nothing(body):
        return None
    return body.group() if body is not None and is_chunks(body) else body


def _adopted_header(header: Any, app: Any) -> Any:
    """Make a header of data that is the chord's own: a copy at each level doubles with each."""
    found = maybe_signature(header, app=app)
    if not isinstance(found, Signature):
        return [maybe_signature(member, app=app) for member in found]
    if not isinstance(found, group):
        return [found]
    return found if found.options or found.args else found.tasks


def _as_header(header: Any, app: Any) -> Any:
    """Copy what was given as a header: a list of members, or a group that says more than that."""
    if isinstance(header, dict):
        header = maybe_signature(header, app=app)
    if isinstance(header, group) and (header.options or header.args):
        return header.clone()
    return group(header, app=app).tasks
