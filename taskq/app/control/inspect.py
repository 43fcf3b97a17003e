# ruff: noqa: A002, PLR0917 - the parameters are Celery's, and so is their order
"""Questions to workers: ``app.control.inspect().active()`` and the like.

Each returns a dictionary of node name to answer, or None where nobody answers.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from taskq import current
from taskq.errors import DuplicateNodenameWarning

__all__ = ["Inspect", "flatten_reply"]


def flatten_reply(reply: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Make one dictionary of the replies of many; warns where two answer to one name."""
    nodes: dict[str, Any] = {}
    twice: set[str] = set()
    for each in reply:
        twice.update(name for name in each if name in nodes)
        nodes.update(each)
    if twice:
        names = ", ".join(sorted(twice))
        warnings.warn(
            f"several workers answer to one name: {names}; start each with a name of its own (-n)",
            DuplicateNodenameWarning,
            stacklevel=2,
        )
    return nodes


class Inspect:
    """What workers say of themselves."""

    app: Any = None

    def __init__(
        self,
        destination: str | Sequence[str] | None = None,
        timeout: float = 1.0,
        callback: Callable[[dict[str, Any]], object] | None = None,
        connection: Any = None,
        app: Any = None,
        limit: int | None = None,
        pattern: str | None = None,
        matcher: str | None = None,
    ) -> None:
        self.app = current.app_or_default(app or self.app)
        self.destination = destination
        self.timeout = timeout
        self.callback = callback
        self.connection = connection
        self.limit = limit
        self.pattern = pattern
        self.matcher = matcher

    def _request(self, command: str, **arguments: Any) -> Any:
        one = isinstance(self.destination, str)
        replies = self.app.control.broadcast(
            command,
            arguments=arguments,
            destination=[self.destination] if one else self.destination,
            callback=self.callback,
            connection=self.connection,
            limit=self.limit,
            timeout=self.timeout,
            reply=True,
            pattern=self.pattern,
            matcher=self.matcher,
        )
        if not replies:
            return None
        nodes = flatten_reply(replies)
        return nodes.get(str(self.destination)) if one else nodes

    # -- the worker -------------------------------------------------------------------------------

    def report(self) -> Any:
        """Ask for versions and settings, as text."""
        return self._request("report")

    def clock(self) -> Any:
        """Ask for the logical clock."""
        return self._request("clock")

    def ping(self, destination: Sequence[str] | None = None) -> Any:
        """Ask who is there."""
        if destination:
            self.destination = destination
        return self._request("ping")

    def stats(self) -> Any:
        """Ask for counts, the pool, the broker, and what the process has used."""
        return self._request("stats")

    def conf(self, with_defaults: bool = False) -> Any:
        """Ask for the settings, with stars for secrets."""
        return self._request("conf", with_defaults=with_defaults)

    def hello(self, from_node: str, revoked: Any = None) -> Any:
        """Tell what is revoked here, and ask for what is revoked there."""
        return self._request("hello", from_node=from_node, revoked=revoked)

    # -- tasks ------------------------------------------------------------------------------------

    def active(self, safe: bool | None = None) -> Any:
        """Ask what runs now."""
        return self._request("active", safe=safe)

    def scheduled(self, safe: bool | None = None) -> Any:  # noqa: ARG002 - Celery's
        """Ask what waits for its time."""
        return self._request("scheduled")

    def reserved(self, safe: bool | None = None) -> Any:  # noqa: ARG002 - Celery's
        """Ask what was taken and waits for a slot."""
        return self._request("reserved")

    def revoked(self) -> Any:
        """Ask for the ids of what must not run."""
        return self._request("revoked")

    def registered(self, *taskinfoitems: str) -> Any:
        """Ask for the names of tasks, with some of their attributes."""
        return self._request("registered", taskinfoitems=taskinfoitems)

    registered_tasks = registered

    def query_task(self, *ids: Any) -> Any:
        """Ask where some tasks are."""
        # One list of ids may be given as well.
        if len(ids) == 1 and isinstance(ids[0], list | tuple):
            ids = tuple(ids[0])
        return self._request("query_task", ids=ids)

    def active_queues(self) -> Any:
        """Ask which queues are taken from."""
        return self._request("active_queues")

    # -- memory -----------------------------------------------------------------------------------

    def objgraph(self, type: str = "Request", n: int = 200, max_depth: int = 10) -> Any:
        """Ask for a picture of objects of a type; needs the package objgraph there."""
        return self._request("objgraph", num=n, max_depth=max_depth, type=type)

    def memsample(self) -> Any:
        """Ask the worker to take note of how much memory it uses."""
        return self._request("memsample")

    def memdump(self, samples: int = 10) -> Any:
        """Ask for what was noted by ``memsample``."""
        return self._request("memdump", samples=samples)
