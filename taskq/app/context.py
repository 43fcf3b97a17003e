"""What a task knows of the call that it carries out: ``self.request``.

``run_task`` fills one from the headers and the body of a message, ``Task.apply`` from its
options; a direct call has an empty one.  It holds values and asks nobody.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

__all__ = ["Context"]

# Headers that are nobody's but ours; a call that is made again does not take them along.
OUR_PREFIX: Final = "taskq-"

# Attributes of a request that are options of the same call under another name.
_OPTION_OF: Mapping[str, str] = {
    "task_id": "id",
    "root_id": "root_id",
    "parent_id": "parent_id",
    "group_id": "group",
    "group_index": "group_index",
    "shadow": "shadow",
    "chord": "chord",
    "chain": "chain",
    "link": "callbacks",
    "link_error": "errbacks",
    "expires": "expires",
    "headers": "headers",
    "retries": "retries",
    "reply_to": "reply_to",
    "replaced_task_nesting": "replaced_task_nesting",
    "origin": "origin",
    "ignore_result": "ignore_result",
}


class Context:
    """The request of one run of a task.  What was not sent reads as the default of the class."""

    # Not in the message: what the worker adds.
    _children: list[Any] | None = None
    _protected = 0
    hostname: str | None = None
    delivery_info: dict[str, Any] | None = None
    is_eager = False
    called_directly = True
    logfile: Any = None
    loglevel: Any = None

    id: Any = None  # a text in each call; None outside of all
    task: str | None = None
    lang: str | None = None
    shadow: str | None = None
    args: Any = None
    kwargs: dict[str, Any] | None = None
    argsrepr: str | None = None
    kwargsrepr: str | None = None
    root_id: str | None = None
    parent_id: str | None = None
    group: str | None = None
    group_index: int | None = None
    taskset: str | None = None  # what ``group`` was called
    chord: Any = None
    chain: Any = None
    callbacks: Any = None
    errbacks: Any = None
    retries = 0
    eta: str | None = None
    expires: Any = None
    timelimit: Any = None
    time_limit: float | None = None
    soft_time_limit: float | None = None
    ignore_result: bool | None = False
    origin: str | None = None
    reply_to: str | None = None
    correlation_id: str | None = None
    replaced_task_nesting = 0
    properties: Mapping[str, Any] | None = None
    stamped_headers: list[str] | None = None
    stamps: Mapping[str, Any] | None = None
    chord_store: Any = None  # of an eager call: where its chord is counted
    added_to_chord: list[Any] | None = None  # by the body, to be sent when it has ended
    utc: bool | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.update(*args, **kwargs)

    def update(self, *args: Any, **kwargs: Any) -> None:
        """Set attributes from mappings."""
        self.__dict__.update(*args, **kwargs)

    def clear(self) -> None:
        """Forget everything that was set."""
        self.__dict__.clear()

    def get(self, key: str, default: Any = None) -> Any:
        """Return an attribute, also one that no class default names."""
        return getattr(self, key, default)

    def __repr__(self) -> str:
        return f"<Context: {self.__dict__!r}>"

    @property
    def headers(self) -> dict[str, Any] | None:
        """The headers that the caller added, and no others; None where there are none."""
        known = self.__dict__
        if "headers" in known:
            given: dict[str, Any] | None = known["headers"]
            return given
        # What came in the message; of a context that was made by hand, all that it was given.
        sent = known.get("_sent", known)
        return {
            name: sent[name]
            for name in sent
            if name not in _STANDARD and not name.startswith(OUR_PREFIX)
        } or None

    @headers.setter
    def headers(self, value: dict[str, Any] | None) -> None:
        self.__dict__["headers"] = value

    def our_header(self, name: str) -> Any:
        """Return a header that our workers write for each other; None where there is none."""
        known = self.__dict__
        return (known.get("_sent") or known.get("headers") or {}).get(f"{OUR_PREFIX}{name}")

    @property
    def children(self) -> list[Any]:
        """Results of the tasks that were sent from here."""
        if self._children is None:
            self._children = []
        return self._children

    @children.setter
    def children(self, value: list[Any]) -> None:
        self._children = value

    def as_execution_options(self) -> dict[str, Any]:
        """Return the options of ``apply_async`` that make the same call again."""
        options = {option: getattr(self, name) for option, name in _OPTION_OF.items()}
        hard, soft = self.timelimit or (None, None)
        options.update(time_limit=hard, soft_time_limit=soft)
        if self.stamps and self.stamped_headers:
            options.update(stamped_headers=self.stamped_headers, **self.stamps)
        return options

    def __getstate__(self) -> dict[str, Any]:
        return dict(self.__dict__)

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)


# What is in a message without anybody asking for it: the attributes above, and what codecs and
# brokers write on the way.
_STANDARD = frozenset(vars(Context)) | {
    "_sent",
    "compression",
    "x-acquired-count",
    "x-death",
    "x-delivery-count",
    "x-first-death-exchange",
    "x-first-death-queue",
    "x-first-death-reason",
    "x-last-death-exchange",
    "x-last-death-queue",
    "x-last-death-reason",
}
