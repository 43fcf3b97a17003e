"""Groups: side by side."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, Self

from taskq.canvas.composite import Row, add_links, leaves, take
from taskq.canvas.parts import Fixing, is_nothing
from taskq.canvas.signature import Signature, maybe_signature
from taskq.canvas.steps import Operation, Unfolded
from taskq.current import get_current_worker_task

__all__ = ["group", "maybe_unroll_group"]

# Options of a group that are about itself, not about its members.
_ITS_OWN = ("task_id", "root_id", "parent_id", "reply_to")


@Signature.register_type("group")
class group(Row[list[Any]]):  # noqa: N801 - Celery's name
    """Members that run independently; the result is the list of their results.

    A group within a group brings its members, so indexes count on through it.
    """

    _hooks = ("on_group_start", "on_group_end")

    def __init__(self, *tasks: Any, app: Any = None, **options: Any) -> None:
        super().__init__(
            "celery.group",
            kwargs={
                "tasks": _something(
                    maybe_signature(m, app=app, clone=True) for m in _members(tasks)
                )
            },
            subtask_type="group",
            app=app,
            **options,
        )

    @classmethod
    def of(cls, members: list[Any], app: Any = None) -> group:
        """Make a group of these very signatures, not of copies."""
        made = cls(app=app)
        made.tasks = members
        return made

    def _adopt(self) -> None:
        self.tasks = _something(maybe_signature(each, app=self._app) for each in self.tasks)

    def __call__(self, *partial_args: Any, **options: Any) -> Any:
        """Send it."""
        return self.apply_async(partial_args, **options)

    def __len__(self) -> int:
        return len(self.tasks)

    def __bool__(self) -> bool:
        return True

    def _leaves(self) -> int:
        return sum(leaves(member) for member in self.tasks)

    # -- sending ---------------------------------------------------------------------------------

    def apply_async(  # type: ignore[override]  # noqa: PLR0917 - Celery's signature
        self,
        args: Sequence[Any] | None = (),
        kwargs: Mapping[str, Any] | None = None,
        add_to_parent: bool = True,
        producer: Any = None,
        link: Any = None,
        link_error: Any = None,
        **options: Any,
    ) -> Any:
        """Send all members; the group becomes a child of the task that runs here."""
        if link is not None:
            raise TypeError("a group takes no link: use a chord, or link its members")
        if link_error is not None:
            raise TypeError("a group takes no link_error: give it to its members")
        if producer is not None:
            options["producer"] = producer
        result = super().apply_async(args, kwargs, **options)
        parent = get_current_worker_task() if add_to_parent else None
        if parent is not None:
            parent.add_trail(result)
        return result

    def _come_apart(
        self, args: tuple[Any, ...], kwargs: dict[str, Any], said: dict[str, Any]
    ) -> Unfolded:
        """Send all members."""
        rest = said.pop("chain", None)
        if rest:
            self.options = take(said, "task_id")
            unfolded: Unfolded = _followed(self, rest).unfold(args, kwargs, **said)
            return unfolded
        add_links(said, self)
        group_id = said.pop("task_id", None) or self.app.new_id()
        place = {"group_id": group_id, **take(said, "group_id", "chord", "group_index")}
        result = self.freeze(group_id, **place)
        said.update(take(said, "root_id", "parent_id"), add_to_parent=False)
        operations: list[Operation] = []
        for member in self.tasks:
            operations.extend(member.unfold(args, kwargs, **said).operations)
        return Unfolded(tuple(operations), result)

    def _fix(self, said: Fixing) -> Any:
        """Fix the ids of all members and number them; nested groups become members."""
        self._give_app(self._known_app())
        self.flatten()
        options = self.options
        own_id = options["task_id"] = said.id or options.get("task_id") or self.app.new_id()
        if said.group_id is not None and said.group_id != own_id:
            options.update(said.place)
        options["root_id"], options["parent_id"] = said.root_id, said.parent_id
        results = []
        index = said.group_index or 0
        for member in self.tasks:
            results.append(member.freeze(*said._replace(id=None, group_index=index)))
            index += leaves(member)
        return self.app.GroupResult(own_id, results)

    def flatten(self) -> None:
        """Let the members of groups within this one be its own."""
        self.tasks = list(_flat(self.tasks))

    # -- changing --------------------------------------------------------------------------------

    def set_immutable(self, immutable: bool) -> None:
        """Say whether members take the result of what stands before the group."""
        for member in self.tasks:
            member.set_immutable(immutable)

    def link(self, sig: Any) -> Any:
        """Give a callback to the first member that has a result, which it does not take."""
        first = next((member for member in self.tasks if leaves(member)), None)
        if first is None:
            return sig
        callback = maybe_signature(sig, app=self._app, clone=True)
        return first.link(callback.set(immutable=True))

    def link_error(self, sig: Any) -> Any:
        """Give an errback to each member."""
        return tuple(member.link_error(sig) for member in self.tasks)

    def skew(self, start: float = 1.0, stop: float | None = None, step: float = 1.0) -> Self:
        """Let members begin one after the other, ``step`` seconds apart, until ``stop``."""
        for position, member in enumerate(self.tasks):
            countdown = start + position * step
            member.set(countdown=countdown if stop is None else min(countdown, stop))
        return self

    def __repr__(self) -> str:
        return f"group({self.tasks!r})"


def _something(members: Iterable[Any]) -> list[Any]:
    return [member for member in members if not is_nothing(member)]


def _members(tasks: tuple[Any, ...]) -> Any:
    """Find the members among the arguments of the constructor."""
    if len(tasks) != 1:
        return tasks
    (only,) = tasks
    if isinstance(only, group):
        return only.tasks
    return tasks if isinstance(only, dict) else only


def _followed(header: group, rest: Sequence[Any]) -> Any:
    """Make a chord of a group that the rest of a chain follows; the last step comes first."""
    steps = [maybe_signature(step, app=header._app) for step in reversed(rest)]  # noqa: SLF001 - what was given, not the default
    return header | header.TYPES["chain"](*steps)


def _flat(members: Sequence[Any]) -> Iterator[Any]:
    """Put the members of nested groups in the place of the groups."""
    for member in members:
        nested = member.group() if isinstance(member, member.TYPES["chunks"]) else member
        if nested.subtask_type != "group":
            yield nested
            continue
        options = {key: each for key, each in nested.options.items() if key not in _ITS_OWN}
        for each in _flat(nested.tasks):
            yield each.clone(nested.args, {}, **options) if nested.args or options else each


_Group: Final = group


def maybe_unroll_group(group: Any) -> Any:
    """Return the only member of a group of one; anything else as it is."""
    return group.tasks[0] if isinstance(group, _Group) and len(group) == 1 else group
