"""Chains: one after the other, each with the result of the one before."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

from taskq.canvas.composite import Row, leaves, link_results, take
from taskq.canvas.joining import append_step, pieces, without_nested_bodies
from taskq.canvas.parts import Fixing, listed
from taskq.canvas.signature import Signature, maybe_signature
from taskq.canvas.steps import Unfolded

__all__ = ["chain"]

PROTOCOL_1 = 1
# Options of a chain that are for one of its steps.
_OF_PIECES = frozenset({"link", "link_error", "task_id"})


@Signature.register_type("chain")
class chain(Row[Any]):  # noqa: N801 - Celery's name
    """Steps that follow each other.

    A group among them that something follows is a chord, so every step but the last is one result.
    Only the first step is a message at first; the others travel in it, the last one in front.
    """

    _hooks = ("on_chain_start", "on_chain_end")

    def __init__(self, *tasks: Any, app: Any = None, **options: Any) -> None:
        given = tasks[0] if len(tasks) == 1 and not isinstance(tasks[0], dict) else tasks
        super().__init__(
            "celery.chain",
            kwargs={"tasks": [maybe_signature(each, app=app, clone=True) for each in given]},
            subtask_type="chain",
            app=app,
            **options,
        )
        self._adopt()

    @classmethod
    def of(cls, steps: list[Any], app: Any = None) -> chain:
        """Make a chain of steps that are joined already."""
        made = cls(app=app)
        made.tasks = steps
        return made

    def _adopt(self) -> None:
        steps: list[Any] = []
        for task in self.tasks:
            append_step(steps, maybe_signature(task, app=self._app), self.TYPES)
        self.tasks = steps

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Send it; nothing comes of an empty chain."""
        return self.apply_async(args, kwargs)

    def _leaves(self) -> int:
        return leaves(self.tasks[-1]) if self.tasks else 0

    def unchain_tasks(self) -> list[Signature[Any]]:
        """Return its steps as copies that say what the chain as a whole said."""
        return pieces(self)

    # -- sending ---------------------------------------------------------------------------------

    def run(  # noqa: PLR0917 - Celery's signature
        self,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        group_id: str | None = None,
        chord: Any = None,
        task_id: str | None = None,
        link: Any = None,
        link_error: Any = None,
        publisher: Any = None,
        producer: Any = None,
        root_id: str | None = None,
        parent_id: str | None = None,
        app: Any = None,
        group_index: int | None = None,
        **options: Any,
    ) -> Any:
        """Send it, also where calls are eager."""
        said = {
            "link": link,
            "link_error": link_error,
            "publisher": publisher,
            "producer": producer,
        }
        options.update({name: value for name, value in said.items() if value is not None})
        fixing = Fixing(task_id, group_id, chord, root_id, parent_id, group_index)
        if task_id is not None:
            options["task_id"] = task_id
        self._give_app(app)
        return self._send(args, kwargs, {**options, **fixing.place, **fixing.lineage})

    def prepare_steps(  # noqa: PLR0917 - Celery's signature
        self,
        args: Sequence[Any],
        kwargs: Mapping[str, Any] | None,
        tasks: Iterable[Any],
        root_id: str | None = None,
        parent_id: str | None = None,
        link_error: Any = None,
        app: Any = None,
        last_task_id: str | None = None,
        group_id: str | None = None,
        chord_body: Any = None,
        clone: bool = True,
        from_dict: Any = None,  # noqa: ARG002 - the data of signatures says which kind they are
        group_index: int | None = None,
    ) -> tuple[list[Any], list[Any]]:
        """Join and freeze steps; return them and their results, the last one first."""
        steps = [maybe_signature(each, app=app, clone=clone) for each in tasks]
        own = chain(steps, app=app)
        if own.tasks and (args or kwargs):
            own.tasks[0] = own.tasks[0].clone(args, kwargs)
        _spread({"link_error": link_error}, own.tasks)
        result = own.freeze(last_task_id, group_id, chord_body, root_id, parent_id, group_index)
        results = []
        while result is not None:
            results.append(result)
            result = result.parent
        return own.tasks[::-1], results

    def _come_apart(
        self, args: tuple[Any, ...], kwargs: dict[str, Any], said: dict[str, Any]
    ) -> Unfolded:
        """Send the first step, with the others in it."""
        if not self.tasks:
            return Unfolded(())
        rest = said.pop("chain", None)
        links = take(said, "link", "link_error")
        last = take(said, "group_id", "chord", "group_index")
        _spread(links, self.tasks)
        result = self.freeze(said.pop("task_id", None), **last)
        first, *others = self.tasks
        following = [*others, *reversed(rest or [])]
        if following and self.app.conf.task_protocol == PROTOCOL_1:
            _link_all(first, following)
        elif others or rest is not None:
            said["chain"] = following[::-1]
        return Unfolded(first.unfold(args, kwargs, **said).operations, result)

    def _fix(self, said: Fixing) -> Any:
        """Fix the ids of all steps; the place in a group is that of the last one."""
        self._give_app(self._known_app())
        self.tasks = without_nested_bodies(self.tasks)
        result: Any = None
        for step in self.tasks:
            before = result
            told = said if step is self.tasks[-1] else Fixing()
            result = step.freeze(told.id, **told.place)
            if before is not None:
                link_results(result, before)
        if self.tasks:
            self.options["task_id"] = result.id
            self.tasks[0].options.update(said.lineage)
        return result

    def __repr__(self) -> str:
        if not self.tasks:
            return "<empty chain>"
        return " | ".join(repr(step) for step in self.tasks)


def _spread(links: dict[str, Any], steps: list[Any]) -> None:
    """Give links to the steps they are for; all other options are for the first one."""
    for errback in listed(links.get("link_error")):
        for step in steps:
            step.link_error(errback)
    for callback in listed(links.get("link")):
        steps[-1].link(callback)


def _link_all(first: Any, following: list[Any]) -> None:
    """Protocol 1 has no place for a chain: each step is a callback of the one before."""
    steps = [first, *(maybe_signature(each) for each in following)]
    for before, after in reversed(list(pairwise(steps))):
        before.link(after)
